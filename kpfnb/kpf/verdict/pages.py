"""The pages of verdicts: one per night, and the calendar of all nights.

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
from kpfnb.core.clock import parse_utc
from kpfnb.core.settings import Settings
from kpfnb.core.text import format_count
from kpfnb.kpf.files.night_pages import PAGES_DIR
from kpfnb.kpf.files.night_pages import REPORT_PAGE as REPORT_PAGE
from kpfnb.kpf.files.night_pages import VERDICT_PAGE as VERDICT_PAGE
from kpfnb.kpf.files.night_pages import page_dir as page_dir
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.quicklook.record_view import verdict_badge
from kpfnb.kpf.verdict import assessment
from kpfnb.kpf.verdict.freshness import FILES_KEY, describe_staleness
from kpfnb.kpf.verdict.measurement import Offender
from kpfnb.kpf.verdict.remedies import rule_action
from kpfnb.kpf.verdict.result import NightVerdict, split_results
from kpfnb.kpf.verdict.rule_results import FrameCount, RuleResult, count_frames
from kpfnb.runs import formatting, report
from kpfnb.runs.formatting import PageLink

CALENDAR_PAGE = "index.html"
MAX_OFFENDERS = 1000
MAX_RECENT = 14
"""Nights in the table above the calendar."""

REFRESH_SECONDS = 60

NO_PROBLEMS, NOTHING_JUDGED = "all judged rules pass", "no rule could be judged"


def write_verdict_page(night_verdict: NightVerdict) -> Path:
    """Write the page of a verdict if it changed, and the calendar; returns the page."""
    site_settings = settings.load_settings()
    path = page_dir(site_settings, night_verdict.night) / VERDICT_PAGE
    atomic.write_text_if_changed(path, render_verdict_page(night_verdict, site_settings))
    write_calendar_page(site_settings)
    return path


def write_calendar_page(site_settings: Settings) -> Path:
    """Write the calendar of all nights that have a verdict."""
    path = site_settings.runs_dir / PAGES_DIR / CALENDAR_PAGE
    html = render_calendar(assessment.load_history(site_settings), site_settings)
    atomic.write_text_if_changed(path, html)
    return path


def render_verdict_page(night_verdict: NightVerdict, site_settings: Settings) -> str:
    """A night's verdict as HTML; all text escaped."""
    directory = page_dir(site_settings, night_verdict.night)
    last_l0 = night_verdict.last_l0 and night_verdict.last_l0.astimezone(night_verdict.zone)
    return render_page(
        "verdict.html",
        title=f"Verdict of {night_verdict.night}",
        badge=verdict_badge(night_verdict.verdict),
        line=describe_problems(night_verdict),
        links=nav_links(directory, night_verdict.night, VERDICT_PAGE),
        night=night_verdict.night,
        refresh_seconds=REFRESH_SECONDS if night_verdict.in_progress else 0,
        last_l0=f"{last_l0:%Y-%m-%d %H:%M}" if last_l0 else "never",
        observations=night_verdict.observations,
        junk=night_verdict.junk,
        frame_counts=[_count_context(count) for count in count_frames(night_verdict.results)],
        levels=[
            {
                "name": str(level),
                "question": level.question,
                "badge": verdict_badge(verdict),
                "results": [_result_context(r, directory, site_settings) for r in judged],
                "not_judged": [_result_context(r, directory, site_settings) for r in not_judged],
            }
            for level, verdict in night_verdict.levels.items()
            for judged, not_judged in [split_results(night_verdict.results, level)]
        ],
        overrides=[asdict(override) for override in reversed(night_verdict.overrides)],
        notes=night_verdict.remarks,
        criteria=night_verdict.criteria,
        files=describe_files(night_verdict),
        zone=night_verdict.zone.key,
    )


def describe_files(night_verdict: NightVerdict) -> str:
    """The files that the verdict is made from, and when the newest of each kind was written."""
    zone = night_verdict.zone
    return ", ".join(
        f"{format_count(state.number, kind, kind if kind in KPF.levels else '')}"
        f" (newest {parse_utc(state.newest).astimezone(zone):%Y-%m-%d %H:%M})"
        for kind, state in night_verdict.files.items()
        if state.number
    )


def describe_problems(night_verdict: NightVerdict) -> str:
    """The rules that do not pass, in one line, or that there are none."""
    is_judged = night_verdict.verdict is not Verdict.NOT_JUDGED
    return night_verdict.problems or (NO_PROBLEMS if is_judged else NOTHING_JUDGED)


def render_calendar(history: Mapping[str, Mapping[str, Any]], site_settings: Settings) -> str:
    """All nights by month, a column per day, as HTML."""
    newest = sorted(history, reverse=True)
    totals = {
        verdict: sum(history[night]["verdict"] == verdict for night in newest)
        for verdict in Verdict
    }
    return render_page(
        "nights.html",
        title="Nights",
        links=[PageLink("all runs", "../index.html")],
        counts=[
            verdict_badge(verdict) | {"number": number}
            for verdict, number in totals.items()
            if number
        ],
        days=range(1, 32),
        months=[
            (
                f"{month[:4]}-{month[4:]}",
                _calendar_cells(month, set(nights), history, site_settings),
            )
            for month, nights in groupby(newest, key=lambda night: night[:6])
        ],
        recent=[
            _night_context(night, history[night], site_settings) for night in newest[:MAX_RECENT]
        ],
    )


def nav_links(directory: Path, night: str, current: str) -> list[PageLink]:
    """The links from a page of a night to its other pages."""
    site_settings = settings.load_settings()
    targets = {
        "all nights": directory.parent / CALENDAR_PAGE,
        "verdict": directory / VERDICT_PAGE,
        "report": directory / REPORT_PAGE,
        "quicklook": site_settings.qlp_path / night / "index.html",
        "time series": site_settings.work_dir / "timeseries" / "day" / night / "index.html",
    }
    return [
        PageLink(text, relative_link(target, directory))
        for text, target in targets.items()
        if target.name != current and (target.exists() or text == "all nights")
    ]


def relative_link(target: Path, directory: Path) -> str:
    """The URL of a file from a page in `directory`."""
    return quote(os.path.relpath(target, directory))


def quicklook_url(name: str, level: str, directory: Path, site_settings: Settings) -> str:
    """The URL of an observation's quicklook page at a level; '' if there is no page."""
    if not KPF.obsid_pattern.fullmatch(name):
        return ""
    page = site_settings.qlp_path / name[3:11] / name / "index.html"
    if not page.exists():
        return ""
    return relative_link(page, directory) + (f"#{level}" if level else "")


def render_page(template: str, **values: Any) -> str:
    """A page that includes its style; its policy allows nothing else but embedded images."""
    from markupsafe import Markup

    style = formatting.stylesheet() + formatting.template_source("nights.css")
    return str(
        formatting.template_environment()
        .get_template(template)
        .render(
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
            **values,
        )
    )


def _count_context(count: FrameCount) -> dict[str, Any]:
    return {
        **count._asdict(),
        "text": count.text,
        "style": verdict_badge(count.verdict)["style"],
    }


def _result_context(result: RuleResult, directory: Path, site_settings: Settings) -> dict[str, Any]:
    return {
        "title": result.rule.title,
        "name": result.rule.name,
        "reason": result.rule.reason,
        "badge": verdict_badge(result.verdict),
        "value": result.value,
        "threshold": result.threshold,
        "source": result.rule.limits_source,
        "remark": result.remark,
        "night": result.night,
        # A count is a number of frames itself
        "frames": 0 if result.rule.measure.is_count else result.measurement.frame_count,
        "action": rule_action(result),
        "override": asdict(result.override) if result.override else None,
        "offenders": [
            _offender_context(offender, directory, site_settings)
            for offender in result.offenders[:MAX_OFFENDERS]
        ],
        "more": max(0, len(result.offenders) - MAX_OFFENDERS),
    }


def _offender_context(
    offender: Offender, directory: Path, site_settings: Settings
) -> dict[str, str]:
    url = quicklook_url(offender.name, offender.level, directory, site_settings)
    return {"name": offender.name, "why": offender.why, "target": url}


def _night_context(
    night: str, values: Mapping[str, Any], site_settings: Settings
) -> dict[str, Any]:
    """A night in the table of the latest ones."""
    return {
        "night": night,
        "badge": verdict_badge(Verdict(values["verdict"])),
        "target": _night_link(site_settings, night),
        # Verdicts stored by early versions have the whole line only
        "problems": values.get("wrong", values["line"]),
        "levels": [verdict_badge(Verdict(word)) for word in values["levels"].values()],
        "names": list(values["levels"]),
        "observations": values["observations"],
        "stale": describe_staleness(values, night, site_settings) if FILES_KEY in values else "",
    }


def _calendar_cells(
    month: str,
    nights: set[str],
    history: Mapping[str, Mapping[str, Any]],
    site_settings: Settings,
) -> list[dict[str, Any]]:
    """A cell per day of a month; {} if the night has no verdict."""
    days = monthrange(int(month[:4]), int(month[4:]))[1]
    names = [f"{month}{day:02d}" for day in range(1, days + 1)]
    return [
        {
            "badge": verdict_badge(Verdict(history[name]["verdict"])),
            "target": _night_link(site_settings, name),
            "night": name,
        }
        if name in nights
        else {}
        for name in names
    ] + [{}] * (31 - days)


def _night_link(site_settings: Settings, night: str) -> str:
    for name in (REPORT_PAGE, VERDICT_PAGE):
        if (page_dir(site_settings, night) / name).exists():
            return f"{night}/{name}"
    return ""
