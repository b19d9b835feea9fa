"""The reports of a range of nights: each night is judged and has its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError, KpfnbError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.kpf.files.obsid import list_nights
from kpfnb.kpf.nightreport import report
from kpfnb.kpf.nightreport.report import NightReport
from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.verdict.result import VERDICT_SIGNS, NightVerdict
from kpfnb.notebook.display.html import file_link
from kpfnb.notebook.parameters import check_night

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class NightRangeReport(OneLineRepr):
    """What was reported of each night: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    reports : in the order in which they were asked for
    failed : nights that could not be judged, with the reason
    """

    reports: tuple[NightReport, ...]
    failed: Mapping[str, str]

    @property
    def outcome(self) -> Outcome:
        """Of one night its own; of several good where each verdict is acceptable."""
        outcomes = [one.outcome for one in self.reports] + [Outcome.FAILED] * len(self.failed)
        return outcomes[0] if len(outcomes) == 1 else merge_outcomes(outcomes)

    @property
    def reason(self) -> str:
        """Of one night its verdict in a line; of several how many have which, the worst named."""
        if len(self.reports) == 1 and not self.failed:
            return self.reports[0].reason
        counts = Counter(one.content.verdict.verdict for one in self.reports)
        told = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
        told += [f"{len(self.failed)} not judged"] if self.failed else []
        wrong = [one.reason for one in self.reports if not one.outcome.is_good]
        wrong += [f"{night}: {why}" for night, why in self.failed.items()]
        return "; ".join(
            [f"{len(self.reports) + len(self.failed)} nights: {', '.join(told)}", *wrong]
        )

    @property
    def verdict(self) -> Verdict:
        """The worst of all nights; a night that could not be judged is no good one."""
        verdicts = [one.content.verdict.verdict for one in self.reports]
        return worst_verdict([*verdicts, *([Verdict.FAIL] if self.failed else [])])

    def key_figures(self) -> dict[str, int | float | str]:
        """Of one night its own; of several nights by verdict."""
        if len(self.reports) == 1 and not self.failed:
            return self.reports[0].key_figures()
        counts = Counter(one.content.verdict.verdict for one in self.reports)
        found: dict[str, int | float | str] = {"nights": len(self.reports) + len(self.failed)}
        found |= {str(verdict): counts[verdict] for verdict in Verdict}
        found["observations"] = sum(one.content.verdict.observations for one in self.reports)
        return found | {"problems": sum(len(list(one.content.problems())) for one in self.reports)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the worst verdict, and of each night all that its page tells."""
        return {
            "verdict": str(self.verdict),
            "nights": {one.content.night: one.to_dict() for one in self.reports},
            "failed": dict(self.failed),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a night."""
        import pandas as pd

        return pd.DataFrame(map(_night_row, self.reports))

    def plot(self) -> Figure:
        """A calendar of the verdicts."""
        from kpfnb.kpf.verdict import plots

        return plots.plot_calendar(
            {one.content.night: one.to_dict()["verdict"] for one in self.reports}
        )

    def __str__(self) -> str:
        return "\n".join(
            [*map(str, self.reports), *([self.reason] if len(self.reports) != 1 else [])]
        )

    def _repr_html_(self) -> str:
        pages = [
            f"<li>{escape(one.reason)}: {file_link(one.page, f'report {one.content.night}')}</li>"
            for one in self.reports
        ]
        lost = [f"<li>{escape(f'{night}: {why}')}</li>" for night, why in self.failed.items()]
        head = f"<p>{escape(self.reason)}</p>" if len(pages) + len(lost) > 1 else ""
        return f"{head}<ul>{''.join([*pages, *lost])}</ul>"


def write_range_reports(
    night: str, end: str = "", *, verdict: NightVerdict | None = None
) -> NightRangeReport:
    """Judge each night of a range, and write its report. One that fails does not stop the others.

    Parameters
    ----------
    night, end : first and last night, YYYYMMDD (UT), both included. `end` empty: `night` alone,
        which is judged even where nothing is on disk of it; earlier than `night`: newest first
    verdict : of `night`, where it is there already; what it accepts is accepted of all

    Raises
    ------
    InvalidParameterError : `end` is no night
    KpfnbError : as `making.make`, where `night` itself can't be judged
    """
    try:
        check_night(end)
    except ValueError as error:
        raise InvalidParameterError(f"end: {error}, not {end!r}", "for example 20240131") from None
    first = report.write_report(night, verdict=verdict)
    accept = first.content.verdict.accept
    root = settings.load_settings().kpf_root
    others = [one for one in list_nights(root, night, end) if one != night] if end else []
    reports, failed = [first], {}
    for name in others:
        try:
            reports.append(report.write_report(name, accept=accept))
        except KpfnbError as error:
            failed[name] = str(error)
    return NightRangeReport(tuple(reports), failed)


def _night_row(one: NightReport) -> dict[str, Any]:
    judged = one.content.verdict
    return {
        "night": judged.night,
        "verdict": f"{VERDICT_SIGNS[judged.verdict]} {judged.verdict}",
        **{str(level): str(verdict) for level, verdict in judged.levels.items()},
        "observations": judged.observations,
        "velocities": one.key_figures()["velocities"],
        "problems": one.key_figures()["problems"],
    }
