"""Packed values are unpacked unchanged."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.tsdb.kinds import ValueKind, ValueRule, class_of_kind, convert_value
from kpfnb.kpf.tsdb.series import (
    Series,
    format_mask,
    gather_series,
    join_series,
    pack_series,
    parse_mask,
    regather_series,
    unpack_series,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)


@given(
    st.lists(st.tuples(SCALARS, st.booleans()), min_size=1, max_size=20),
    st.sampled_from(list(ValueRule)),
)
def test_what_is_packed_is_unpacked(rows, rule):
    present = np.array([is_present for _, is_present in rows])
    places = np.flatnonzero(present).tolist()
    gathered = gather_series(places, [rows[place][0] for place in places], len(rows), rule)
    if gathered is None:
        return
    unpacked = unpack_series(pack_series(gathered.series, present), present)
    assert unpacked.equals(gathered.series, np.ones(len(rows), bool))
    assert class_of_kind(unpacked.kind) is rule.value_class


@given(st.lists(SCALARS, min_size=1, max_size=20), st.sampled_from(list(ValueRule)))
def test_the_quick_way_gives_the_same_as_value_by_value(values, rule):
    gathered = gather_series(range(len(values)), values, len(values), rule)
    stored = [convert_value(value, rule) for value in values]
    if gathered is None:
        assert all(value.kind is None and value.text is None for value in stored)
        return
    series = gathered.series
    if series.kind is ValueKind.TEXT:
        assert series.values.tolist() == [value.text for value in stored]
    else:
        assert np.array_equal(series.values, [value.number for value in stored], equal_nan=True)
        assert series.odd_texts().tolist() == [value.text for value in stored]


@given(st.lists(SCALARS, min_size=1, max_size=20))
def test_a_column_that_was_widened_to_text_can_be_read_as_numbers_again(values):
    numbers = gather_series(range(len(values)), values, len(values), ValueRule.FLOAT)
    if numbers is None:
        return
    texts = regather_series(numbers.series, ValueRule.TEXT).series
    assert texts.kind is ValueKind.TEXT
    again = regather_series(texts, ValueRule.FLOAT).series
    assert again.equals(numbers.series, np.ones(len(values), bool))


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


def test_joining_keeps_odd_values():
    plain = Series(ValueKind.INT, np.array([1.0, 2.0]))
    mixed = Series(ValueKind.FLOAT, np.array([np.nan]), np.array(["off"], dtype=object))
    joined = join_series([(plain, np.array([0, 1])), (mixed, np.array([1]))], 3)
    assert joined.kind is ValueKind.FLOAT
    assert np.array_equal(joined.values, [1.0, np.nan, np.nan], equal_nan=True)
    assert joined.odd_texts().tolist() == [None, "off", None]


@given(st.lists(st.booleans(), min_size=1))
def test_masks_are_texts(rows):
    assert parse_mask(format_mask(np.array(rows))).tolist() == rows
