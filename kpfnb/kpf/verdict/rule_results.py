"""The results of the rules: the verdicts of measurements, over the look-back of each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.verdict.measurement import Measurement, Offender
from kpfnb.kpf.verdict.measures import measure_rule
from kpfnb.kpf.verdict.night_data import NightData
from kpfnb.kpf.verdict.rules import Override, RuleMeasure, VerdictLevel, VerdictRule


@dataclass(frozen=True)
class RuleResult:
    """One rule of one night.

    Attributes
    ----------
    night : the night of the value: the latest that passes, otherwise the latest of the best
    measured : the verdict of the value; an override may set another
    """

    rule: VerdictRule
    night: str
    measurement: Measurement
    measured: Verdict
    override: Override | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict that counts."""
        overridden = self.override.verdict if self.override else None
        return overridden or self.measured

    @property
    def offenders(self) -> tuple[Offender, ...]:
        """The observations responsible for a measured verdict that is not a PASS."""
        return self.measurement.offenders if self.measured.needs_attention else ()

    @property
    def value(self) -> str:
        """The value for people."""
        if self.measurement.value is None:
            return self.measurement.note or "no data"
        if self.rule.measure.is_count:
            return f"{self.measurement.value:.0f}"
        return f"{self.measurement.value:.4g} {self.rule.unit}".strip()

    @property
    def summary(self) -> str:
        """Title and value in one phrase: `bias frames: 3`, `no master dark (needs at least 1)`."""
        title = self.rule.title
        if title[1:2].islower():
            title = title[0].lower() + title[1:]
        if self.rule.measure.is_count and not self.measurement.value:
            return f"no {title} (needs {self.rule.limits.warn})"
        return f"{title}: {self.value}"

    @property
    def remark(self) -> str:
        """What a reader should know beside the value: frames that were not judged."""
        return self.measurement.note if self.measurement.value is not None else ""

    @property
    def threshold(self) -> str:
        """The values that pass, and those that fail."""
        return self.rule.limits.describe(self.rule.unit)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rule": self.rule.name,
            "level": str(self.rule.level),
            "title": self.rule.title,
            "reason": self.rule.reason,
            "verdict": str(self.verdict),
            "measured": str(self.measured),
            "value": self.measurement.value,
            "unit": self.rule.unit,
            "threshold": self.threshold,
            "source": self.rule.limits_source,
            "remark": self.measurement.note,
            "night": self.night,
            "frames": self.measurement.frame_count,
            "blamed": [
                {"name": offender.name, "why": offender.why, "level": offender.level}
                for offender in self.measurement.offenders
            ],
            "override": vars(self.override) if self.override else None,
        }


def evaluate_rule(
    rule: VerdictRule, night: str, load_night: Callable[[str], NightData]
) -> RuleResult:
    """The result of a rule; `load_night` is called for no more nights than needed."""
    results = []
    for name in lookback_nights(night, rule.nights):
        measurement = measure_rule(rule, load_night(name))
        verdict = rule.evaluate(measurement.value, is_incomplete=measurement.is_incomplete)
        results.append(RuleResult(rule, name, measurement, verdict))
        # If there is nothing to measure, an earlier night may have a value
        if verdict is Verdict.PASS and measurement.value is not None:
            return results[-1]
    return min(results, key=_preference)


def _preference(result: RuleResult) -> tuple[bool, int]:
    """Sorts the results of several nights: those with a value first, then the best verdict."""
    has_value = result.measurement.value is not None or result.measurement.is_incomplete
    return (not has_value, result.measured.severity)


def lookback_nights(night: str, count: int) -> Iterable[str]:
    """A night and those before it (YYYYMMDD), `count` in all."""
    day = datetime.strptime(night, "%Y%m%d")
    return (f"{day - timedelta(days=back):%Y%m%d}" for back in range(count))


def worst_by_level(results: Iterable[RuleResult]) -> dict[VerdictLevel, Verdict]:
    """The verdict of each level: the worst of its rules."""
    results = list(results)
    return {
        level: worst_verdict(result.verdict for result in results if result.rule.level is level)
        for level in VerdictLevel
    }


class FrameCount(NamedTuple):
    """The frames of one kind: how many there are, how many are required, and of which night."""

    title: str
    present: int
    required: int
    night: str
    verdict: Verdict

    @property
    def text(self) -> str:
        """Both numbers in words."""
        return f"{self.present} (needs {self.required})"


def count_frames(results: Iterable[RuleResult]) -> list[FrameCount]:
    """The results of the rules that count frames."""
    return [
        FrameCount(
            result.rule.title,
            round(result.measurement.value or 0),
            round(result.rule.limits.warn.low or result.rule.limits.fail.low or 0),
            result.night,
            result.verdict,
        )
        for result in results
        if result.rule.measure is RuleMeasure.COUNT
    ]
