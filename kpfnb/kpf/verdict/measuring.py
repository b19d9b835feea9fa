"""What a rule finds in one night: a value, and which observations are to blame."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.observed import Night
from kpfnb.kpf.verdict.rules import Measure, Rule

OUTLIER_SIGMAS = 3
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Blame:
    """One observation (or master) that is to blame, and why; `level` is where on its page."""

    name: str
    why: str
    level: str = ""


@dataclass(frozen=True)
class Measured:
    """What was found: None where there is nothing to look at. `of`: so many were looked at."""

    value: float | None
    of: int = 0
    blamed: tuple[Blame, ...] = ()


def measure(rule: Rule, night: Night) -> Measured:
    """What a rule finds in a night."""
    return _MEASURES[rule.measure](rule, night)


def _count(rule: Rule, night: Night) -> Measured:
    frames = night.of(rule.kinds)
    broken = [Blame(one.obsid, f"L0 {one.problem}", "L0") for one in night.frames if one.problem]
    return Measured(float(len(frames)), len(frames), tuple(broken))


def _keyword(rule: Rule, night: Night) -> Measured:
    headers = night.headers(rule.source)
    values: list[tuple[str, float]] = []
    odd: list[Blame] = []
    for frame in night.of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        numbers = [] if isinstance(header, str) else _numbers(rule, header)
        if numbers:
            values.append((frame.obsid, rule.scale * _STATISTICS[rule.across](numbers)))
        else:
            why = header if isinstance(header, str) else f"no {rule.names[0]} in its header"
            odd.append(Blame(frame.obsid, f"{rule.source} {why}", rule.source))
    if not values:
        return Measured(None, 0, tuple(odd))
    value = _STATISTICS[rule.statistic]([number for _, number in values])
    return Measured(value, len(values), (*_outliers(rule, values), *odd))


def _numbers(rule: Rule, header: dict[str, Any]) -> list[float]:
    found = [header.get(name) for name in rule.names]
    return [float(n) for n in found if isinstance(n, int | float) and not isinstance(n, bool)]


def _outliers(rule: Rule, values: Sequence[tuple[str, float]]) -> list[Blame]:
    """The frames outside of what the rule allows; of a spread those that make it."""
    told = f"{{:.4g}} {rule.unit}".strip()
    if rule.statistic in _SPREADS:
        numbers = [number for _, number in values]
        middle, sigma = statistics.median(numbers), _scatter(numbers)
        far = [(o, n) for o, n in values if abs(n - middle) > OUTLIER_SIGMAS * sigma]
        ends = [min(values, key=_number), max(values, key=_number)] if len(values) > 1 else []
        blamed = far or list(dict.fromkeys(ends))
    else:
        blamed = [(o, n) for o, n in values if not rule.warn.hold(n) or n != n]
    return [Blame(obsid, told.format(number), rule.source) for obsid, number in blamed]


def _number(pair: tuple[str, float]) -> float:
    return pair[1]


def _flags(rule: Rule, night: Night) -> Measured:
    headers = night.headers(rule.source)
    seen, blamed = 0, []
    for frame in night.of(rule.kinds):
        header = headers.get(frame.obsid)
        if header is None:
            continue
        seen += 1
        if isinstance(header, str):
            blamed.append(Blame(frame.obsid, f"{rule.source} {header}", rule.source))
        elif bad := [name for name in rule.names if name in header and not header[name]]:
            blamed.append(Blame(frame.obsid, f"{', '.join(bad)} = 0", rule.source))
    return Measured(_percent(len(blamed), seen), seen, tuple(blamed))


def _products(rule: Rule, night: Night) -> Measured:
    frames = night.of(rule.kinds)
    blamed = []
    for frame in frames:
        flaws = {k: why for k, why in night.lacking.get(frame.obsid, {}).items() if k in rule.names}
        if flaws:
            why = ", ".join(f"{level} {flaw}" for level, flaw in flaws.items())
            blamed.append(Blame(frame.obsid, why, next(iter(flaws))))
    return Measured(_percent(len(frames) - len(blamed), len(frames)), len(frames), tuple(blamed))


def _masters(rule: Rule, night: Night) -> Measured:
    found = {name: flaw for pattern in rule.names for name, flaw in night.masters(pattern).items()}
    blamed = tuple(Blame(name, flaw) for name, flaw in found.items() if flaw)
    return Measured(float(len(found) - len(blamed)), len(found), blamed)


def _quicklook(rule: Rule, night: Night) -> Measured:
    seen, blamed = 0, []
    for frame in night.of(rule.kinds):
        records = [one for level in rule.names if (one := night.checks(frame.obsid, level))]
        seen += bool(records)
        if bad := [one for one in records if one.verdict is Verdict.FAIL]:
            names = [check.name for check in bad[0].checks if check.verdict is Verdict.FAIL]
            blamed.append(Blame(frame.obsid, "; ".join(names) or bad[0].error, bad[0].level))
    return Measured(_percent(len(blamed), seen), seen, tuple(blamed))


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
_MEASURES: dict[Measure, Callable[[Rule, Night], Measured]] = {
    Measure.COUNT: _count,
    Measure.KEYWORD: _keyword,
    Measure.FLAGS: _flags,
    Measure.PRODUCTS: _products,
    Measure.MASTERS: _masters,
    Measure.QUICKLOOK: _quicklook,
}
