"""Packed values come out as they went in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.tsdb import packing
from kpfnb.kpf.tsdb.kinds import Kind
from kpfnb.kpf.tsdb.packing import Series

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)


@given(st.lists(st.tuples(SCALARS, st.booleans()), min_size=1, max_size=20))
def test_what_is_packed_is_unpacked(rows):
    present = np.array([there for _, there in rows])
    places = np.flatnonzero(present).tolist()
    series = packing.gather(places, [rows[place][0] for place in places], len(rows))
    if series is None:
        return
    again = packing.unpack(packing.pack(series, present), present)
    assert again.equals(series, np.ones(len(rows), bool))


def test_a_constant_is_kept_once():
    present = np.array([True, False, True, True])
    numbers = Series(Kind.FLOAT, np.array([2.5, np.nan, 2.5, 2.5]))
    assert len(packing.pack(numbers, present).numbers) == 8
    texts = Series(Kind.TEXT, np.array(["FK5", None, "FK5", "FK5"], dtype=object))
    assert packing.pack(texts, present).texts == '"FK5"'


def test_joining_widens_and_the_later_wins():
    numbers = Series(Kind.INT, np.array([1.0, 2.0]))
    texts = Series(Kind.TEXT, np.array(["off"], dtype=object))
    joined = packing.join([(numbers, np.array([0, 1])), (texts, np.array([1]))], 3)
    assert joined.kind is Kind.TEXT
    assert joined.values.tolist() == ["1", "off", None]


@given(st.lists(st.booleans(), min_size=1))
def test_masks_are_texts(rows):
    assert packing.mask(packing.unmask(np.array(rows))).tolist() == rows
