from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kpfnb.kpf.tsdb.plots import robust_statistics

values = arrays(float, st.integers(0, 60), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


def test_statistics_are_those_of_the_bulk() -> None:
    noise = np.random.default_rng(1).normal(20, 0.5, 4000)
    noise[:20] = 1e5
    found = robust_statistics.compute_statistics(np.append(noise, np.nan))
    assert found.number == 4000
    assert found.median == pytest.approx(20, abs=0.05)
    assert found.scatter == pytest.approx(0.5, abs=0.03)


def test_nothing_has_no_statistics() -> None:
    assert robust_statistics.compute_statistics(np.array([np.nan])).number == 0


@given(values, st.integers(1, 9))
def test_bins_lose_no_extreme_and_invent_no_value(some: np.ndarray, number: int) -> None:
    times = np.linspace(0, 10, some.size, endpoint=False)
    found = robust_statistics.bin_values(times, some, 0, 10, number)
    known = np.isfinite(some)
    if not known.any():
        assert found.times.size == 0
        return
    assert found.low.min() == some[known].min()
    assert found.high.max() == some[known].max()
    assert (found.low <= found.median).all()
    assert (found.median <= found.high).all()
    for time, low, median, high in zip(*found, strict=True):
        own = some[known & (np.floor(times / 10 * number) == np.floor(time / 10 * number))]
        assert (low, high) == (own.min(), own.max())
        assert median == pytest.approx(np.median(own))


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
def test_an_axis_holds_the_bulk(some: np.ndarray) -> None:
    ends = robust_statistics.axis_limits(some)
    known = some[np.isfinite(some)]
    if not known.size:
        assert ends is None
        return
    assert ends is not None
    assert ends.low < ends.high
    assert ends.low <= np.median(known) <= ends.high


def test_an_outlier_does_not_press_the_others_together() -> None:
    some = np.append(np.linspace(18, 20, 500), -9999.0)
    ends = robust_statistics.axis_limits(some)
    assert ends is not None
    assert ends.low > 10


def test_a_log_axis_has_no_zero() -> None:
    assert robust_statistics.axis_limits(np.array([0.0, -1.0]), log=True) is None
    ends = robust_statistics.axis_limits(np.array([0.0, 1e-7, 1e-6]), log=True)
    assert ends is not None
    assert 0 < ends.low < 1e-7
