"""Many values made few enough to be drawn and read: statistics, bins, gaps, limits of an axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kpfnb.kpf.tsdb.series import Array

MAX_POINTS = 3000
"""More values than these are drawn as bins."""
BIN_COUNT = 500
"""As many as a picture has columns to show."""

GAP_SHARE = 0.03
"""A stretch without an observation is told from this share of the span on,"""
GAP_DAYS = 2 / 24
"""and from these two hours on."""
_GAP_STEPS = 8.0

_MAD_TO_SIGMA = 1.4826
_INNER_PERCENTILES = (1.0, 99.0)
_OUTLIER_FACTOR = 4.0
_MARGIN = 0.06


class RobustStatistics(NamedTuple):
    """Of finite values: how many, the median, and the scatter (1.48 times the median deviation)."""

    number: int
    median: float
    scatter: float


class BinnedValues(NamedTuple):
    """Values by bins of time that hold any: where (days), least, median and greatest."""

    times: Array
    low: Array
    median: Array
    high: Array


class AxisLimits(NamedTuple):
    """The ends of an axis; far outliers are beyond them."""

    low: float
    high: float


def compute_statistics(values: Array) -> RobustStatistics:
    """Robust statistics of the finite values."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return RobustStatistics(0, np.nan, np.nan)
    median = float(np.median(finite))
    deviation = float(np.median(np.abs(finite - median)))
    return RobustStatistics(int(finite.size), median, _MAD_TO_SIGMA * deviation)


def bin_values(
    times: Array, values: Array, start: float, end: float, number: int = BIN_COUNT
) -> BinnedValues:
    """Least, median and greatest of the finite values in equal bins of time."""
    known = np.isfinite(values) & (times >= start) & (times < end)
    if not known.any():
        return BinnedValues(*np.empty((4, 0)))
    places = ((times[known] - start) / (end - start) * number).astype(np.intp)
    order = np.lexsort((values[known], places))
    places, sorted_values = places[order], values[known][order]
    firsts = np.flatnonzero(np.diff(places, prepend=-1))
    lasts = np.append(firsts[1:], places.size) - 1
    middles = (sorted_values[(firsts + lasts) // 2] + sorted_values[(firsts + lasts + 1) // 2]) / 2
    centres = start + (places[firsts] + 0.5) * (end - start) / number
    return BinnedValues(centres, sorted_values[firsts], middles, sorted_values[lasts])


def find_gaps(
    times: Array, start: float, until: float, span_days: float
) -> list[tuple[float, float]]:
    """The stretches (days) without any observation that are long for the span."""
    edges = np.concatenate(([start], times[(times >= start) & (times < until)], [until]))
    widths = np.diff(edges)
    long = np.flatnonzero(widths > max(GAP_SHARE * span_days, GAP_DAYS))
    return [(float(edges[one]), float(edges[one + 1])) for one in long]


def split_at_gaps(times: Array, values: Array, span_days: float) -> tuple[Array, Array]:
    """A line that is not drawn over gaps: NaN where two values are far from each other in time."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if times.size < 2:
        return times, values
    steps = np.diff(times)
    far = max(_GAP_STEPS * float(np.median(steps)), GAP_SHARE * span_days)
    places = np.flatnonzero(steps > far) + 1
    return np.insert(times, places, times[places]), np.insert(values, places, np.nan)


def axis_limits(values: Array, *, log: bool = False) -> AxisLimits | None:
    """An axis for these values; None where none is finite (and, on a log axis, above 0).

    Where outliers would press all others together they are left out.
    """
    finite = values[np.isfinite(values) & ((values > 0) if log else True)]
    if not finite.size:
        return None
    scaled = np.log10(finite) if log else finite
    low, high = float(scaled.min()), float(scaled.max())
    inner_low, inner_high = (float(one) for one in np.percentile(scaled, _INNER_PERCENTILES))
    inner = inner_high - inner_low
    if inner > 0 and high - low > _OUTLIER_FACTOR * inner:
        low, high = max(low, inner_low - inner), min(high, inner_high + inner)
    margin = _MARGIN * (high - low) or _MARGIN * (abs(high) if not log else 1.0) or 1.0
    low, high = low - margin, high + margin
    return AxisLimits(10**low, 10**high) if log else AxisLimits(low, high)
