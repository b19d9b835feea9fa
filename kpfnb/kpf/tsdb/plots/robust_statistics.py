"""Robust statistics of many values: median and scatter, time bins, gaps, limits of an axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kpfnb.kpf.tsdb.series import Array

MAX_POINTS = 3000
"""The most values that are drawn one by one; more are drawn in bins."""
BIN_COUNT = 500
"""As many bins as a plot can show."""

GAP_SHARE = 0.03
"""A gap is at least this share of the span"""
GAP_DAYS = 2 / 24
"""and at least two hours."""
_GAP_STEPS = 8.0

_MAD_TO_SIGMA = 1.4826
_INNER_PERCENTILES = (1.0, 99.0)
_MIN_FOR_PERCENTILES = 100
"""Of fewer values the percentiles are the extremes: those far from the median are left out"""
_MAX_SCATTERS = 10.0
"""by this many scatters."""
_OUTLIER_FACTOR = 4.0
_MARGIN = 0.06


class RobustStatistics(NamedTuple):
    """Number of finite values, median, and scatter (1.48 times the median absolute deviation)."""

    number: int
    median: float
    scatter: float


class BinnedValues(NamedTuple):
    """Bins of time that have values: centre (days), minimum, median and maximum."""

    times: Array
    low: Array
    median: Array
    high: Array


class AxisLimits(NamedTuple):
    """The limits of an axis; far outliers are beyond them."""

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
    """Minimum, median and maximum of the finite values in equal bins of time."""
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
    """The gaps (start, end in days) without observations that are long for the span."""
    edges = np.concatenate(([start], times[(times >= start) & (times < until)], [until]))
    widths = np.diff(edges)
    long_gaps = np.flatnonzero(widths > max(GAP_SHARE * span_days, GAP_DAYS))
    return [(float(edges[number]), float(edges[number + 1])) for number in long_gaps]


def split_at_gaps(times: Array, values: Array, span_days: float) -> tuple[Array, Array]:
    """A line with NaN in its gaps, where two values are far apart in time."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if times.size < 2:
        return times, values
    steps = np.diff(times)
    far = max(_GAP_STEPS * float(np.median(steps)), GAP_SHARE * span_days)
    places = np.flatnonzero(steps > far) + 1
    return np.insert(times, places, times[places]), np.insert(values, places, np.nan)


def axis_limits(values: Array, *, log: bool = False, by_scatter: bool = False) -> AxisLimits | None:
    """The axis limits for values; None if none is finite (and above 0 on a log axis).

    Outliers that would compress all other values are left out.

    by_scatter : what is an outlier is said by the scatter, however many values there are
    """
    finite = values[np.isfinite(values) & ((values > 0) if log else True)]
    if not finite.size:
        return None
    scaled = np.log10(finite) if log else finite
    low, high = float(scaled.min()), float(scaled.max())
    inner_low, inner_high = (
        float(percentile) for percentile in np.percentile(scaled, _INNER_PERCENTILES)
    )
    if by_scatter or finite.size < _MIN_FOR_PERCENTILES:
        inner_low, inner_high = _central_range(scaled)
    inner = inner_high - inner_low
    if inner > 0 and high - low > _OUTLIER_FACTOR * inner:
        low, high = max(low, inner_low - inner), min(high, inner_high + inner)
    margin = _MARGIN * (high - low) or _MARGIN * (abs(high) if not log else 1.0) or 1.0
    low, high = low - margin, high + margin
    return AxisLimits(10**low, 10**high) if log else AxisLimits(low, high)


def _central_range(values: Array) -> tuple[float, float]:
    """The extremes of the values that are not far from the median."""
    _, median, scatter = compute_statistics(values)
    central = values[np.abs(values - median) <= _MAX_SCATTERS * scatter] if scatter else values
    return float(central.min()), float(central.max())
