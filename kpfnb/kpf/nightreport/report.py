"""The report of a night as a result, and its page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kpfnb.core import atomic, settings
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.settings import Settings
from kpfnb.core.text import format_duration
from kpfnb.kpf.nightreport import (
    illustrations,
    night_summary,
)
from kpfnb.kpf.nightreport.night_summary import ExposureGroup, NightSummary
from kpfnb.kpf.progress import result
from kpfnb.kpf.quicklook.record_view import verdict_badge
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import Offender, RuleResult
from kpfnb.runs import formatting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_PROBLEMS = 40
DASH = "–"


@dataclass(frozen=True, repr=False)
class NightReport(OneLineRepr):
    """What was reported: a `kpfnb.core.result.Result`. Its outcome is that of the verdict."""

    content: NightSummary
    page: Path

    @property
    def outcome(self) -> Outcome:
        """Good where the verdict is acceptable."""
        return self.content.verdict.outcome

    @property
    def reason(self) -> str:
        """The verdict in one line."""
        return self.content.verdict.reason

    def key_figures(self) -> dict[str, int | float | str]:
        """Observations, velocities, problems, and the verdict's own."""
        velocities = sum(one.velocity is not None for one in self.content.velocities)
        return {
            **self.content.verdict.key_figures(),
            "observations": self.content.verdict.observations,
            "velocities": velocities,
            "problems": len(list(self.content.problems())),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values of all that the page tells."""
        return {
            "night": self.content.night,
            "page": str(self.page),
            "verdict": self.content.verdict.to_dict(),
            "targets": [asdict(one) for one in self.content.targets],
            "calibrations": [asdict(one) for one in self.content.calibrations],
            "velocities": [
                {**asdict(one), "time": one.time.isoformat()} for one in self.content.velocities
            ],
            "problems": [
                {"where": where, "what": what, "obsid": obsid}
                for where, what, obsid in self.content.problems()
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """The velocities, one row an exposure."""
        import pandas as pd

        return pd.DataFrame([asdict(one) for one in self.content.velocities])

    def plot(self) -> Figure:
        """The frames of each kind and when they came."""
        return self.content.verdict.plot()

    def __str__(self) -> str:
        return f"{self.reason}\npage: {self.page}"

    def _repr_html_(self) -> str:
        page = self.page.relative_to(self.page.parents[3])
        return f"<p>{escape(self.reason)}</p><p>in the work directory: {escape(str(page))}</p>"


def write_report(
    night: str, *, verdict: NightVerdict | None = None, accept: str = "FAIL"
) -> NightReport:
    """Write the report of a night, with its verdict as it is now (or as given).

    Raises as `kpfnb.kpf.verdict.assessment.assess_night`.
    """
    judged = verdict or assessment.assess_night(night, accept=accept)
    assessment.save_verdict(judged)
    here = settings.load_settings()
    found = night_summary.collect_night(night, judged, result.assess_progress(night), here)
    folder = pages.page_dir(here, night)
    # The pages link to each other: the verdict's is there before
    pages.write_verdict_page(judged)
    path = folder / pages.REPORT_PAGE
    atomic.write_text_if_changed(path, render_report(found, here))
    pages.write_verdict_page(judged)
    return NightReport(found, path)


def render_report(found: NightSummary, here: Settings) -> str:
    """The page as HTML; all text escaped, pictures in it, no script."""
    folder = pages.page_dir(here, found.night)
    judged = found.verdict
    return pages.render_page(
        "nightreport.html",
        title=f"Night {found.night[:4]}-{found.night[4:6]}-{found.night[6:]}",
        refresh_seconds=0,
        ways=pages.nav_links(folder, found.night, pages.REPORT_PAGE),
        badge=verdict_badge(judged.verdict),
        line="; ".join(
            [f"{judged.observations} observations", judged.problems or "every rule passes"]
        ),
        levels=[(str(level), verdict_badge(verdict)) for level, verdict in judged.levels.items()],
        rules=[
            {"title": one.rule.title, "name": one.rule.name, "value": one.value}
            | {"badge": verdict_badge(one.verdict), "threshold": one.threshold}
            | _offender_context(one, folder, here)
            for one in judged.not_passed
        ],
        overrides=[asdict(one) for one in judged.overrides],
        targets=[_target_row(one, found) for one in found.targets],
        timeline=illustrations.layout_timeline(found.exposures),
        panels=illustrations.layout_panels(found.velocities),
        draw=illustrations,
        calibrations=[_group_row(one) for one in found.calibrations],
        junk=judged.junk,
        simulated=any(one.simulated for one in found.exposures),
        processed=[
            {"level": level, "done": count.done, "expected": count.expected}
            for level, count in found.progress.totals.items()
        ],
        versions=found.versions,
        shots=[
            {**asdict(shot), "target": _quicklook_link(shot.obsid, shot.level, folder, here)}
            for shot in illustrations.choose_thumbnails(found, here)
        ],
        velocities=[
            {
                "obsid": one.obsid,
                "target": one.target,
                "time": f"{one.time:%H:%M:%S}",
                "velocity": _format_value(one.velocity, ".5f"),
                "error": _format_value(one.error, ".2f"),
                "signal": _format_value(one.signal, ".0f"),
                "bjd": _format_value(one.bjd, ".6f"),
                "page": _quicklook_link(one.obsid, "L2", folder, here),
            }
            for one in found.velocities
        ],
        problems=[
            {"where": where, "what": what, "obsid": obsid}
            | {"page": _quicklook_link(obsid, "", folder, here)}
            for where, what, obsid in list(found.other_problems())[:MAX_PROBLEMS]
        ],
        more=max(0, len(list(found.other_problems())) - MAX_PROBLEMS),
        runs=[formatting.run_context(one, here.zone, top="../../") for one in found.runs[:20]],
        criteria=judged.criteria,
    )


def _target_row(one: ExposureGroup, found: NightSummary) -> dict[str, Any]:
    """A target as the table of what was observed shows it."""
    own = [each for each in found.velocities if each.target == one.name]
    velocities = [each.velocity for each in own if each.velocity is not None]
    signals = [each.signal for each in own if each.signal is not None]
    errors = [each.error for each in own if each.error is not None]
    return _group_row(one) | {
        "signal": _format_value(max(signals, default=None), ".0f"),
        "scatter": _format_value(illustrations.velocity_scatter(velocities), ".2f"),
        "error": _format_value(median(errors) if errors else None, ".2f"),
    }


def _offender_context(one: RuleResult, folder: Path, here: Settings) -> dict[str, Any]:
    """The first observation that is to blame for what a rule found."""
    who = next(iter(one.measurement.offenders), None)
    if who is None:
        return {"obsid": "", "page": ""}
    page = pages.quicklook_link(who, folder, here)
    return {"obsid": who.name, "page": page.removesuffix("#")}


def _group_row(one: ExposureGroup) -> dict[str, Any]:
    return {
        **asdict(one),
        "time": format_duration(one.seconds),
        "programs": ", ".join(one.programs),
    }


def _quicklook_link(name: str, level: str, folder: Path, here: Settings) -> str:
    return pages.quicklook_link(Offender(name, "", level), folder, here).removesuffix("#")


def _format_value(value: float | None, form: str) -> str:
    return DASH if value is None else format(value, form)
