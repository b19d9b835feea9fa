"""The verdict of a night, as a result: for screen, notebook, mail, record and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.verdict import rule_results
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.kpf.verdict.rules import Override, VerdictLevel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

IN_PROGRESS_TIME = timedelta(hours=2)
"""A night whose last L0 is no older may still bring what is lacking."""

MAX_OFFENDERS_SHOWN = 3
VERDICT_SIGNS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖"}
"""Verdicts are told by word, sign and colour, never by colour alone."""
COLUMNS = ("verdict", "level", "rule", "found", "threshold", "night", "to blame")


@dataclass(frozen=True, repr=False)
class NightVerdict(OneLineRepr):
    """Is a night good? A `kpfnb.core.result.Result`.

    Attributes
    ----------
    observations, junk : L0 files, and how many of them are junk
    arrivals : kind to the ObsIDs of its frames, by time, junk left out
    last_l0 : when the last L0 was written, UTC
    criteria : the version of the rules
    accept : the run succeeds with a verdict that is no worse
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

    @property
    def kinds(self) -> dict[str, int]:
        """How many frames of each kind."""
        return {kind: len(obsids) for kind, obsids in self.arrivals.items()}

    @property
    def levels(self) -> dict[VerdictLevel, Verdict]:
        """Each level's."""
        return rule_results.worst_by_level(self.results)

    @property
    def verdict(self) -> Verdict:
        """The worst of the levels."""
        return worst_verdict(self.levels.values())

    @property
    def outcome(self) -> Outcome:
        """Succeeded where the verdict is acceptable; else WARN is partial, FAIL failed."""
        order = list(Verdict)
        if order.index(self.verdict) <= order.index(self.accept):
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if self.verdict is Verdict.WARN else Outcome.FAILED

    @property
    def in_progress(self) -> bool:
        """L0s have come lately."""
        return self.last_l0 is not None and self.assessed_at - self.last_l0 < IN_PROGRESS_TIME

    @property
    def not_passed(self) -> list[RuleResult]:
        """What does not pass, the worst first."""
        order = list(Verdict)
        bad = [one for one in self.results if one.verdict is not Verdict.PASS]
        return sorted(bad, key=lambda one: -order.index(one.verdict))

    @property
    def reason(self) -> str:
        """One line, also for a mail."""
        levels = ", ".join(f"{level} {verdict}" for level, verdict in self.levels.items())
        head = f"{self.verdict} {self.night}: {levels} ({self.observations} observations)"
        return "; ".join(filter(None, [head, self.problems]))

    @property
    def problems(self) -> str:
        """What does not pass, in one line; '' where all does."""
        told = [
            f"{one.rule.title.lower()}: {one.value}"
            for one in self.not_passed[:MAX_OFFENDERS_SHOWN]
        ]
        more = len(self.not_passed) - MAX_OFFENDERS_SHOWN
        return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])

    def key_figures(self) -> dict[str, int | float | str]:
        """The verdicts, and how many rules do not pass."""
        levels = {str(level): str(verdict) for level, verdict in self.levels.items()}
        return {"verdict": str(self.verdict), **levels, "rules not passed": len(self.not_passed)}

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
            "last_l0": _iso_time(self.last_l0),
            "going_on": self.in_progress,
            "criteria": self.criteria,
            "findings": [one.to_dict() for one in self.results],
            "overrides": [vars(one) for one in self.overrides],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a rule."""
        import pandas as pd

        return pd.DataFrame([_result_row(one) for one in self.results], columns=list(COLUMNS))

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a rule leads to, as HTML: why it is asked, and all that is to blame."""
        from kpfnb.kpf.reprocess import observation_details

        told = []
        for one in (one for one in self.results if one.rule.title == row["rule"]):
            blamed = one.measurement.offenders if one.measured is not Verdict.PASS else ()
            rows = "".join(
                f"<li>{observation_details.quicklook_link(who.name)} {escape(who.why)}</li>"
                for who in blamed
            )
            head = f"{VERDICT_SIGNS[one.verdict]} {one.verdict} {one.rule.title}: {one.value}"
            why = f"passes: {one.threshold}; {one.rule.reason}"
            told.append(f"<h4>{escape(head)}</h4><p>{escape(why)}</p><ul>{rows}</ul>")
        return "".join(told)

    def plot(self) -> Figure:
        """The frames of each kind, filling towards their minimum."""
        from kpfnb.kpf.verdict import plots

        return plots.plot_frame_counts(self)

    def hover_plot(self) -> HoverFigure:
        """The plot, and which frame is at the mouse."""
        from kpfnb.kpf.verdict import plots

        return plots.hover_frame_counts(self)

    def __str__(self) -> str:
        lines = [self.reason]
        for level, verdict in self.levels.items():
            lines += ["", f"{VERDICT_SIGNS[verdict]} {verdict} {level}: {level.question}"]
            lines += [_result_line(one) for one in self.results if one.rule.level is level]
        remarks = [*self.remarks, f"criteria: {self.criteria}"]
        lines += ["", *(f"* {remark}" for remark in remarks)]
        return "\n".join([*lines, *([f"page: {self.page}"] if self.page else [])])

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides."""
        going = [f"the night goes on (last L0 {self._clock()}): counts may still fill"]
        unknown = {one.rule for one in self.overrides} - {one.rule.name for one in self.results}
        return [
            *(going if self.in_progress else []),
            *self.notes,
            *(f"an override names {name!r}, which is no rule any more" for name in sorted(unknown)),
        ]

    def _clock(self) -> str:
        return f"{self.last_l0.astimezone(self.zone):%H:%M}" if self.last_l0 else "-"

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in COLUMNS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _result_row(one).values())}</tr>"
            for one in self.results
        )
        remarks = [*self.remarks, f"criteria: {self.criteria}"]
        return (
            f"<p><strong>{escape(VERDICT_SIGNS[self.verdict])} {escape(self.reason)}</strong></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in remarks)}</ul>"
        )


def _result_row(one: RuleResult) -> dict[str, str]:
    values = (
        f"{VERDICT_SIGNS[one.verdict]} {one.verdict}{' (override)' if one.override else ''}",
        str(one.rule.level),
        one.rule.title,
        one.value,
        one.threshold,
        one.night,
        _offenders_text(one),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _result_line(one: RuleResult) -> str:
    verdict = f"{VERDICT_SIGNS[one.verdict]} {one.verdict}"
    night = f" [{one.night}]" if one.rule.nights > 1 else ""
    line = f"  {verdict:<6} {one.rule.title}: {one.value} ({one.threshold}){night}"
    if one.override:
        line += f"\n         measured {one.measured}; {one.override.who}: {one.override.why}"
    return line + (
        f"\n         {_offenders_text(one)}"
        if one.verdict is not Verdict.PASS and _offenders_text(one)
        else ""
    )


def _offenders_text(one: RuleResult) -> str:
    if one.measured is Verdict.PASS:
        return ""
    blamed = one.measurement.offenders
    more = (
        f" and {len(blamed) - MAX_OFFENDERS_SHOWN} more"
        if len(blamed) > MAX_OFFENDERS_SHOWN
        else ""
    )
    return ", ".join(f"{who.name} ({who.why})" for who in blamed[:MAX_OFFENDERS_SHOWN]) + more


def _iso_time(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
