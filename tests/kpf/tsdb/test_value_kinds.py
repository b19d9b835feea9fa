"""Kinds of values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.tsdb import series
from kpfnb.kpf.tsdb.series import ValueKind


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (True, ValueKind.BOOL, 1.0),
        (7, ValueKind.INT, 7.0),
        (2**60, ValueKind.TEXT, str(2**60)),
        (1.5, ValueKind.FLOAT, 1.5),
        (float("nan"), None, None),
        ("-nan", None, None),
        ("NaN", None, None),
        ("  ", None, None),
        (None, None, None),
        ("FK5", ValueKind.TEXT, "FK5"),
        ("12.5", ValueKind.TEXT, "12.5"),
        ("1970-01-01T00:00:01.5", ValueKind.TIME, 1_500_000.0),
        ("2024-13-01T00:00:00", ValueKind.TEXT, "2024-13-01T00:00:00"),
    ],
)
def test_classify(value, kind, stored):
    assert series.classify_value(value) == (kind, stored)


@given(st.lists(st.sampled_from(list(ValueKind)), min_size=1))
def test_widening_does_not_depend_on_the_order(kinds):
    wide = series.common_kind(kinds)
    assert wide is series.common_kind(reversed(kinds))
    assert wide is series.common_kind([*kinds, wide])


def test_numbers_widen_to_numbers_and_other_mixtures_to_text():
    assert series.common_kind([ValueKind.BOOL, ValueKind.FLOAT]) is ValueKind.FLOAT
    assert series.common_kind([ValueKind.TIME, ValueKind.INT]) is ValueKind.TEXT
    assert series.common_kind([]) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_a_time_is_exact_to_the_microsecond(moment):
    stored = series.parse_microseconds(moment.isoformat())
    assert stored is not None
    assert datetime.fromisoformat(series.number_to_text(ValueKind.TIME, stored)) == moment
    assert datetime.fromtimestamp(stored // 1_000_000, UTC).replace(tzinfo=None) <= moment


def test_numbers_become_texts():
    assert series.number_to_text(ValueKind.BOOL, 1.0) == "T"
    assert series.number_to_text(ValueKind.INT, 12.0) == "12"
    assert series.number_to_text(ValueKind.FLOAT, 0.1) == "0.1"
