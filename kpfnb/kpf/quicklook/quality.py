"""The verdicts of checks: PASS, WARN, FAIL or not judged, and the limits that decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The verdict of a check, of a file, or of a night."""

    PASS = "PASS"  # noqa: S105
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_JUDGED = "not judged"
    """The check does not apply, or the file's DRP version does not write what it needs."""

    @property
    def sign(self) -> str:
        """Shown beside word and colour: nothing is shown by colour alone."""
        return _SIGNS[self]

    @property
    def severity(self) -> int:
        """0 for PASS, 2 for FAIL, -1 for not judged."""
        return _SEVERITIES[self]

    @property
    def needs_attention(self) -> bool:
        """True for WARN and FAIL."""
        return self in (Verdict.WARN, Verdict.FAIL)


JUDGED_VERDICTS = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
"""The verdicts that a person can choose, and that a rule of a night can have."""

_SIGNS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖", Verdict.NOT_JUDGED: "–"}
_SEVERITIES = {Verdict.NOT_JUDGED: -1, Verdict.PASS: 0, Verdict.WARN: 1, Verdict.FAIL: 2}


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several; not judged if there is none, or none was judged."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.NOT_JUDGED)


Bounds = tuple[float | None, float | None]
"""The lowest and the highest allowed value; None is no limit."""


@dataclass(frozen=True)
class QualityCheck:
    """One check of one file.

    Attributes
    ----------
    value : what was found; for a check that is not judged, why
    allowed : the values that pass, in words
    source : the keyword, the telemetry keyword or the measure
    detail : what belongs to the value, such as the names of the orders that were counted
    limit_source : where the limits come from
    warn, fail : the lowest and the highest value that is no WARN or FAIL; None if the value is no
        number, or nothing is a FAIL because the check only shows
    """

    name: str
    verdict: Verdict
    value: float | str | None
    unit: str
    allowed: str
    source: str
    detail: str = ""
    limit_source: str = ""
    warn: Bounds | None = None
    fail: Bounds | None = None

    @property
    def is_finding(self) -> bool:
        """True if something was found that is not judged: a person should see it."""
        return self.verdict is Verdict.NOT_JUDGED and isinstance(self.value, float | int)


@dataclass(frozen=True)
class ValueLimits:
    """The lowest and the highest allowed value, both included; None is no limit."""

    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> Bounds:
        """Both as a pair."""
        return self.low, self.high

    def contains(self, value: float) -> bool:
        """True if the value is within."""
        return not (
            (self.low is not None and value < self.low)
            or (self.high is not None and value > self.high)
        )

    def includes(self, other: ValueLimits) -> bool:
        """True if all values within other limits are within these."""
        return (self.low is None or (other.low is not None and other.low >= self.low)) and (
            self.high is None or (other.high is not None and other.high <= self.high)
        )

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "any"
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class VerdictLimits:
    """PASS within `warn`, WARN within `fail`, otherwise FAIL."""

    warn: ValueLimits
    fail: ValueLimits

    def evaluate(self, value: float) -> Verdict:
        """The verdict of a value; NaN is a FAIL."""
        if value != value or not self.fail.contains(value):
            return Verdict.FAIL
        return Verdict.PASS if self.warn.contains(value) else Verdict.WARN

    def describe(self, unit: str = "") -> str:
        """The limits in words: `PASS ≥ 4, FAIL < 2, otherwise WARN`."""
        suffix = f" {unit}" if unit else ""
        if self.warn == self.fail:
            return f"PASS {_describe_inside(self.warn)}{suffix}, otherwise FAIL"
        if self.fail == ValueLimits():
            return f"PASS {_describe_inside(self.warn)}{suffix}, otherwise WARN"
        passing, failing = _describe_inside(self.warn), _describe_outside(self.fail)
        return f"PASS {passing}{suffix}, FAIL {failing}, otherwise WARN"


def _describe_inside(limits: ValueLimits) -> str:
    """The values within limits."""
    if limits.low is None:
        return "any value" if limits.high is None else f"≤ {limits.high:g}"
    return f"≥ {limits.low:g}" if limits.high is None else f"{limits.low:g} to {limits.high:g}"


def _describe_outside(limits: ValueLimits) -> str:
    """The values outside limits."""
    if limits.low is None:
        return f"> {limits.high:g}"
    if limits.high is None:
        return f"< {limits.low:g}"
    return f"outside {limits.low:g} to {limits.high:g}"
