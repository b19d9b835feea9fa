"""Each rule judged, over the nights that it may look back to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.verdict.night_data import NightData
from kpfnb.kpf.verdict.rules import Override, RuleMeasure, VerdictLevel, VerdictRule

# What a rule finds in one night: a value, and which observations are to blame.

OUTLIER_SIGMAS = 3
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Offender:
    """One observation (or master) that is to blame, and why; `level` is where on its page."""

    name: str
    why: str
    level: str = ""


@dataclass(frozen=True)
class Measurement:
    """What was found: None where there is nothing to look at. `of`: so many were looked at."""

    value: float | None
    frame_count: int = 0
    offenders: tuple[Offender, ...] = ()


def measure_rule(rule: VerdictRule, night: NightData) -> Measurement:
    """What a rule finds in a night."""
    return _MEASURES[rule.measure](rule, night)


def _measure_count(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.frames_of(rule.kinds)
    broken = [Offender(one.obsid, f"L0 {one.problem}", "L0") for one in night.frames if one.problem]
    return Measurement(float(len(frames)), len(frames), tuple(broken))


def _measure_keyword(rule: VerdictRule, night: NightData) -> Measurement:
    headers = night.headers(rule.source)
    values: list[tuple[str, float]] = []
    odd: list[Offender] = []
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        numbers = [] if isinstance(header, str) else _keyword_numbers(rule, header)
        if numbers:
            values.append((frame.obsid, rule.scale * _STATISTICS[rule.across](numbers)))
        else:
            why = header if isinstance(header, str) else f"no {rule.names[0]} in its header"
            odd.append(Offender(frame.obsid, f"{rule.source} {why}", rule.source))
    if not values:
        return Measurement(None, 0, tuple(odd))
    value = _STATISTICS[rule.statistic]([number for _, number in values])
    return Measurement(value, len(values), (*_outliers(rule, values), *odd))


def _keyword_numbers(rule: VerdictRule, header: dict[str, Any]) -> list[float]:
    found = [header.get(name) for name in rule.names]
    return [float(n) for n in found if isinstance(n, int | float) and not isinstance(n, bool)]


def _outliers(rule: VerdictRule, values: Sequence[tuple[str, float]]) -> list[Offender]:
    """The frames outside of what the rule allows; of a spread those that make it."""
    told = f"{{:.4g}} {rule.unit}".strip()
    if rule.statistic in _SPREADS:
        numbers = [number for _, number in values]
        middle, sigma = statistics.median(numbers), _scatter(numbers)
        far = [(o, n) for o, n in values if abs(n - middle) > OUTLIER_SIGMAS * sigma]
        ends = (
            [min(values, key=_pair_number), max(values, key=_pair_number)]
            if len(values) > 1
            else []
        )
        blamed = far or list(dict.fromkeys(ends))
    else:
        blamed = [(o, n) for o, n in values if not rule.warn.contains(n) or n != n]
    return [Offender(obsid, told.format(number), rule.source) for obsid, number in blamed]


def _pair_number(pair: tuple[str, float]) -> float:
    return pair[1]


def _measure_flags(rule: VerdictRule, night: NightData) -> Measurement:
    headers = night.headers(rule.source)
    seen, blamed = 0, []
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        seen += 1
        if isinstance(header, str):
            blamed.append(Offender(frame.obsid, f"{rule.source} {header}", rule.source))
        elif bad := [name for name in rule.names if name in header and not header[name]]:
            blamed.append(Offender(frame.obsid, f"{', '.join(bad)} = 0", rule.source))
    return Measurement(_percent(len(blamed), seen), seen, tuple(blamed))


def _measure_products(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.frames_of(rule.kinds)
    blamed = []
    for frame in frames:
        flaws = {
            k: why for k, why in night.incomplete.get(frame.obsid, {}).items() if k in rule.names
        }
        if flaws:
            why = ", ".join(f"{level} {flaw}" for level, flaw in flaws.items())
            blamed.append(Offender(frame.obsid, why, next(iter(flaws))))
    return Measurement(_percent(len(frames) - len(blamed), len(frames)), len(frames), tuple(blamed))


def _measure_masters(rule: VerdictRule, night: NightData) -> Measurement:
    found = {name: flaw for pattern in rule.names for name, flaw in night.masters(pattern).items()}
    blamed = tuple(Offender(name, flaw) for name, flaw in found.items() if flaw)
    return Measurement(float(len(found) - len(blamed)), len(found), blamed)


def _measure_quicklook(rule: VerdictRule, night: NightData) -> Measurement:
    seen, blamed = 0, []
    for frame in night.frames_of(rule.kinds):
        records = [
            one for level in rule.names if (one := night.quicklook_record(frame.obsid, level))
        ]
        seen += bool(records)
        if bad := [one for one in records if one.verdict is Verdict.FAIL]:
            names = [check.name for check in bad[0].checks if check.verdict is Verdict.FAIL]
            blamed.append(Offender(frame.obsid, "; ".join(names) or bad[0].error, bad[0].level))
    return Measurement(_percent(len(blamed), seen), seen, tuple(blamed))


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _scatter(numbers: Sequence[float]) -> float:
    """Robust standard deviation."""
    middle = statistics.median(numbers)
    return MAD_TO_SIGMA * statistics.median(abs(number - middle) for number in numbers)


def _range(numbers: Sequence[float]) -> float:
    return max(numbers) - min(numbers)


def _step(numbers: Sequence[float]) -> float:
    """The largest change from one frame to the next."""
    steps = (abs(later - earlier) for earlier, later in pairwise(numbers))
    return max(steps, default=0.0)


_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "scatter": _scatter,
    "range": _range,
    "step": _step,
}
_SPREADS = ("scatter", "range", "step")
_MEASURES: dict[RuleMeasure, Callable[[VerdictRule, NightData], Measurement]] = {
    RuleMeasure.COUNT: _measure_count,
    RuleMeasure.KEYWORD: _measure_keyword,
    RuleMeasure.FLAGS: _measure_flags,
    RuleMeasure.PRODUCTS: _measure_products,
    RuleMeasure.MASTERS: _measure_masters,
    RuleMeasure.QUICKLOOK: _measure_quicklook,
}


@dataclass(frozen=True)
class RuleResult:
    """One rule of one night.

    Attributes
    ----------
    night : the night that the value is of: the latest that passes, else the latest of the best
    measured : the verdict of the value; an override may set another
    """

    rule: VerdictRule
    night: str
    measurement: Measurement
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
        if self.measurement.value is None:
            return "nothing to look at"
        if self.rule.measure in (RuleMeasure.COUNT, RuleMeasure.MASTERS):
            return f"{self.measurement.value:.0f}"
        return f"{self.measurement.value:.4g} {self.rule.unit}".strip()

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
            "value": self.measurement.value,
            "unit": self.rule.unit,
            "threshold": self.threshold,
            "night": self.night,
            "frames": self.measurement.frame_count,
            "blamed": [
                {"name": one.name, "why": one.why, "level": one.level}
                for one in self.measurement.offenders
            ],
            "override": vars(self.override) if self.override else None,
        }


def evaluate_rule(
    rule: VerdictRule, night: str, load_night: Callable[[str], NightData]
) -> RuleResult:
    """The finding of a rule; `look` gives a night by its name, asked for no more than needed."""
    best: RuleResult | None = None
    for name in lookback_nights(night, rule.nights):
        found = measure_rule(rule, load_night(name))
        this = RuleResult(rule, name, found, rule.evaluate(found.value))
        # Where there is nothing to look at, an earlier night may tell more
        if this.measured is Verdict.PASS and found.value is not None:
            return this
        if best is None or (found.value is not None and _is_better(this, best)):
            best = this
    assert best is not None
    return best


def lookback_nights(night: str, count: int) -> Iterable[str]:
    """A night and those before it, as YYYYMMDD, so many in all."""
    day = datetime.strptime(night, "%Y%m%d")
    return (f"{day - timedelta(days=back):%Y%m%d}" for back in range(count))


def worst_by_level(findings: Iterable[RuleResult]) -> dict[VerdictLevel, Verdict]:
    """The verdict of each level: the worst of its rules."""
    every = list(findings)
    return {
        level: worst_verdict(f.verdict for f in every if f.rule.level is level)
        for level in VerdictLevel
    }


def _is_better(this: RuleResult, other: RuleResult) -> bool:
    order = list(Verdict)
    if other.measurement.value is None:
        return True
    return order.index(this.measured) < order.index(other.measured)
