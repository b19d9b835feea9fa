"""The results of reporting: the report of one night, and the reports of a range of nights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count
from kpfnb.kpf.nightreport.night_summary import NightSummary
from kpfnb.kpf.quicklook.quality import JUDGED_VERDICTS, Verdict, worst_verdict
from kpfnb.notebook.links import link_html, page_url

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class NightReport(OneLineRepr):
    """The report of a night: a `kpfnb.core.result.Result`. Its outcome follows the verdict.

    page : None if the night has no files
    """

    content: NightSummary
    page: Path | None

    @property
    def outcome(self) -> Outcome:
        """Good if the verdict is acceptable."""
        return self.content.verdict.outcome

    @property
    def reason(self) -> str:
        """The verdict in one line."""
        return self.content.verdict.reason

    @property
    def verdict(self) -> Verdict:
        """The verdict of the night."""
        return self.content.verdict.verdict

    def key_figures(self) -> dict[str, int | float | str]:
        """The figures of the verdict, observations, velocities, problems."""
        velocities = sum(row.velocity is not None for row in self.content.velocities)
        return {
            **self.content.verdict.key_figures(),
            "observations": self.content.verdict.observations,
            "velocities": velocities,
            "problems": len(self.content.problems),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values of everything on the page."""
        summary = self.content
        return {
            "night": summary.night,
            "page": str(self.page or ""),
            "verdict": summary.verdict.to_dict(),
            "targets": [asdict(group) for group in summary.targets],
            "calibrations": [asdict(group) for group in summary.calibrations],
            "velocities": [
                {**asdict(row), "time": row.time.isoformat()} for row in summary.velocities
            ],
            "problems": [
                {
                    "where": problem.where,
                    "what": problem.what,
                    "obsid": problem.obsid,
                    "advice": problem.action.command if problem.action else problem.advice,
                }
                for problem in summary.problems
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """The velocities, one row per exposure."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.content.velocities])

    def __str__(self) -> str:
        return f"{self.reason}\npage: {self.page}" if self.page else self.reason

    def _repr_html_(self) -> str:
        return f"<p>{self.linked_reason}</p>"

    @property
    def linked_reason(self) -> str:
        """The verdict in one line, and a link to the page; as HTML, all text escaped."""
        if not self.page:
            return escape(self.reason)
        link = link_html(page_url(self.page), f"Report {self.content.night}")
        return f"{escape(self.reason)}: {link}"


@dataclass(frozen=True, repr=False)
class NightRangeReport(OneLineRepr):
    """The reports of a range of nights: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    reports : in the requested order
    failed : nights that could not be assessed, with the reason
    """

    reports: tuple[NightReport, ...]
    failed: Mapping[str, str]

    @property
    def _single_report(self) -> NightReport | None:
        """The report, if it is the only one and no night failed."""
        return self.reports[0] if len(self.reports) == 1 and not self.failed else None

    @property
    def outcome(self) -> Outcome:
        """That of a single night; for several nights good if each verdict is acceptable.

        Nights without files do not count, unless there are no others.
        """
        outcomes = [report.outcome for report in self.reports]
        outcomes = [outcome for outcome in outcomes if outcome is not Outcome.SKIPPED]
        outcomes = [*outcomes, *([Outcome.FAILED] * len(self.failed))] or [Outcome.SKIPPED]
        return outcomes[0] if len(outcomes) == 1 else merge_outcomes(outcomes)

    @property
    def reason(self) -> str:
        """The verdict of a single night; for several the number of each, and those not accepted."""
        if self._single_report:
            return self._single_report.reason
        counts = Counter(report.verdict for report in self.reports)
        texts = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
        texts += [f"{len(self.failed)} not assessed"] if self.failed else []
        problems = [report.reason for report in self.reports if not report.outcome.is_good]
        problems += [f"{night}: {why}" for night, why in self.failed.items()]
        nights = format_count(len(self.reports) + len(self.failed), "night")
        return "; ".join([f"{nights}: {', '.join(texts)}", *problems])

    @property
    def verdict(self) -> Verdict:
        """The worst of all nights; a night that could not be assessed counts as FAIL."""
        verdicts = [report.verdict for report in self.reports]
        return worst_verdict([*verdicts, *([Verdict.FAIL] if self.failed else [])])

    def key_figures(self) -> dict[str, int | float | str]:
        """Those of a single night; for several the nights by verdict."""
        if self._single_report:
            return self._single_report.key_figures()
        counts = Counter(report.verdict for report in self.reports)
        summaries = [report.content for report in self.reports]
        return {
            "nights": len(self.reports) + len(self.failed),
            **{str(verdict): counts[verdict] for verdict in JUDGED_VERDICTS},
            "observations": sum(summary.verdict.observations for summary in summaries),
            "problems": sum(len(summary.problems) for summary in summaries),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the worst verdict, and everything on the page of each night."""
        return {
            "verdict": str(self.verdict),
            "nights": {report.content.night: report.to_dict() for report in self.reports},
            "failed": dict(self.failed),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per night."""
        import pandas as pd

        return pd.DataFrame(map(_night_row, self.reports))

    def __str__(self) -> str:
        lines = [str(report) for report in self.reports]
        return "\n".join([*lines, *([self.reason] if len(self.reports) != 1 else [])])

    def _repr_html_(self) -> str:
        items = [report.linked_reason for report in self.reports]
        items += [escape(f"{night}: {why}") for night, why in self.failed.items()]
        heading = f"<p>{escape(self.reason)}</p>" if len(items) > 1 else ""
        return f"{heading}<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _night_row(report: NightReport) -> dict[str, Any]:
    night_verdict = report.content.verdict
    key_figures = report.key_figures()
    return {
        "night": night_verdict.night,
        "verdict": f"{report.verdict.sign} {report.verdict}",
        **{str(level): str(verdict) for level, verdict in night_verdict.levels.items()},
        "observations": night_verdict.observations,
        "velocities": key_figures["velocities"],
        "problems": key_figures["problems"],
    }
