"""How the value of a card becomes a stored one."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.files import keywords
from kpfnb.kpf.tsdb import kinds
from kpfnb.kpf.tsdb.kinds import StoredValue, ValueClass, ValueKind, ValueRule

HST_NOON = datetime(2024, 2, 10, 17, 0, 9, tzinfo=UTC).timestamp() * 1e6
"""20240210T07:00:09 HST, which THDAYON of the real L1 KP.20240211.00048.69 has."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)


@pytest.mark.parametrize(
    ("value", "value_class"),
    [
        (True, ValueClass.NUMBER),
        (7, ValueClass.NUMBER),
        (2**60, ValueClass.TEXT),
        (1.5, ValueClass.NUMBER),
        (math.nan, None),
        ("-nan", None),
        ("  ", None),
        (None, None),
        ("FK5", ValueClass.TEXT),
        ("12.5", ValueClass.TEXT),
        ("1970-01-01T00:00:01.5", ValueClass.TIME),
        ("20240210T07:00:09 HST", ValueClass.TIME),
        ("2024-13-01T00:00:00", ValueClass.TEXT),
    ],
)
def test_classify(value, value_class):
    assert kinds.classify_value(value) is value_class


def number(value, kind=ValueKind.FLOAT, *, was_text=False):
    return StoredValue(value, None, kind, was_text)


def odd(text):
    return StoredValue(text=text)


@pytest.mark.parametrize(
    ("rule", "value", "stored"),
    [
        ("float", 30.5, number(30.5)),
        ("float", 300, number(300.0, ValueKind.INT)),
        ("float", "300.0", number(300.0, was_text=True)),
        ("float", "1.5D+3", number(1500.0, was_text=True)),
        ("float", "n/a", odd("n/a")),
        ("float", "inf", odd("inf")),
        ("float", math.inf, odd("inf")),
        ("float", "1_000", odd("1_000")),
        ("float", True, odd("T")),
        ("float", 2**60, odd(str(2**60))),
        ("int", str(2**60), odd(str(2**60))),
        ("int", 7, number(7.0, ValueKind.INT)),
        ("flag", True, number(1.0, ValueKind.BOOL)),
        ("flag", 0, number(0.0, ValueKind.INT)),
        ("flag", "false", number(0.0, ValueKind.BOOL, was_text=True)),
        ("switch", "YES", number(1.0, ValueKind.BOOL)),
        ("switch", "closed", number(0.0, ValueKind.BOOL)),
        ("switch", "false", number(0.0, ValueKind.BOOL)),
        ("switch", True, number(1.0, ValueKind.BOOL)),
        ("switch", 0, number(0.0, ValueKind.BOOL)),
        ("switch", 7, odd("7")),
        ("switch", "moving", odd("moving")),
        ("text", 10700, odd("10700")),
        ("text", 2993561629444856960, odd("2993561629444856960")),
        ("text", 604.38, odd("604.38")),
        ("time", "1970-01-01T00:00:01.5", number(1_500_000.0, ValueKind.TIME)),
        ("time", "unknown", odd("unknown")),
        ("time", 60351.0, odd("60351.0")),
        ("hst-time", "20240210T07:00:09 HST", number(HST_NOON, ValueKind.TIME)),
        ("hst-time", "2024-02-10 07:00:09.000", number(HST_NOON, ValueKind.TIME)),
        ("hst-time", "2024-02-10T17:00:09Z", number(HST_NOON, ValueKind.TIME)),
        ("hst-time", "soon", odd("soon")),
        ("number", False, number(0.0, ValueKind.BOOL)),
    ],
)
def test_convert(rule, value, stored):
    assert repr(kinds.convert_value(value, ValueRule(rule))) == repr(stored)


@pytest.mark.parametrize("rule", list(ValueRule))
@pytest.mark.parametrize("value", [None, "", "  ", math.nan, "-nan", "NaN"])
def test_no_value(rule, value):
    assert kinds.convert_value(value, rule) is kinds.NO_VALUE


def test_a_lamp_that_was_never_on_has_no_time():
    """UAUON of the real L1 KP.20240211.00048.69: the zero of Unix time, in HST."""
    for rule in (ValueRule.HST_TIME, ValueRule.TIME):
        assert kinds.convert_value("19691231T14:00:00 HST", rule) is kinds.NO_VALUE


@given(VALUES, st.sampled_from(list(ValueRule)))
def test_no_value_is_lost_and_no_column_gets_another_class(value, rule):
    stored = kinds.convert_value(value, rule)
    if stored.kind is None:
        assert math.isnan(stored.number)
    else:
        assert stored.text is None
        assert math.isfinite(stored.number)
        assert kinds.class_of_kind(stored.kind) is rule.value_class
    is_blank = (
        value is None or kinds.is_nan(value) or (isinstance(value, str) and not value.strip())
    )
    assert (stored == kinds.NO_VALUE or (stored.text is None and stored.kind is None)) >= is_blank
    assert is_blank or stored.text is not None or stored.kind is not None


@given(st.lists(st.sampled_from(list(ValueKind)), min_size=1))
def test_widening_does_not_depend_on_the_order(given_kinds):
    wide = kinds.common_kind(given_kinds)
    assert wide is kinds.common_kind(reversed(given_kinds))
    assert wide is kinds.common_kind([*given_kinds, wide])


def test_numbers_widen_to_numbers():
    assert kinds.common_kind([ValueKind.BOOL, ValueKind.FLOAT]) is ValueKind.FLOAT
    assert kinds.common_kind([]) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_a_time_is_exact_to_the_microsecond(moment):
    stored = kinds.parse_time(moment.isoformat())
    assert stored is not None
    assert datetime.fromisoformat(kinds.number_to_text(ValueKind.TIME, stored)) == moment
    assert datetime.fromtimestamp(stored // 1_000_000, UTC).replace(tzinfo=None) <= moment


def test_numbers_become_texts():
    assert kinds.number_to_text(ValueKind.BOOL, 1.0) == "T"
    assert kinds.number_to_text(ValueKind.INT, 12.0) == "12"
    assert kinds.number_to_text(ValueKind.FLOAT, 0.1) == "0.1"


def test_every_kind_of_the_catalogue_is_a_rule():
    assert {keyword.kind for keyword in keywords.read_catalogue()} <= set(ValueRule)


def test_a_statistic_is_read_as_its_sensor():
    assert kinds.catalogue_rule("TELEMETRY", "kpfmet.TEMP:stddev") is ValueRule.FLOAT
    assert kinds.catalogue_rule("PRIMARY", "NEVERSEEN") is None


def test_most_values_decide_and_numbers_win_a_draw():
    assert kinds.rule_of_values([1, 2.0, "broken", None, "nan"]) is ValueRule.NUMBER
    assert kinds.rule_of_values(["a", 1]) is ValueRule.NUMBER
    assert kinds.rule_of_values(["a", "b", 1, None, None, None]) is ValueRule.TEXT
    assert kinds.rule_of_values(["2024-01-15T00:00:00", "never"]) is ValueRule.TIME
    assert kinds.rule_of_values(["", None]) is ValueRule.NUMBER
