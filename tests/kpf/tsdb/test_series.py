"""Packed values are unpacked unchanged."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.tsdb.series import (
    Series,
    ValueKind,
    format_mask,
    gather_series,
    join_series,
    pack_series,
    parse_mask,
    unpack_series,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)


@given(st.lists(st.tuples(SCALARS, st.booleans()), min_size=1, max_size=20))
def test_what_is_packed_is_unpacked(rows):
    present = np.array([is_present for _, is_present in rows])
    places = np.flatnonzero(present).tolist()
    series = gather_series(places, [rows[place][0] for place in places], len(rows))
    if series is None:
        return
    unpacked = unpack_series(pack_series(series, present), present)
    assert unpacked.equals(series, np.ones(len(rows), bool))


def test_a_constant_is_kept_once():
    present = np.array([True, False, True, True])
    numbers = Series(ValueKind.FLOAT, np.array([2.5, np.nan, 2.5, 2.5]))
    assert len(pack_series(numbers, present).numbers) == 8
    texts = Series(ValueKind.TEXT, np.array(["FK5", None, "FK5", "FK5"], dtype=object))
    assert pack_series(texts, present).texts == '"FK5"'


def test_joining_widens_and_the_later_wins():
    numbers = Series(ValueKind.INT, np.array([1.0, 2.0]))
    texts = Series(ValueKind.TEXT, np.array(["off"], dtype=object))
    joined = join_series([(numbers, np.array([0, 1])), (texts, np.array([1]))], 3)
    assert joined.kind is ValueKind.TEXT
    assert joined.values.tolist() == ["1", "off", None]


@given(st.lists(st.booleans(), min_size=1))
def test_masks_are_texts(rows):
    assert parse_mask(format_mask(np.array(rows))).tolist() == rows
