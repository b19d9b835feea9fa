"""The verdict of a night, as a result: for screen, notebook, mail, record and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.kpf.quicklook.quality import Verdict, worst
from kpfnb.kpf.verdict import finding
from kpfnb.kpf.verdict.finding import Finding
from kpfnb.kpf.verdict.overrides import Override
from kpfnb.kpf.verdict.rules import Level
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered

STILL_GOING = timedelta(hours=2)
"""A night whose last L0 is no older may still bring what is lacking."""

BLAMED_SHOWN = 3
SIGNS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖"}
"""Verdicts are told by word, sign and colour, never by colour alone."""
COLUMNS = ("verdict", "level", "rule", "found", "threshold", "night", "to blame")


@dataclass(frozen=True, repr=False)
class NightVerdict(Brief):
    """Is a night good? A `kpfnb.result.Result`.

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
    findings: tuple[Finding, ...]
    observations: int
    junk: int
    arrivals: dict[str, tuple[str, ...]]
    last_l0: datetime | None
    taken: datetime
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
    def levels(self) -> dict[Level, Verdict]:
        """Each level's."""
        return finding.by_level(self.findings)

    @property
    def verdict(self) -> Verdict:
        """The worst of the levels."""
        return worst(self.levels.values())

    @property
    def outcome(self) -> Outcome:
        """Succeeded where the verdict is acceptable; else WARN is partial, FAIL failed."""
        order = list(Verdict)
        if order.index(self.verdict) <= order.index(self.accept):
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if self.verdict is Verdict.WARN else Outcome.FAILED

    @property
    def is_going_on(self) -> bool:
        """L0s have come lately."""
        return self.last_l0 is not None and self.taken - self.last_l0 < STILL_GOING

    @property
    def bad(self) -> list[Finding]:
        """What does not pass, the worst first."""
        order = list(Verdict)
        bad = [one for one in self.findings if one.verdict is not Verdict.PASS]
        return sorted(bad, key=lambda one: -order.index(one.verdict))

    @property
    def reason(self) -> str:
        """One line, also for a mail."""
        levels = ", ".join(f"{level} {verdict}" for level, verdict in self.levels.items())
        head = f"{self.verdict} {self.night}: {levels} ({self.observations} observations)"
        return "; ".join(filter(None, [head, self.wrong]))

    @property
    def wrong(self) -> str:
        """What does not pass, in one line; '' where all does."""
        told = [f"{one.rule.title.lower()}: {one.value}" for one in self.bad[:BLAMED_SHOWN]]
        more = len(self.bad) - BLAMED_SHOWN
        return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])

    def figures(self) -> dict[str, int | float | str]:
        """The verdicts, and how many rules do not pass."""
        levels = {str(level): str(verdict) for level, verdict in self.levels.items()}
        return {"verdict": str(self.verdict), **levels, "rules not passed": len(self.bad)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values of everything."""
        return {
            "night": self.night,
            "verdict": str(self.verdict),
            "levels": {str(level): str(verdict) for level, verdict in self.levels.items()},
            "line": self.reason,
            "wrong": self.wrong,
            "observations": self.observations,
            "junk": self.junk,
            "kinds": self.kinds,
            "last_l0": _iso(self.last_l0),
            "going_on": self.is_going_on,
            "criteria": self.criteria,
            "findings": [one.to_dict() for one in self.findings],
            "overrides": [vars(one) for one in self.overrides],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a rule."""
        import pandas as pd

        return pd.DataFrame([_row(one) for one in self.findings], columns=list(COLUMNS))

    def lead(self, row: Mapping[str, Any]) -> str:
        """What a row about a rule leads to, as HTML: why it is asked, and all that is to blame."""
        from kpfnb.kpf import evidence

        told = []
        for one in (one for one in self.findings if one.rule.title == row["rule"]):
            blamed = one.found.blamed if one.measured is not Verdict.PASS else ()
            rows = "".join(
                f"<li>{evidence.quicklook(who.name)} {escape(who.why)}</li>" for who in blamed
            )
            head = f"{SIGNS[one.verdict]} {one.verdict} {one.rule.title}: {one.value}"
            why = f"passes: {one.threshold}; {one.rule.reason}"
            told.append(f"<h4>{escape(head)}</h4><p>{escape(why)}</p><ul>{rows}</ul>")
        return "".join(told)

    def plot(self) -> Figure:
        """The frames of each kind, filling towards their minimum."""
        from kpfnb.kpf.verdict import picture

        return picture.filling(self)

    def hovered(self) -> Hovered:
        """The plot, and which frame is at the mouse."""
        from kpfnb.kpf.verdict import picture

        return picture.hovered(self)

    def __str__(self) -> str:
        lines = [self.reason]
        for level, verdict in self.levels.items():
            lines += ["", f"{SIGNS[verdict]} {verdict} {level}: {level.question}"]
            lines += [_line(one) for one in self.findings if one.rule.level is level]
        remarks = [*self.remarks, f"criteria: {self.criteria}"]
        lines += ["", *(f"* {remark}" for remark in remarks)]
        return "\n".join([*lines, *([f"page: {self.page}"] if self.page else [])])

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides."""
        going = [f"the night goes on (last L0 {self._clock()}): counts may still fill"]
        unknown = {one.rule for one in self.overrides} - {one.rule.name for one in self.findings}
        return [
            *(going if self.is_going_on else []),
            *self.notes,
            *(f"an override names {name!r}, which is no rule any more" for name in sorted(unknown)),
        ]

    def _clock(self) -> str:
        return f"{self.last_l0.astimezone(self.zone):%H:%M}" if self.last_l0 else "-"

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in COLUMNS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _row(one).values())}</tr>"
            for one in self.findings
        )
        remarks = [*self.remarks, f"criteria: {self.criteria}"]
        return (
            f"<p><strong>{escape(SIGNS[self.verdict])} {escape(self.reason)}</strong></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in remarks)}</ul>"
        )


def _row(one: Finding) -> dict[str, str]:
    values = (
        f"{SIGNS[one.verdict]} {one.verdict}{' (override)' if one.override else ''}",
        str(one.rule.level),
        one.rule.title,
        one.value,
        one.threshold,
        one.night,
        _blamed(one),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _line(one: Finding) -> str:
    verdict = f"{SIGNS[one.verdict]} {one.verdict}"
    night = f" [{one.night}]" if one.rule.nights > 1 else ""
    line = f"  {verdict:<6} {one.rule.title}: {one.value} ({one.threshold}){night}"
    if one.override:
        line += f"\n         measured {one.measured}; {one.override.who}: {one.override.why}"
    return line + (
        f"\n         {_blamed(one)}" if one.verdict is not Verdict.PASS and _blamed(one) else ""
    )


def _blamed(one: Finding) -> str:
    if one.measured is Verdict.PASS:
        return ""
    blamed = one.found.blamed
    more = f" and {len(blamed) - BLAMED_SHOWN} more" if len(blamed) > BLAMED_SHOWN else ""
    return ", ".join(f"{who.name} ({who.why})" for who in blamed[:BLAMED_SHOWN]) + more


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
