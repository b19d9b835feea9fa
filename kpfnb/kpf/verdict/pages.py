"""The pages of verdicts: one a night, and the calendar that leads to all of them.

They are part of the site of the runs (`runs/nights/`), and need no script and no other file.
"""

from __future__ import annotations

import os
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kpfnb import files, settings
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.pageview import badge
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessing
from kpfnb.kpf.verdict.filling import fillings
from kpfnb.kpf.verdict.finding import Finding
from kpfnb.kpf.verdict.measuring import Blame
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rules import Measure
from kpfnb.runs import report, view
from kpfnb.runs.view import Link
from kpfnb.settings import Settings

FOLDER = "nights"
"""Below the runs directory."""

VERDICT, REPORT, CALENDAR = "verdict.html", "report.html", "index.html"
MOST_BLAMED = 50
REFRESH_SECONDS = 60
COUNTED = (Measure.COUNT, Measure.MASTERS)
"""What they find is a number of frames itself."""


def write(judged: NightVerdict) -> Path:
    """Write the page of a verdict where it differs, and the calendar; the page."""
    here = settings.load()
    path = place(here, judged.night) / VERDICT
    files.update_text(path, page(judged, here))
    write_calendar(here)
    return path


def write_calendar(here: Settings) -> Path:
    """Write the calendar of all nights that have a verdict."""
    path = here.runs_dir / FOLDER / CALENDAR
    files.update_text(path, calendar(assessing.history(here), here))
    return path


def place(here: Settings, night: str) -> Path:
    """The directory of a night's pages."""
    return here.runs_dir / FOLDER / night


def page(judged: NightVerdict, here: Settings) -> str:
    """A night's verdict as HTML; all text escaped."""
    folder = place(here, judged.night)
    last = judged.last_l0 and judged.last_l0.astimezone(judged.zone)
    return render(
        "verdict.html",
        title=f"Verdict of {judged.night}",
        badge=badge(judged.verdict),
        line=judged.wrong or "every rule passes",
        ways=ways(folder, judged.night, VERDICT),
        night=judged.night,
        refresh_seconds=REFRESH_SECONDS if judged.is_going_on else 0,
        last=f"{last:%Y-%m-%d %H:%M %Z}" if last else "none",
        observations=judged.observations,
        junk=judged.junk,
        fillings=[{**one._asdict(), "told": one.told} for one in fillings(judged.findings)],
        levels=[
            {
                "name": str(level),
                "question": level.question,
                "badge": badge(verdict),
                "findings": [
                    _shown(one, folder, here) for one in judged.findings if one.rule.level is level
                ],
            }
            for level, verdict in judged.levels.items()
        ],
        overrides=[asdict(one) for one in reversed(judged.overrides)],
        remarks=judged.remarks,
        criteria=judged.criteria,
    )


def calendar(history: Mapping[str, Mapping[str, Any]], here: Settings) -> str:
    """All nights by month, a day a column, as HTML."""
    newest = sorted(history, reverse=True)
    totals = {verdict: sum(history[n]["verdict"] == verdict for n in newest) for verdict in Verdict}
    return render(
        "nights.html",
        title="Nights",
        refresh_seconds=0,
        ways=[Link("all runs", "../index.html")],
        counts=[badge(verdict) | {"number": n} for verdict, n in totals.items() if n],
        days=range(1, 32),
        months=[
            (f"{month[:4]}-{month[4:]}", _cells(month, set(nights), history, here))
            for month, nights in groupby(newest, key=lambda night: night[:6])
        ],
        recent=[
            {"night": n, "badge": badge(Verdict(history[n]["verdict"])), "target": _target(here, n)}
            # One that was kept by an earlier version has the whole line only
            | {"wrong": history[n].get("wrong", history[n]["line"])}
            | {"levels": [badge(Verdict(word)) for word in history[n]["levels"].values()]}
            | {"names": list(history[n]["levels"]), "observations": history[n]["observations"]}
            for n in newest[:14]
        ],
    )


def ways(folder: Path, night: str, own: str) -> list[Link]:
    """The links from a page of a night to its other pages."""
    here = settings.load()
    targets = {
        "all nights": folder.parent / CALENDAR,
        "verdict": folder / VERDICT,
        "report": folder / REPORT,
        "quicklook": here.qlp_path / night / "index.html",
        "time series": here.work_dir / "timeseries" / "day" / night / "index.html",
    }
    return [
        Link(text, relative(target, folder))
        for text, target in targets.items()
        if target.name != own and (target.exists() or text == "all nights")
    ]


def relative(target: Path, folder: Path) -> str:
    """The address of a file from a page in `folder`."""
    return quote(os.path.relpath(target, folder))


def quicklook_target(blame: Blame, folder: Path, here: Settings) -> str:
    """The quicklook page of an observation at the level to blame; '' where there is none."""
    if not KPF.obsid.fullmatch(blame.name):
        return ""
    page = here.qlp_path / blame.name[3:11] / blame.name / "index.html"
    return f"{relative(page, folder)}#{blame.level}" if page.exists() else ""


def render(template: str, **values: Any) -> str:
    """A page that carries its style with it; its policy allows nothing else but pictures in it."""
    from markupsafe import Markup

    environment = view.environment()
    style = view.style() + environment.loader.get_source(environment, "nights.css")[0]
    return str(
        environment.get_template(template).render(
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.policy(style),
            **values,
        )
    )


def _shown(one: Finding, folder: Path, here: Settings) -> dict[str, Any]:
    # Whom to blame is asked where something does not pass, or was overridden
    blamed = one.found.blamed if one.measured is not Verdict.PASS else ()
    return {
        "title": one.rule.title,
        "name": one.rule.name,
        "reason": one.rule.reason,
        "badge": badge(one.verdict),
        "value": one.value,
        "threshold": one.threshold,
        "night": one.night,
        "frames": 0 if one.rule.measure in COUNTED else one.found.of,
        "override": asdict(one.override) if one.override else None,
        "blamed": [
            {"name": who.name, "why": who.why, "target": quicklook_target(who, folder, here)}
            for who in blamed[:MOST_BLAMED]
        ],
        "more": max(0, len(blamed) - MOST_BLAMED),
    }


def _cells(
    month: str, nights: set[str], history: Mapping[str, Mapping[str, Any]], here: Settings
) -> list[dict[str, Any]]:
    """A cell a day of a month; {} where there is no verdict."""
    days = monthrange(int(month[:4]), int(month[4:]))[1]
    names = [f"{month}{day:02d}" for day in range(1, days + 1)]
    return [
        {
            "badge": badge(Verdict(history[name]["verdict"])),
            "target": _target(here, name),
            "night": name,
        }
        if name in nights
        else {}
        for name in names
    ] + [{}] * (31 - days)


def _target(here: Settings, night: str) -> str:
    for name in (REPORT, VERDICT):
        if (place(here, night) / name).exists():
            return f"{night}/{name}"
    return ""
