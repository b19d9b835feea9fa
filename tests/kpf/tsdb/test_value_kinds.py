"""Kinds of values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.tsdb import kinds
from kpfnb.kpf.tsdb.kinds import Kind


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (True, Kind.BOOL, 1.0),
        (7, Kind.INT, 7.0),
        (2**60, Kind.TEXT, str(2**60)),
        (1.5, Kind.FLOAT, 1.5),
        (float("nan"), None, None),
        ("-nan", None, None),
        ("NaN", None, None),
        ("  ", None, None),
        (None, None, None),
        ("FK5", Kind.TEXT, "FK5"),
        ("12.5", Kind.TEXT, "12.5"),
        ("1970-01-01T00:00:01.5", Kind.TIME, 1_500_000.0),
        ("2024-13-01T00:00:00", Kind.TEXT, "2024-13-01T00:00:00"),
    ],
)
def test_classify(value, kind, stored):
    assert kinds.classify(value) == (kind, stored)


@given(st.lists(st.sampled_from(list(Kind)), min_size=1))
def test_widening_does_not_depend_on_the_order(some):
    wide = kinds.widest(some)
    assert wide is kinds.widest(reversed(some))
    assert wide is kinds.widest([*some, wide])


def test_numbers_widen_among_themselves_and_all_else_to_text():
    assert kinds.widest([Kind.BOOL, Kind.FLOAT]) is Kind.FLOAT
    assert kinds.widest([Kind.TIME, Kind.INT]) is Kind.TEXT
    assert kinds.widest([]) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_a_time_is_exact_to_the_microsecond(moment):
    stored = kinds.microseconds(moment.isoformat())
    assert stored is not None
    assert datetime.fromisoformat(kinds.text_of(Kind.TIME, stored)) == moment
    assert datetime.fromtimestamp(stored // 1_000_000, UTC).replace(tzinfo=None) <= moment


def test_numbers_become_texts():
    assert kinds.text_of(Kind.BOOL, 1.0) == "T"
    assert kinds.text_of(Kind.INT, 12.0) == "12"
    assert kinds.text_of(Kind.FLOAT, 0.1) == "0.1"
