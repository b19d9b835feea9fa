"""Writing the reports of nights: the page of one night, or of each night of a range."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from kpfnb.core import atomic, settings
from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidParameterError, KpfnbError
from kpfnb.core.settings import Settings
from kpfnb.core.text import format_count, format_duration
from kpfnb.kpf.files.obsid import list_nights
from kpfnb.kpf.nightreport import illustrations
from kpfnb.kpf.nightreport.night_summary import (
    ExposureGroup,
    NightSummary,
    VelocityRow,
    collect_night,
)
from kpfnb.kpf.nightreport.result import NightRangeReport, NightReport
from kpfnb.kpf.progress.result import assess_progress
from kpfnb.kpf.quicklook.record_view import verdict_badge
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.verdict.remedies import rule_action, rule_advice
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.runs import formatting

MAX_PROBLEMS = 40
MAX_RUNS = 20
MAX_OPEN_ROWS = 60
"""A longer table of velocities is folded."""

NO_VALUE = "–"


def write_report(
    night: str, *, verdict: NightVerdict | None = None, accept: str = "FAIL"
) -> NightReport:
    """Write the report of a night, with its current verdict (or the given one).

    Of a night without files nothing is written.

    Raises the errors of `kpfnb.kpf.verdict.assessment.assess_night`.
    """
    night_verdict = verdict or assessment.assess_night(night, accept=accept)
    site_settings = settings.load_settings()
    summary = collect_night(night, night_verdict, assess_progress(night), site_settings)
    if night_verdict.empty_reason:
        return NightReport(summary, None)
    assessment.save_verdict(night_verdict)
    # The pages link to each other if they exist: the verdict's is written before and after
    pages.write_verdict_page(night_verdict)
    path = pages.page_dir(site_settings, night) / pages.REPORT_PAGE
    atomic.write_text_if_changed(path, render_report(summary, site_settings))
    pages.write_verdict_page(night_verdict)
    return NightReport(summary, path)


def write_range_reports(
    night: str, end: str = "", *, verdict: NightVerdict | None = None
) -> NightRangeReport:
    """Assess each night of a range and write its report; one that fails does not stop the others.

    Parameters
    ----------
    night, end : first and last night, YYYYMMDD (UT), both included. `end` empty: `night` alone,
        even if it has no files; `end` before `night`: newest first
    verdict : of `night`, if it is known already; what it accepts is accepted for all

    Raises
    ------
    InvalidParameterError : `end` is not a valid night
    KpfnbError : as `write_report`, if `night` itself can't be assessed
    """
    try:
        check_night(end)
    except ValueError as error:
        raise InvalidParameterError(f"end: {error}, not {end!r}", "for example 20240131") from None
    first = write_report(night, verdict=verdict)
    accept = first.content.verdict.accept
    root = settings.load_settings().kpf_root
    other_nights = [name for name in list_nights(root, night, end) if name != night] if end else []
    reports, failed = [first], {}
    for name in other_nights:
        try:
            reports.append(write_report(name, accept=accept))
        except KpfnbError as error:
            failed[name] = str(error)
    return NightRangeReport(tuple(reports), failed)


def render_report(summary: NightSummary, site_settings: Settings) -> str:
    """The page as HTML; all text escaped, images embedded, no script."""
    night, night_verdict = summary.night, summary.verdict
    directory = pages.page_dir(site_settings, night)

    def link(obsid: str, level: str) -> str:
        return pages.quicklook_url(obsid, level, directory, site_settings)

    observations = format_count(night_verdict.observations, "observation")
    thumbnails = illustrations.choose_thumbnails(summary, site_settings.qlp_path)
    return pages.render_page(
        "nightreport.html",
        title=f"Night {night}",
        links=pages.nav_links(directory, night, pages.REPORT_PAGE),
        badge=verdict_badge(night_verdict.verdict),
        line="; ".join([observations, pages.describe_problems(night_verdict)]),
        levels=[
            (str(level), verdict_badge(verdict)) for level, verdict in night_verdict.levels.items()
        ],
        rules=[
            _rule_context(result, directory, site_settings) for result in night_verdict.not_passed
        ],
        not_judged=[
            {"title": result.rule.title, "name": result.rule.name, "value": result.value}
            for result in night_verdict.not_judged
        ],
        notes=night_verdict.remarks,
        overrides=[asdict(override) for override in night_verdict.overrides],
        targets=[_target_context(group, summary, directory) for group in summary.targets],
        timeline=illustrations.layout_timeline(summary.exposures, site_settings.zone),
        panels=illustrations.layout_panels(summary.velocities),
        draw=illustrations,
        calibrations=[_group_context(group) for group in summary.calibrations],
        junk=night_verdict.junk,
        simulated=any(exposure.simulated for exposure in summary.exposures),
        processed=[
            {"level": level, "done": count.done, "expected": count.expected}
            for level, count in summary.progress.totals.items()
        ],
        versions=summary.versions,
        thumbnails=[
            asdict(thumbnail) | {"target": link(thumbnail.obsid, thumbnail.level)}
            for thumbnail in thumbnails
        ],
        velocities=[
            _velocity_context(row) | {"page": link(row.obsid, "L2")} for row in summary.velocities
        ],
        problems=[
            problem._asdict() | {"page": link(problem.obsid, "")}
            for problem in summary.other_problems[:MAX_PROBLEMS]
        ],
        more=max(0, len(summary.other_problems) - MAX_PROBLEMS),
        runs=[
            formatting.run_context(record, site_settings.zone, top="../../")
            for record in summary.runs[:MAX_RUNS]
        ],
        criteria=night_verdict.criteria,
        files=pages.describe_files(night_verdict),
        zone=site_settings.zone.key,
        folded=len(summary.velocities) > MAX_OPEN_ROWS,
    )


def _rule_context(result: RuleResult, directory: Path, site_settings: Settings) -> dict[str, Any]:
    """A rule that does not pass, and the first observation responsible."""
    offender = next(iter(result.measurement.offenders), None)
    page = (
        pages.quicklook_url(offender.name, offender.level, directory, site_settings)
        if offender
        else ""
    )
    return {
        "title": result.rule.title,
        "name": result.rule.name,
        "value": result.value,
        "badge": verdict_badge(result.verdict),
        "threshold": result.threshold,
        "obsid": offender.name if offender else "",
        "page": page,
        "action": rule_action(result),
        "advice": rule_advice(result),
    }


def _target_context(group: ExposureGroup, summary: NightSummary, directory: Path) -> dict[str, Any]:
    """A target in the table of observations; its name leads to the page of the star."""
    # It imports the database
    from kpfnb.kpf.timeseries.star import find_star_page

    page = find_star_page(group.name)
    rows = [row for row in summary.velocities if row.target == group.name]
    velocities = [row.velocity for row in rows if row.velocity is not None]
    signals = [row.signal for row in rows if row.signal is not None]
    errors = [row.error for row in rows if row.error is not None]
    return _group_context(group) | {
        "page": pages.relative_link(page, directory) if page else "",
        "signal": _format_value(max(signals, default=None), ".0f"),
        "scatter": _format_value(illustrations.velocity_scatter(velocities), ".2f"),
        "error": _format_value(median(errors) if errors else None, ".2f"),
    }


def _group_context(group: ExposureGroup) -> dict[str, Any]:
    return asdict(group) | {
        "time": format_duration(group.seconds),
        "programs": ", ".join(group.programs),
    }


def _velocity_context(row: VelocityRow) -> dict[str, str]:
    return {
        "obsid": row.obsid,
        "target": row.target,
        "time": f"{row.time:%H:%M:%S}",
        "velocity": _format_value(row.velocity, ".5f"),
        "error": _format_value(row.error, ".2f"),
        "signal": _format_value(row.signal, ".0f"),
        "bjd": _format_value(row.bjd, ".6f"),
    }


def _format_value(value: float | None, form: str) -> str:
    return NO_VALUE if value is None else format(value, form)
