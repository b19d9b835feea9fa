"""What kind of value a keyword has, and how a kind widens when a new file brings another one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kpfnb.fitscards import Value

Scalar = float | str | None
"""A value as it is stored: bool, int, float and time as a number; null where nothing is known."""


class Kind(StrEnum):
    """The kind of a value; bool, int and float widen in this order, any other mixture to text."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    """Microseconds since 1970, UTC."""
    TEXT = "text"


_NUMERIC = (Kind.BOOL, Kind.INT, Kind.FLOAT)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_A_NUMBER = {"nan", "-nan", "+nan"}
_MOST_EXACT = 2**53


def widest(kinds: Iterable[Kind]) -> Kind | None:
    """The kind that holds them all; None for none at all."""
    found = set(kinds)
    if len(found) <= 1:
        return next(iter(found), None)
    if found.issubset(_NUMERIC):
        return max(found, key=_NUMERIC.index)
    return Kind.TEXT


def classify(value: Value) -> tuple[Kind | None, Scalar]:
    """The kind of a header's value and how it is stored; no kind for what is no value.

    NaN, however it is written, and a blank text are no values.
    """
    if isinstance(value, bool):
        return Kind.BOOL, float(value)
    if isinstance(value, int):
        exact = -_MOST_EXACT <= value <= _MOST_EXACT
        return (Kind.INT, float(value)) if exact else (Kind.TEXT, str(value))
    if isinstance(value, float):
        return (None, None) if math.isnan(value) else (Kind.FLOAT, value)
    if value is None:
        return None, None
    text = str(value).strip()
    if not text or text.lower() in _NOT_A_NUMBER:
        return None, None
    moment = microseconds(text)
    return (Kind.TEXT, text) if moment is None else (Kind.TIME, moment)


def is_nan(value: Value) -> bool:
    """True for a number that is none, however it is written."""
    return value != value or (isinstance(value, str) and value.strip().lower() in _NOT_A_NUMBER)


def number(text: str) -> Value:
    """A number that is written as a text, where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def microseconds(text: str) -> float | None:
    """An ISO 8601 time, taken as UTC, in microseconds since 1970; None where it is none."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    try:
        seconds = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return float((seconds - _EPOCH) // _MICROSECOND + int((match[2] or "").ljust(6, "0")))


def text_of(kind: Kind, value: float) -> str:
    """A number as a text, when its keyword has widened to texts."""
    if kind is Kind.BOOL:
        return "T" if value else "F"
    if kind is Kind.INT:
        return str(int(value))
    if kind is Kind.TIME:
        return (_EPOCH + value * _MICROSECOND).isoformat().removesuffix("+00:00")
    return repr(float(value))
