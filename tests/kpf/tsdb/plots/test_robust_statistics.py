from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kpfnb.kpf.tsdb.plots import robust_statistics

values = arrays(float, st.integers(0, 60), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


def test_statistics_ignore_outliers() -> None:
    noise = np.random.default_rng(1).normal(20, 0.5, 4000)
    noise[:20] = 1e5
    statistics = robust_statistics.compute_statistics(np.append(noise, np.nan))
    assert statistics.number == 4000
    assert statistics.median == pytest.approx(20, abs=0.05)
    assert statistics.scatter == pytest.approx(0.5, abs=0.03)


def test_no_values_have_no_statistics() -> None:
    assert robust_statistics.compute_statistics(np.array([np.nan])).number == 0


@given(values, st.integers(1, 9))
def test_bins_lose_no_extreme_and_invent_no_value(values: np.ndarray, number: int) -> None:
    times = np.linspace(0, 10, values.size, endpoint=False)
    binned = robust_statistics.bin_values(times, values, 0, 10, number)
    known = np.isfinite(values)
    if not known.any():
        assert binned.times.size == 0
        return
    assert binned.low.min() == values[known].min()
    assert binned.high.max() == values[known].max()
    assert (binned.low <= binned.median).all()
    assert (binned.median <= binned.high).all()
    for time, low, median, high in zip(*binned, strict=True):
        values_in_bin = values[
            known & (np.floor(times / 10 * number) == np.floor(time / 10 * number))
        ]
        assert (low, high) == (values_in_bin.min(), values_in_bin.max())
        assert median == pytest.approx(np.median(values_in_bin))


def test_a_gap_is_where_nothing_was_observed() -> None:
    times = np.array([0.01, 0.02, 0.5, 0.51])
    assert robust_statistics.find_gaps(times, 0, 1, 1) == [(0.02, 0.5), (0.51, 1.0)]
    assert robust_statistics.find_gaps(times, 0, 0.52, 1) == [(0.02, 0.5)]
    assert robust_statistics.find_gaps(np.array([]), 0, 1, 1) == [(0.0, 1.0)]


def test_a_line_is_broken_at_a_gap() -> None:
    times = np.array([0.0, 1, 2, 3, 50, 51, 52])
    where, broken = robust_statistics.split_at_gaps(times, np.arange(7.0), 100)
    assert np.flatnonzero(np.isnan(broken)).tolist() == [4]
    assert where.size == 8


@given(values)
def test_axis_limits_contain_the_bulk_of_values(values: np.ndarray) -> None:
    limits = robust_statistics.axis_limits(values)
    known = values[np.isfinite(values)]
    if not known.size:
        assert limits is None
        return
    assert limits is not None
    assert limits.low < limits.high
    assert limits.low <= np.median(known) <= limits.high


def test_an_outlier_does_not_compress_the_axis() -> None:
    values = np.append(np.linspace(18, 20, 500), -9999.0)
    limits = robust_statistics.axis_limits(values)
    assert limits is not None
    assert limits.low > 10


def test_a_log_axis_has_no_zero() -> None:
    assert robust_statistics.axis_limits(np.array([0.0, -1.0]), log=True) is None
    limits = robust_statistics.axis_limits(np.array([0.0, 1e-7, 1e-6]), log=True)
    assert limits is not None
    assert 0 < limits.low < 1e-7


def test_one_far_value_of_few_does_not_compress_the_others() -> None:
    values = np.array([0.1, -0.3, 0.2, 0.0, -0.1, 0.3, 1000.0])
    limits = robust_statistics.axis_limits(values)
    assert limits is not None
    assert limits.high < 2
    # Two groups are no outliers
    both = robust_statistics.axis_limits(np.array([0.0, 0.1, 0.2, 50.0, 50.1, 50.2]))
    assert both is not None
    assert both.high > 50
