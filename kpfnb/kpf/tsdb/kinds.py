"""The kinds of values, and how the value of a card becomes a stored one.

The catalogue of KPF's keywords (`kpfnb.kpf.files.keywords`) says how the values of a keyword are
read. A keyword that it does not have is read as most of its values are. A value that can't be read
so is an odd value: null in the column, and kept as text beside it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.keywords import SWITCH_VALUES

_NAN_TEXTS = {"nan", "-nan", "+nan"}
_MAX_EXACT_INTEGER = 2**53
_NUMBER_TEXT = re.compile(r"[+-]?(\d+|(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?)")

_SHORT_SWITCH_VALUES = {"1": 1, "t": 1, "y": 1, "0": 0, "f": 0, "n": 0}
"""KPF's own database takes these too (`normalize_bool_or_none` of v2.12)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?")
_MARKED_HST = re.compile(
    r"(\d{8}T\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d+))? HST"
)
_UNMARKED_HST = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?")
_HST = " HST"
_HST_BEHIND_UTC = 10 * 3_600_000_000
"""Hawaii has no daylight saving time."""


class ValueKind(StrEnum):
    """The kind of a column. Bool, int and float widen in this order."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    """Microseconds since 1970, UTC."""
    TEXT = "text"


KIND_BY_NAME = {str(kind): kind for kind in ValueKind}
"""A look-up takes a third of the time of `ValueKind(name)`, for each of many thousand blocks."""

_NUMERIC = (ValueKind.BOOL, ValueKind.INT, ValueKind.FLOAT)


class ValueClass(StrEnum):
    """Kinds between which values widen. The first wins where two are equally frequent."""

    NUMBER = "number"
    TIME = "time"
    TEXT = "text"


class ValueRule(StrEnum):
    """How the values of a keyword are read: a kind of the catalogue, or `number`."""

    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    TIME = "time"
    HST_TIME = "hst-time"
    FLAG = "flag"
    SWITCH = "switch"
    NUMBER = "number"
    """Of a keyword that is not in the catalogue."""

    @property
    def value_class(self) -> ValueClass:
        """The class of the values."""
        return _RULE_CLASSES.get(self, ValueClass.NUMBER)


_RULE_CLASSES = {
    ValueRule.TEXT: ValueClass.TEXT,
    ValueRule.TIME: ValueClass.TIME,
    ValueRule.HST_TIME: ValueClass.TIME,
}
_CLASS_RULES = {
    ValueClass.NUMBER: ValueRule.NUMBER,
    ValueClass.TIME: ValueRule.TIME,
    ValueClass.TEXT: ValueRule.TEXT,
}
_KIND_CLASSES = {ValueKind.TEXT: ValueClass.TEXT, ValueKind.TIME: ValueClass.TIME}


class StoredValue(NamedTuple):
    """A value as it is stored.

    Attributes
    ----------
    number : of a number or a time; NaN otherwise
    text : of a text; or an odd value in a column of numbers or times
    kind : of the number
    was_text : the card has a text that is a number
    """

    number: float = math.nan
    text: str | None = None
    kind: ValueKind | None = None
    was_text: bool = False


NO_VALUE = StoredValue()


@cache
def catalogue_rule(extension: str, name: str) -> ValueRule | None:
    """How the catalogue says that a keyword is read; None if it does not have it."""
    # A statistic of a sensor is of the sensor's kind: kpfmet.TEMP:stddev
    known = keywords.find_keyword(name.partition(":")[0], extension=extension)
    return ValueRule(known.kind) if known else None


def rule_of_class(value_class: ValueClass) -> ValueRule:
    """How a keyword is read that is not in the catalogue."""
    return _CLASS_RULES[value_class]


def class_of_kind(kind: ValueKind) -> ValueClass:
    """The class of a column."""
    return _KIND_CLASSES.get(kind, ValueClass.NUMBER)


def common_kind(kinds: Iterable[ValueKind]) -> ValueKind | None:
    """The narrowest kind that holds all of them; None if there are none."""
    distinct = set(kinds)
    if len(distinct) <= 1:
        return next(iter(distinct), None)
    if distinct.issubset(_NUMERIC):
        return max(distinct, key=_NUMERIC.index)
    return ValueKind.TEXT


def classify_value(value: HeaderValue) -> ValueClass | None:
    """The class of a value of a card; None where there is no value."""
    if isinstance(value, str):
        return _classify_text(value.strip())
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None:
        return None
    is_number = isinstance(value, float) or (isinstance(value, int) and is_exact(value))
    return ValueClass.NUMBER if is_number else ValueClass.TEXT


@lru_cache(maxsize=50_000)
def _classify_text(text: str) -> ValueClass | None:
    # Most texts of a night's headers are the same in all files
    if _is_blank(text):
        return None
    return ValueClass.TEXT if parse_time(text) is None else ValueClass.TIME


def rule_of_values(values: Sequence[HeaderValue]) -> ValueRule:
    """How a keyword is read that is not in the catalogue: as most of its values are."""
    if set(map(type, values)) == {float}:
        return ValueRule.NUMBER
    return rule_of_class(most_frequent_class(Counter(map(classify_value, values))))


def most_frequent_class(counts: Mapping[ValueClass | None, int]) -> ValueClass:
    """The class of most values; of numbers and texts in equal numbers, numbers."""
    if len(counts) == 1:
        return next(iter(counts)) or ValueClass.NUMBER
    return max(ValueClass, key=lambda value_class: counts.get(value_class, 0))


def classify_stored_text(text: str) -> ValueClass:
    """The class of a text in a column of texts, which may have been a number."""
    if _parse_number(text) is not None:
        return ValueClass.NUMBER
    return ValueClass.TEXT if parse_time(text) is None else ValueClass.TIME


def convert_value(value: HeaderValue, rule: ValueRule) -> StoredValue:
    """A value of a card in its stored form. NaN in any spelling and blank text are no value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NO_VALUE
    if isinstance(value, str):
        text = value.strip()
        return NO_VALUE if _is_blank(text) else _convert_text(text, rule)
    if rule is ValueRule.SWITCH and value in (0, 1):
        return StoredValue(float(bool(value)), kind=ValueKind.BOOL)
    if isinstance(value, bool) and rule in (ValueRule.FLAG, ValueRule.NUMBER):
        return StoredValue(float(value), kind=ValueKind.BOOL)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and rule.value_class is ValueClass.NUMBER and rule is not ValueRule.SWITCH:
        return _convert_number(value)
    return StoredValue(text=_format_value(value))


def _convert_number(value: HeaderValue) -> StoredValue:
    if isinstance(value, int) and is_exact(value):
        return StoredValue(float(value), kind=ValueKind.INT)
    if isinstance(value, float) and math.isfinite(value):
        return StoredValue(value, kind=ValueKind.FLOAT)
    return StoredValue(text=_format_value(value))


def _convert_text(text: str, rule: ValueRule) -> StoredValue:
    if rule is ValueRule.TEXT:
        return StoredValue(text=text)
    if rule.value_class is ValueClass.TIME:
        moment = parse_time(text, unmarked_is_hst=rule is ValueRule.HST_TIME)
        if moment == 0 and (rule is ValueRule.HST_TIME or text.endswith(_HST)):
            # A clock at its zero: KPF writes 19691231T14:00:00 HST for lamps that were never on
            return NO_VALUE
        return (
            StoredValue(text=text) if moment is None else StoredValue(moment, None, ValueKind.TIME)
        )
    if rule in (ValueRule.SWITCH, ValueRule.FLAG):
        word = text.lower()
        state = SWITCH_VALUES.get(word, _SHORT_SWITCH_VALUES.get(word))
        if state is not None:
            was_text = rule is ValueRule.FLAG
            return StoredValue(float(state), None, ValueKind.BOOL, was_text)
    number = None if rule is ValueRule.SWITCH else _parse_number(text)
    if number is None:
        return StoredValue(text=text)
    stored = _convert_number(number)
    return stored._replace(was_text=stored.kind is not None)


def _is_blank(text: str) -> bool:
    return not text or text.lower() in _NAN_TEXTS


def _parse_number(text: str) -> int | float | None:
    match = _NUMBER_TEXT.fullmatch(text)
    if not match:
        return None
    return int(text) if match[2] is None else float(text.upper().replace("D", "E"))


def is_exact(value: int) -> bool:
    """Whether a double holds the integer exactly."""
    return -_MAX_EXACT_INTEGER <= value <= _MAX_EXACT_INTEGER


def is_nan(value: HeaderValue) -> bool:
    """True for NaN, as a number or in any spelling as text."""
    return value != value or (isinstance(value, str) and value.strip().lower() in _NAN_TEXTS)


def _format_value(value: HeaderValue) -> str:
    """A value as the text that a card has for it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value)


def parse_time(text: str, *, unmarked_is_hst: bool = False) -> float | None:
    """A time in microseconds since 1970, UTC; None for any other text.

    Read are ISO 8601, taken as UTC, and the forms of KPF's headers in Hawaii's time:
    20240210T07:00:09 HST.

    unmarked_is_hst : 2024-02-10 14:00:48.675, with a blank and no zone, is Hawaii's time too
    """
    match = _ISO_TIME.fullmatch(text)
    if match:
        return _microseconds(match, 0)
    match = _MARKED_HST.fullmatch(text)
    if not match and unmarked_is_hst:
        match = _UNMARKED_HST.fullmatch(text)
    return _microseconds(match, _HST_BEHIND_UTC) if match else None


def _microseconds(match: re.Match[str], behind_utc: int) -> float | None:
    try:
        seconds = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    fraction = int((match[2] or "")[:6].ljust(6, "0"))
    return float((seconds - _EPOCH) // _MICROSECOND + fraction + behind_utc)


def number_to_text(kind: ValueKind, value: float) -> str:
    """A stored number as text."""
    if kind is ValueKind.BOOL:
        return "T" if value else "F"
    if kind is ValueKind.INT:
        return str(int(value))
    if kind is ValueKind.TIME:
        return (_EPOCH + value * _MICROSECOND).isoformat().removesuffix("+00:00")
    return repr(float(value))
