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

from kpfnb.core import atomic, settings
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.quicklook.record_view import verdict_badge
from kpfnb.kpf.verdict import assessment
from kpfnb.kpf.verdict.assessment import count_frames
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import Offender, RuleResult
from kpfnb.kpf.verdict.rules import RuleMeasure
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import PageLink

PAGES_DIR = "nights"
"""Below the runs directory."""

VERDICT_PAGE, REPORT_PAGE, CALENDAR_PAGE = "verdict.html", "report.html", "index.html"
MAX_OFFENDERS = 50
REFRESH_SECONDS = 60
COUNT_MEASURES = (RuleMeasure.COUNT, RuleMeasure.MASTERS)
"""What they find is a number of frames itself."""


def write_verdict_page(judged: NightVerdict) -> Path:
    """Write the page of a verdict where it differs, and the calendar; the page."""
    here = settings.load_settings()
    path = page_dir(here, judged.night) / VERDICT_PAGE
    atomic.write_text_if_changed(path, render_verdict_page(judged, here))
    write_calendar_page(here)
    return path


def write_calendar_page(here: Settings) -> Path:
    """Write the calendar of all nights that have a verdict."""
    path = here.runs_dir / PAGES_DIR / CALENDAR_PAGE
    atomic.write_text_if_changed(path, render_calendar(assessment.load_history(here), here))
    return path


def page_dir(here: Settings, night: str) -> Path:
    """The directory of a night's pages."""
    return here.runs_dir / PAGES_DIR / night


def render_verdict_page(judged: NightVerdict, here: Settings) -> str:
    """A night's verdict as HTML; all text escaped."""
    folder = page_dir(here, judged.night)
    last = judged.last_l0 and judged.last_l0.astimezone(judged.zone)
    return render_page(
        "verdict.html",
        title=f"Verdict of {judged.night}",
        badge=verdict_badge(judged.verdict),
        line=judged.problems or "every rule passes",
        ways=nav_links(folder, judged.night, VERDICT_PAGE),
        night=judged.night,
        refresh_seconds=REFRESH_SECONDS if judged.in_progress else 0,
        last=f"{last:%Y-%m-%d %H:%M %Z}" if last else "none",
        observations=judged.observations,
        junk=judged.junk,
        fillings=[{**one._asdict(), "told": one.text} for one in count_frames(judged.results)],
        levels=[
            {
                "name": str(level),
                "question": level.question,
                "badge": verdict_badge(verdict),
                "findings": [
                    _result_context(one, folder, here)
                    for one in judged.results
                    if one.rule.level is level
                ],
            }
            for level, verdict in judged.levels.items()
        ],
        overrides=[asdict(one) for one in reversed(judged.overrides)],
        remarks=judged.remarks,
        criteria=judged.criteria,
    )


def render_calendar(history: Mapping[str, Mapping[str, Any]], here: Settings) -> str:
    """All nights by month, a day a column, as HTML."""
    newest = sorted(history, reverse=True)
    totals = {verdict: sum(history[n]["verdict"] == verdict for n in newest) for verdict in Verdict}
    return render_page(
        "nights.html",
        title="Nights",
        refresh_seconds=0,
        ways=[PageLink("all runs", "../index.html")],
        counts=[verdict_badge(verdict) | {"number": n} for verdict, n in totals.items() if n],
        days=range(1, 32),
        months=[
            (f"{month[:4]}-{month[4:]}", _calendar_cells(month, set(nights), history, here))
            for month, nights in groupby(newest, key=lambda night: night[:6])
        ],
        recent=[
            {
                "night": n,
                "badge": verdict_badge(Verdict(history[n]["verdict"])),
                "target": _night_link(here, n),
            }
            # One that was kept by an earlier version has the whole line only
            | {"wrong": history[n].get("wrong", history[n]["line"])}
            | {"levels": [verdict_badge(Verdict(word)) for word in history[n]["levels"].values()]}
            | {"names": list(history[n]["levels"]), "observations": history[n]["observations"]}
            for n in newest[:14]
        ],
    )


def nav_links(folder: Path, night: str, own: str) -> list[PageLink]:
    """The links from a page of a night to its other pages."""
    here = settings.load_settings()
    targets = {
        "all nights": folder.parent / CALENDAR_PAGE,
        "verdict": folder / VERDICT_PAGE,
        "report": folder / REPORT_PAGE,
        "quicklook": here.qlp_path / night / "index.html",
        "time series": here.work_dir / "timeseries" / "day" / night / "index.html",
    }
    return [
        PageLink(text, relative_link(target, folder))
        for text, target in targets.items()
        if target.name != own and (target.exists() or text == "all nights")
    ]


def relative_link(target: Path, folder: Path) -> str:
    """The address of a file from a page in `folder`."""
    return quote(os.path.relpath(target, folder))


def quicklook_link(blame: Offender, folder: Path, here: Settings) -> str:
    """The quicklook page of an observation at the level to blame; '' where there is none."""
    if not KPF.obsid_pattern.fullmatch(blame.name):
        return ""
    page = here.qlp_path / blame.name[3:11] / blame.name / "index.html"
    return f"{relative_link(page, folder)}#{blame.level}" if page.exists() else ""


def render_page(template: str, **values: Any) -> str:
    """A page that carries its style with it; its policy allows nothing else but pictures in it."""
    from markupsafe import Markup

    environment = formatting.template_environment()
    style = formatting.stylesheet() + environment.loader.get_source(environment, "nights.css")[0]
    return str(
        environment.get_template(template).render(
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
            **values,
        )
    )


def _result_context(one: RuleResult, folder: Path, here: Settings) -> dict[str, Any]:
    # Whom to blame is asked where something does not pass, or was overridden
    blamed = one.measurement.offenders if one.measured is not Verdict.PASS else ()
    return {
        "title": one.rule.title,
        "name": one.rule.name,
        "reason": one.rule.reason,
        "badge": verdict_badge(one.verdict),
        "value": one.value,
        "threshold": one.threshold,
        "night": one.night,
        "frames": 0 if one.rule.measure in COUNT_MEASURES else one.measurement.frame_count,
        "override": asdict(one.override) if one.override else None,
        "blamed": [
            {"name": who.name, "why": who.why, "target": quicklook_link(who, folder, here)}
            for who in blamed[:MAX_OFFENDERS]
        ],
        "more": max(0, len(blamed) - MAX_OFFENDERS),
    }


def _calendar_cells(
    month: str, nights: set[str], history: Mapping[str, Mapping[str, Any]], here: Settings
) -> list[dict[str, Any]]:
    """A cell a day of a month; {} where there is no verdict."""
    days = monthrange(int(month[:4]), int(month[4:]))[1]
    names = [f"{month}{day:02d}" for day in range(1, days + 1)]
    return [
        {
            "badge": verdict_badge(Verdict(history[name]["verdict"])),
            "target": _night_link(here, name),
            "night": name,
        }
        if name in nights
        else {}
        for name in names
    ] + [{}] * (31 - days)


def _night_link(here: Settings, night: str) -> str:
    for name in (REPORT_PAGE, VERDICT_PAGE):
        if (page_dir(here, night) / name).exists():
            return f"{night}/{name}"
    return ""
