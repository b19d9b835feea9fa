"""The report of a night as a result, and its page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kpfnb import files, settings
from kpfnb.kpf import progress
from kpfnb.kpf.nightreport import content, drawing, highlights
from kpfnb.kpf.nightreport.content import Content, Group
from kpfnb.kpf.quicklook.pageview import badge
from kpfnb.kpf.verdict import assessing, pages
from kpfnb.kpf.verdict.finding import Finding
from kpfnb.kpf.verdict.measuring import Blame
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.live import duration
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief
from kpfnb.runs import view
from kpfnb.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MOST_PROBLEMS = 40
DASH = "–"


@dataclass(frozen=True, repr=False)
class NightReport(Brief):
    """What was reported: a `kpfnb.result.Result`. Its outcome is that of the verdict."""

    content: Content
    page: Path

    @property
    def outcome(self) -> Outcome:
        """Good where the verdict is acceptable."""
        return self.content.verdict.outcome

    @property
    def reason(self) -> str:
        """The verdict in one line."""
        return self.content.verdict.reason

    def figures(self) -> dict[str, int | float | str]:
        """Observations, velocities, problems, and the verdict's own."""
        velocities = sum(one.velocity is not None for one in self.content.velocities)
        return {
            **self.content.verdict.figures(),
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


def make(night: str, *, verdict: NightVerdict | None = None, accept: str = "FAIL") -> NightReport:
    """Write the report of a night, with its verdict as it is now (or as given).

    Raises as `kpfnb.kpf.verdict.assessing.assess`.
    """
    judged = verdict or assessing.assess(night, accept=accept)
    assessing.keep(judged)
    here = settings.load()
    found = content.gather(night, judged, progress.assess(night), here)
    folder = pages.place(here, night)
    # The pages link to each other: the verdict's is there before
    pages.write(judged)
    path = folder / pages.REPORT
    files.update_text(path, page(found, here))
    pages.write(judged)
    return NightReport(found, path)


def page(found: Content, here: Settings) -> str:
    """The page as HTML; all text escaped, pictures in it, no script."""
    folder = pages.place(here, found.night)
    judged = found.verdict
    return pages.render(
        "nightreport.html",
        title=f"Night {found.night[:4]}-{found.night[4:6]}-{found.night[6:]}",
        refresh_seconds=0,
        ways=pages.ways(folder, found.night, pages.REPORT),
        badge=badge(judged.verdict),
        line="; ".join(
            [f"{judged.observations} observations", judged.wrong or "every rule passes"]
        ),
        levels=[(str(level), badge(verdict)) for level, verdict in judged.levels.items()],
        rules=[
            {"title": one.rule.title, "name": one.rule.name, "value": one.value}
            | {"badge": badge(one.verdict), "threshold": one.threshold}
            | _blamed(one, folder, here)
            for one in judged.bad
        ],
        overrides=[asdict(one) for one in judged.overrides],
        targets=[_target(one, found) for one in found.targets],
        timeline=drawing.timeline(found.exposures),
        panels=drawing.panels(found.velocities),
        draw=drawing,
        calibrations=[_group(one) for one in found.calibrations],
        junk=judged.junk,
        simulated=any(one.simulated for one in found.exposures),
        processed=[
            {"level": level, "done": count.done, "expected": count.expected}
            for level, count in found.progress.totals.items()
        ],
        versions=found.versions,
        shots=[
            {**asdict(shot), "target": _quicklook(shot.obsid, shot.level, folder, here)}
            for shot in highlights.choose(found, here)
        ],
        velocities=[
            {
                "obsid": one.obsid,
                "target": one.target,
                "time": f"{one.time:%H:%M:%S}",
                "velocity": _shown(one.velocity, ".5f"),
                "error": _shown(one.error, ".2f"),
                "signal": _shown(one.signal, ".0f"),
                "bjd": _shown(one.bjd, ".6f"),
                "page": _quicklook(one.obsid, "L2", folder, here),
            }
            for one in found.velocities
        ],
        problems=[
            {"where": where, "what": what, "obsid": obsid}
            | {"page": _quicklook(obsid, "", folder, here)}
            for where, what, obsid in list(found.faults())[:MOST_PROBLEMS]
        ],
        more=max(0, len(list(found.faults())) - MOST_PROBLEMS),
        runs=[view.view(one, here.zone, top="../../") for one in found.runs[:20]],
        criteria=judged.criteria,
    )


def _target(one: Group, found: Content) -> dict[str, Any]:
    """A target as the table of what was observed shows it."""
    own = [each for each in found.velocities if each.target == one.name]
    velocities = [each.velocity for each in own if each.velocity is not None]
    signals = [each.signal for each in own if each.signal is not None]
    errors = [each.error for each in own if each.error is not None]
    return _group(one) | {
        "signal": _shown(max(signals, default=None), ".0f"),
        "scatter": _shown(drawing.scatter(velocities), ".2f"),
        "error": _shown(median(errors) if errors else None, ".2f"),
    }


def _blamed(one: Finding, folder: Path, here: Settings) -> dict[str, Any]:
    """The first observation that is to blame for what a rule found."""
    who = next(iter(one.found.blamed), None)
    if who is None:
        return {"obsid": "", "page": ""}
    page = pages.quicklook_target(who, folder, here)
    return {"obsid": who.name, "page": page.removesuffix("#")}


def _group(one: Group) -> dict[str, Any]:
    return {**asdict(one), "time": duration(one.seconds), "programs": ", ".join(one.programs)}


def _quicklook(name: str, level: str, folder: Path, here: Settings) -> str:
    return pages.quicklook_target(Blame(name, "", level), folder, here).removesuffix("#")


def _shown(value: float | None, form: str) -> str:
    return DASH if value is None else format(value, form)
