"""What the rules measure in a night: a value, and the observations responsible for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.night_data import NightData
from kpfnb.kpf.verdict.rules import RuleMeasure, VerdictRule

OUTLIER_SIGMAS = 3
MAD_TO_SIGMA = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""

_SPREADS = ("scatter", "range", "step")


@dataclass(frozen=True)
class Offender:
    """An observation (or master) responsible for a verdict, and why; `level` is of its page."""

    name: str
    why: str
    level: str = ""


@dataclass(frozen=True)
class Measurement:
    """What a rule measures in a night.

    Attributes
    ----------
    value : None if there is nothing to measure
    frame_count : frames (or masters) that were measured
    """

    value: float | None
    frame_count: int = 0
    offenders: tuple[Offender, ...] = ()


def measure_rule(rule: VerdictRule, night: NightData) -> Measurement:
    """What a rule measures in a night."""
    return _MEASURES[rule.measure](rule, night)


def _measure_count(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.frames_of(rule.kinds)
    unreadable = tuple(
        Offender(frame.obsid, f"L0 {frame.problem}", "L0")
        for frame in night.frames
        if frame.problem
    )
    return Measurement(float(len(frames)), len(frames), unreadable)


def _measure_keyword(rule: VerdictRule, night: NightData) -> Measurement:
    headers = night.headers(rule.source)
    values: list[tuple[str, float]] = []
    without_value: list[Offender] = []
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        numbers = [] if isinstance(header, str) else _keyword_numbers(rule, header)
        if numbers:
            values.append((frame.obsid, rule.scale * _STATISTICS[rule.across](numbers)))
        else:
            why = header if isinstance(header, str) else f"no {rule.names[0]} in its header"
            without_value.append(Offender(frame.obsid, f"{rule.source} {why}", rule.source))
    if not values:
        return Measurement(None, 0, tuple(without_value))
    value = _STATISTICS[rule.statistic]([number for _, number in values])
    return Measurement(value, len(values), (*_find_outliers(rule, values), *without_value))


def _keyword_numbers(rule: VerdictRule, header: dict[str, Any]) -> list[float]:
    values = [header.get(name) for name in rule.names]
    return [float(n) for n in values if isinstance(n, int | float) and not isinstance(n, bool)]


def _find_outliers(rule: VerdictRule, values: Sequence[tuple[str, float]]) -> list[Offender]:
    """The frames outside the rule's limits; for a spread the frames that cause it."""
    if rule.statistic in _SPREADS:
        numbers = [number for _, number in values]
        median, sigma = statistics.median(numbers), _robust_scatter(numbers)
        outliers = [
            (obsid, number)
            for obsid, number in values
            if abs(number - median) > OUTLIER_SIGMAS * sigma
        ]
        if not outliers and len(values) > 1:
            ordered = sorted(values, key=lambda pair: pair[1])
            outliers = list(dict.fromkeys([ordered[0], ordered[-1]]))
    else:
        outliers = [
            (obsid, number)
            for obsid, number in values
            if not rule.limits.warn.contains(number) or number != number
        ]
    return [
        Offender(obsid, f"{number:.4g} {rule.unit}".strip(), rule.source)
        for obsid, number in outliers
    ]


def _measure_flags(rule: VerdictRule, night: NightData) -> Measurement:
    headers = night.headers(rule.source)
    count, offenders = 0, []
    for frame in night.frames_of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        count += 1
        if isinstance(header, str):
            offenders.append(Offender(frame.obsid, f"{rule.source} {header}", rule.source))
        elif bad := [name for name in rule.names if name in header and not header[name]]:
            offenders.append(Offender(frame.obsid, f"{', '.join(bad)} = 0", rule.source))
    return Measurement(_percent_of(len(offenders), count), count, tuple(offenders))


def _measure_products(rule: VerdictRule, night: NightData) -> Measurement:
    frames = night.frames_of(rule.kinds)
    offenders = []
    for frame in frames:
        defects = {
            level: defect
            for level, defect in night.incomplete.get(frame.obsid, {}).items()
            if level in rule.names
        }
        if defects:
            why = ", ".join(f"{level} {defect}" for level, defect in defects.items())
            offenders.append(Offender(frame.obsid, why, next(iter(defects))))
    complete = len(frames) - len(offenders)
    return Measurement(_percent_of(complete, len(frames)), len(frames), tuple(offenders))


def _measure_masters(rule: VerdictRule, night: NightData) -> Measurement:
    defects: dict[str, str] = {}
    for pattern in rule.names:
        defects |= night.masters(pattern)
    offenders = tuple(Offender(name, defect) for name, defect in defects.items() if defect)
    return Measurement(float(len(defects) - len(offenders)), len(defects), offenders)


def _measure_quicklook(rule: VerdictRule, night: NightData) -> Measurement:
    count, offenders = 0, []
    for frame in night.frames_of(rule.kinds):
        records = [
            record for level in rule.names if (record := night.quicklook_record(frame.obsid, level))
        ]
        count += bool(records)
        failed = next((record for record in records if record.verdict is Verdict.FAIL), None)
        if failed:
            names = [check.name for check in failed.checks if check.verdict is Verdict.FAIL]
            why = "; ".join(names) or failed.error
            offenders.append(Offender(frame.obsid, why, failed.level))
    return Measurement(_percent_of(len(offenders), count), count, tuple(offenders))


def _percent_of(count: int, total: int) -> float | None:
    return 100 * count / total if total else None


def _robust_scatter(numbers: Sequence[float]) -> float:
    """Robust standard deviation."""
    middle = statistics.median(numbers)
    return MAD_TO_SIGMA * statistics.median(abs(number - middle) for number in numbers)


def _value_range(numbers: Sequence[float]) -> float:
    return max(numbers) - min(numbers)


def _largest_step(numbers: Sequence[float]) -> float:
    """The largest change from one frame to the next."""
    steps = (abs(later - earlier) for earlier, later in pairwise(numbers))
    return max(steps, default=0.0)


_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "scatter": _robust_scatter,
    "range": _value_range,
    "step": _largest_step,
}
_MEASURES: dict[RuleMeasure, Callable[[VerdictRule, NightData], Measurement]] = {
    RuleMeasure.COUNT: _measure_count,
    RuleMeasure.KEYWORD: _measure_keyword,
    RuleMeasure.FLAGS: _measure_flags,
    RuleMeasure.PRODUCTS: _measure_products,
    RuleMeasure.MASTERS: _measure_masters,
    RuleMeasure.QUICKLOOK: _measure_quicklook,
}
