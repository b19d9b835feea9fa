"""The verdict of a night: a result for screen, notebook, mail, run record and the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core.clock import format_utc
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count, html_table
from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.verdict.freshness import FILES_KEY, TIME_KEY, FileState
from kpfnb.kpf.verdict.remedies import rule_action
from kpfnb.kpf.verdict.rule_results import RuleResult, worst_by_level
from kpfnb.kpf.verdict.rules import Override, VerdictLevel
from kpfnb.notebook.links import action_html

if TYPE_CHECKING:
    import pandas as pd

IN_PROGRESS_TIME = timedelta(hours=2)
"""A night counts as in progress for this long after its last L0."""

MAX_OFFENDERS_SHOWN = 3
COLUMNS = ("verdict", "level", "rule", "value", "threshold", "night", "observations responsible")


@dataclass(frozen=True, repr=False)
class NightVerdict(OneLineRepr):
    """The verdict of a night and its rules: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    observations, junk : number of L0 files, and how many of them are junk
    arrivals : kind to the ObsIDs of its frames, by time, without junk
    last_l0 : when the last L0 was written, UTC
    files : the files that the verdict is made from, by level and kind
    criteria : the version of the criteria
    accept : the worst verdict that still counts as success
    empty_reason : why there is nothing to judge; '' if the night has files
    """

    night: str
    root: Path
    results: tuple[RuleResult, ...]
    observations: int
    junk: int
    arrivals: dict[str, tuple[str, ...]]
    last_l0: datetime | None
    assessed_at: datetime
    zone: ZoneInfo
    criteria: str
    overrides: tuple[Override, ...] = ()
    notes: tuple[str, ...] = ()
    accept: Verdict = Verdict.FAIL
    page: str = ""
    files: Mapping[str, FileState] = field(default_factory=dict)
    empty_reason: str = ""

    @property
    def kinds(self) -> dict[str, int]:
        """The number of frames of each kind."""
        return {kind: len(obsids) for kind, obsids in self.arrivals.items()}

    @property
    def levels(self) -> dict[VerdictLevel, Verdict]:
        """The verdict of each level; a night without files is not judged."""
        if self.empty_reason:
            return dict.fromkeys(VerdictLevel, Verdict.NOT_JUDGED)
        return worst_by_level(self.results)

    @property
    def verdict(self) -> Verdict:
        """The worst of the levels."""
        return worst_verdict(self.levels.values())

    @property
    def outcome(self) -> Outcome:
        """Succeeded if the verdict is acceptable; otherwise WARN is partial, FAIL failed.

        Skipped if the night has no files.
        """
        if self.empty_reason:
            return Outcome.SKIPPED
        if self.verdict.severity <= self.accept.severity:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if self.verdict is Verdict.WARN else Outcome.FAILED

    @property
    def in_progress(self) -> bool:
        """True if L0s were written recently."""
        return self.last_l0 is not None and self.assessed_at - self.last_l0 < IN_PROGRESS_TIME

    @property
    def not_passed(self) -> list[RuleResult]:
        """The rules that do not pass, the worst first; none if the night has no files."""
        if self.empty_reason:
            return []
        results = [result for result in self.results if result.verdict.needs_attention]
        return sorted(results, key=lambda result: -result.verdict.severity)

    @property
    def not_judged(self) -> list[RuleResult]:
        """The rules without anything to measure."""
        return [result for result in self.results if result.verdict is Verdict.NOT_JUDGED]

    @property
    def reason(self) -> str:
        """One line, also for a mail."""
        if self.empty_reason:
            return self.empty_reason
        levels = ", ".join(f"{level} {verdict}" for level, verdict in self.levels.items())
        count = format_count(self.observations, "observation")
        heading = f"{self.verdict} {self.night}: {levels} ({count})"
        return "; ".join(filter(None, [heading, self.problems]))

    @property
    def problems(self) -> str:
        """The rules that do not pass, in one line; '' if all pass."""
        texts = [result.summary for result in self.not_passed]
        more = len(texts) - MAX_OFFENDERS_SHOWN
        shown = texts[:MAX_OFFENDERS_SHOWN]
        return "; ".join([*shown, *([f"and {more} more"] if more > 0 else [])])

    def key_figures(self) -> dict[str, int | float | str]:
        """The verdicts, and the number of rules that do not pass, and that were not judged."""
        levels = {str(level): str(verdict) for level, verdict in self.levels.items()}
        return {
            "verdict": str(self.verdict),
            **levels,
            "rules not passed": len(self.not_passed),
            "rules not judged": len(self.not_judged),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values of everything."""
        return {
            "night": self.night,
            "verdict": str(self.verdict),
            "levels": {str(level): str(verdict) for level, verdict in self.levels.items()},
            "line": self.reason,
            "wrong": self.problems,
            "observations": self.observations,
            "junk": self.junk,
            "kinds": self.kinds,
            "last_l0": format_utc(self.last_l0) if self.last_l0 else None,
            "going_on": self.in_progress,
            TIME_KEY: format_utc(self.assessed_at),
            FILES_KEY: {kind: list(state) for kind, state in self.files.items()},
            "criteria": self.criteria,
            "findings": [result.to_dict() for result in self.results],
            "overrides": [vars(override) for override in self.overrides],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per rule, those that were not judged last."""
        import pandas as pd

        judged, not_judged = split_results(self.results)
        return pd.DataFrame(map(_result_row, [*judged, *not_judged]), columns=list(COLUMNS))

    def row_details(self, row: Mapping[str, Any]) -> str:
        """Details of a row as HTML: the rule's reason, and all observations responsible."""
        return "".join(
            _details_html(result) for result in self.results if result.rule.title == row["rule"]
        )

    def __str__(self) -> str:
        if self.empty_reason:
            return self.reason
        lines = [self.reason]
        for level, verdict in self.levels.items():
            lines += ["", f"{verdict.sign} {verdict} {level}: {level.question}"]
            judged, not_judged = split_results(self.results, level)
            lines += [_result_line(result) for result in judged]
            if not_judged:
                names = ", ".join(result.rule.name for result in not_judged)
                lines.append(f"  – {format_count(len(not_judged), 'rule')} not judged: {names}")
        lines += ["", *(f"* {remark}" for remark in self._footnotes)]
        return "\n".join([*lines, *([f"page: {self.page}"] if self.page else [])])

    @property
    def remarks(self) -> list[str]:
        """Further facts that a reader should know."""
        unknown = {override.rule for override in self.overrides} - {
            result.rule.name for result in self.results
        }
        in_progress = (
            f"the night is in progress (last L0 {self._last_l0_clock()}): counts may still increase"
        )
        return [
            *([in_progress] if self.in_progress else []),
            *self.notes,
            *(f"an override names {name!r}, which is no longer a rule" for name in sorted(unknown)),
        ]

    @property
    def _footnotes(self) -> list[str]:
        return [*self.remarks, f"criteria: {self.criteria}"]

    def _last_l0_clock(self) -> str:
        return f"{self.last_l0.astimezone(self.zone):%H:%M}" if self.last_l0 else "-"

    def _repr_html_(self) -> str:
        if self.empty_reason:
            return f"<p><strong>{escape(self.reason)}</strong></p>"
        judged, not_judged = split_results(self.results)
        table = str(html_table(COLUMNS, (_result_row(result).values() for result in judged)))
        folded = html_table(
            ("level", "rule", "why"),
            ((str(r.rule.level), r.rule.title, r.value) for r in not_judged),
        )
        count = format_count(len(not_judged), "rule")
        if not_judged:
            table += f"<details><summary>{count} not judged</summary>{folded}</details>"
        return (
            f"<p><strong>{escape(self.verdict.sign)} {escape(self.reason)}</strong></p>{table}"
            f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in self._footnotes)}</ul>"
        )


def split_results(
    results: Iterable[RuleResult], level: VerdictLevel | None = None
) -> tuple[list[RuleResult], list[RuleResult]]:
    """The results of a level (None: of all): those with a verdict, the worst first; not judged."""
    parts: tuple[list[RuleResult], list[RuleResult]] = ([], [])
    for result in sorted(results, key=lambda result: -result.verdict.severity):
        if level is None or result.rule.level is level:
            parts[result.verdict is Verdict.NOT_JUDGED].append(result)
    return parts


def _result_row(result: RuleResult) -> dict[str, str]:
    values = (
        f"{result.verdict.sign} {result.verdict}{' (override)' if result.override else ''}",
        str(result.rule.level),
        result.rule.title,
        result.value,
        result.threshold,
        result.night,
        _offenders_text(result),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _details_html(result: RuleResult) -> str:
    from kpfnb.kpf.reprocess.observation_details import quicklook_link

    items = "".join(
        f"<li>{quicklook_link(offender.name)} {escape(offender.why)}</li>"
        for offender in result.offenders
    )
    action = rule_action(result)
    doing = f"<p>{action_html(action)}</p>" if action else ""
    heading = f"{result.verdict.sign} {result.verdict} {result.rule.title}: {result.value}"
    explanation = f"{result.threshold}; {result.rule.reason}"
    source = f"Source of the limits: {result.rule.limits_source}"
    notes = "".join(
        f"<p>{escape(text)}</p>" for text in (explanation, result.remark, source) if text
    )
    count = format_count(len(result.offenders), "observation")
    listed = f"<details open><summary>{count} responsible</summary><ul>{items}</ul></details>"
    return f"<h4>{escape(heading)}</h4>{doing}{notes}{listed if items else ''}"


def _result_line(result: RuleResult) -> str:
    verdict = f"{result.verdict.sign} {result.verdict}"
    night = f" [{result.night}]" if result.rule.nights > 1 else ""
    line = f"  {verdict:<6} {result.rule.title}: {result.value} ({result.threshold}){night}"
    if result.remark:
        line += f"\n         {result.remark}"
    if result.override:
        override = result.override
        line += f"\n         measured {result.measured}; {override.who}: {override.why}"
    offenders = _offenders_text(result)
    show_offenders = offenders and result.verdict.needs_attention
    return line + (f"\n         {offenders}" if show_offenders else "")


def _offenders_text(result: RuleResult) -> str:
    offenders = result.offenders
    shown = [f"{offender.name} ({offender.why})" for offender in offenders[:MAX_OFFENDERS_SHOWN]]
    more = len(offenders) - MAX_OFFENDERS_SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
