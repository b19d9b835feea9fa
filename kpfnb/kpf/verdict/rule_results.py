"""Each rule judged, over the nights that it may look back to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kpfnb.kpf.quicklook.quality import Verdict, worst
from kpfnb.kpf.verdict.measuring import Measured, measure
from kpfnb.kpf.verdict.observed import Night
from kpfnb.kpf.verdict.overrides import Override
from kpfnb.kpf.verdict.rules import Level, Measure, Rule


@dataclass(frozen=True)
class Finding:
    """One rule of one night.

    Attributes
    ----------
    night : the night that the value is of: the latest that passes, else the latest of the best
    measured : the verdict of the value; an override may set another
    """

    rule: Rule
    night: str
    found: Measured
    measured: Verdict
    override: Override | None = None

    @property
    def verdict(self) -> Verdict:
        """What counts."""
        told = self.override.verdict if self.override else None
        return told or self.measured

    @property
    def value(self) -> str:
        """For people."""
        if self.found.value is None:
            return "nothing to look at"
        if self.rule.measure in (Measure.COUNT, Measure.MASTERS):
            return f"{self.found.value:.0f}"
        return f"{self.found.value:.4g} {self.rule.unit}".strip()

    @property
    def threshold(self) -> str:
        """What would pass, and what fails."""
        unit = f" {self.rule.unit}" if self.rule.unit else ""
        if self.rule.warn == self.rule.fail:
            return f"{self.rule.warn}{unit}"
        fails = "" if str(self.rule.fail) == "any" else f"; FAIL unless {self.rule.fail}"
        return f"{self.rule.warn}{unit}{fails}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rule": self.rule.name,
            "level": str(self.rule.level),
            "title": self.rule.title,
            "reason": self.rule.reason,
            "verdict": str(self.verdict),
            "measured": str(self.measured),
            "value": self.found.value,
            "unit": self.rule.unit,
            "threshold": self.threshold,
            "night": self.night,
            "frames": self.found.of,
            "blamed": [
                {"name": one.name, "why": one.why, "level": one.level} for one in self.found.blamed
            ],
            "override": vars(self.override) if self.override else None,
        }


def judge(rule: Rule, night: str, look: Callable[[str], Night]) -> Finding:
    """The finding of a rule; `look` gives a night by its name, asked for no more than needed."""
    best: Finding | None = None
    for name in earlier(night, rule.nights):
        found = measure(rule, look(name))
        this = Finding(rule, name, found, rule.judge(found.value))
        # Where there is nothing to look at, an earlier night may tell more
        if this.measured is Verdict.PASS and found.value is not None:
            return this
        if best is None or (found.value is not None and _better(this, best)):
            best = this
    assert best is not None
    return best


def earlier(night: str, count: int) -> Iterable[str]:
    """A night and those before it, as YYYYMMDD, so many in all."""
    day = datetime.strptime(night, "%Y%m%d")
    return (f"{day - timedelta(days=back):%Y%m%d}" for back in range(count))


def by_level(findings: Iterable[Finding]) -> dict[Level, Verdict]:
    """The verdict of each level: the worst of its rules."""
    every = list(findings)
    return {level: worst(f.verdict for f in every if f.rule.level is level) for level in Level}


def _better(this: Finding, other: Finding) -> bool:
    order = list(Verdict)
    if other.found.value is None:
        return True
    return order.index(this.measured) < order.index(other.measured)
