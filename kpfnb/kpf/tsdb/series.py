"""A series: the values of one keyword, their kind, and how they are packed for the database.

A kind widens when a new file brings a value of another kind. A packed series holds numbers as
big-endian doubles (NaN for null) and texts as a JSON array. Where all observations that have the
level have the same value, it is stored once: one double, or one JSON text. The views of
`kpfnb.kpf.tsdb.schema` unpack it in plain SQL.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from kpfnb.core.fits.cards import HeaderValue

StoredValue = float | str | None
"""A stored value: bool, int, float and time as a number; None where there is no value."""

_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAN_TEXTS = {"nan", "-nan", "+nan"}
_MAX_EXACT_INTEGER = 2**53

DOUBLE = np.dtype(">f8")

Array = np.ndarray
"""Values of a series: float64 with NaN for null, or objects that are text or None."""


class ValueKind(StrEnum):
    """The kind of a value. Bool, int and float widen in this order, any other mixture to text."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    """Microseconds since 1970, UTC."""
    TEXT = "text"


_NUMERIC = (ValueKind.BOOL, ValueKind.INT, ValueKind.FLOAT)


def common_kind(kinds: Iterable[ValueKind]) -> ValueKind | None:
    """The narrowest kind that holds all of them; None if there are none."""
    distinct = set(kinds)
    if len(distinct) <= 1:
        return next(iter(distinct), None)
    if distinct.issubset(_NUMERIC):
        return max(distinct, key=_NUMERIC.index)
    return ValueKind.TEXT


def classify_value(value: HeaderValue) -> tuple[ValueKind | None, StoredValue]:
    """The kind of a header value and its stored form; (None, None) where there is no value.

    NaN in any spelling and blank text count as no value.
    """
    if isinstance(value, bool):
        return ValueKind.BOOL, float(value)
    if isinstance(value, int):
        exact = -_MAX_EXACT_INTEGER <= value <= _MAX_EXACT_INTEGER
        return (ValueKind.INT, float(value)) if exact else (ValueKind.TEXT, str(value))
    if isinstance(value, float):
        return (None, None) if math.isnan(value) else (ValueKind.FLOAT, value)
    if value is None:
        return None, None
    text = str(value).strip()
    if not text or text.lower() in _NAN_TEXTS:
        return None, None
    moment = parse_microseconds(text)
    return (ValueKind.TEXT, text) if moment is None else (ValueKind.TIME, moment)


def is_nan(value: HeaderValue) -> bool:
    """True for NaN, as a number or in any spelling as text."""
    return value != value or (isinstance(value, str) and value.strip().lower() in _NAN_TEXTS)


def parse_number(text: str) -> HeaderValue:
    """Text as a number; the text itself if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return text


def parse_microseconds(text: str) -> float | None:
    """An ISO 8601 time, taken as UTC, in microseconds since 1970; None for any other text."""
    match = _ISO_TIME.fullmatch(text)
    if not match:
        return None
    try:
        seconds = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return float((seconds - _EPOCH) // _MICROSECOND + int((match[2] or "").ljust(6, "0")))


def number_to_text(kind: ValueKind, value: float) -> str:
    """A stored number as text, for a keyword whose kind has widened to text."""
    if kind is ValueKind.BOOL:
        return "T" if value else "F"
    if kind is ValueKind.INT:
        return str(int(value))
    if kind is ValueKind.TIME:
        return (_EPOCH + value * _MICROSECOND).isoformat().removesuffix("+00:00")
    return repr(float(value))


class Series(NamedTuple):
    """The values of one keyword, one per observation."""

    kind: ValueKind
    values: Array

    def as_text(self) -> Series:
        """This series with its values as text."""
        if self.kind is ValueKind.TEXT:
            return self
        texts = np.empty(self.values.size, dtype=object)
        for row in np.flatnonzero(~np.isnan(self.values)):
            texts[row] = number_to_text(self.kind, self.values[row])
        return Series(ValueKind.TEXT, texts)

    def equals(self, other: Series, rows: Array) -> bool:
        """True if both series have the same values in the rows of a mask."""
        if self.kind is not other.kind:
            return False
        mine, others = self.values[rows], other.values[rows]
        return np.array_equal(mine, others, equal_nan=self.kind is not ValueKind.TEXT)


class PackedSeries(NamedTuple):
    """A series in its stored form; either `numbers` or `texts` is None."""

    kind: ValueKind
    numbers: bytes | None
    texts: str | None


def gather_series(rows: Sequence[int], values: Sequence[HeaderValue], size: int) -> Series | None:
    """The series of values that a keyword has in the given rows; None if all are blank."""
    types = set(map(type, values))
    if types == {float}:
        column = np.full(size, np.nan)
        column[list(rows)] = values
        return Series(ValueKind.FLOAT, column)
    classified = [classify_value(value) for value in values]
    kind = common_kind(kind for kind, _ in classified if kind is not None)
    if kind is None:
        # A sensor without any reading still holds numbers
        return Series(ValueKind.FLOAT, np.full(size, np.nan)) if any(map(is_nan, values)) else None
    if kind is ValueKind.TEXT:
        texts = np.empty(size, dtype=object)
        for row, (value_kind, value) in zip(rows, classified, strict=True):
            texts[row] = (
                number_to_text(value_kind, value)
                if value_kind and isinstance(value, float)
                else value
            )
        return Series(kind, texts)
    column = np.full(size, np.nan)
    column[list(rows)] = [np.nan if value is None else value for _, value in classified]
    return Series(kind, column)


def join_series(parts: Sequence[tuple[Series, Array]], size: int) -> Series:
    """Join series into one of `size` rows; each comes with its target rows, later ones win."""
    kind = common_kind(series.kind for series, _ in parts)
    assert kind is not None
    if kind is ValueKind.TEXT:
        joined = Series(kind, np.empty(size, dtype=object))
        parts = [(series.as_text(), rows) for series, rows in parts]
    else:
        joined = Series(kind, np.full(size, np.nan))
    for series, rows in parts:
        joined.values[rows] = series.values
    return joined


def pack_series(series: Series, present: Array) -> PackedSeries:
    """Pack a series; `present` is the mask of the observations that have its level."""
    kind, values = series
    selected = values[present]
    if kind is ValueKind.TEXT:
        constant = len(selected) > 0 and selected[0] is not None and all(selected == selected[0])
        return PackedSeries(kind, None, _compact_json(selected[0] if constant else values.tolist()))
    constant = len(selected) > 0 and bool(
        (selected == selected[0]).all() or np.isnan(selected).all()
    )
    stored = selected[:1] if constant else values
    return PackedSeries(kind, stored.astype(DOUBLE).tobytes(), None)


def unpack_series(packed: PackedSeries, present: Array) -> Series:
    """Unpack a series; rows that are not present are null."""
    kind, numbers, texts = packed
    if numbers is not None:
        doubles = np.frombuffer(numbers, DOUBLE)
        if doubles.size == 1:
            return Series(kind, np.where(present, doubles[0], np.nan))
        return Series(kind, doubles.astype(np.float64))
    parsed = json.loads(str(texts))
    column = np.empty(present.size, dtype=object)
    if isinstance(parsed, str):
        column[present] = parsed
    else:
        column[:] = parsed
    return Series(kind, column)


def parse_mask(present: str) -> Array:
    """A text such as '1101' as a boolean mask."""
    return np.frombuffer(present.encode("ascii"), np.uint8) == ord("1")


def format_mask(rows: Array) -> str:
    """A boolean mask as a text such as '1101'."""
    return np.where(rows, b"1", b"0").tobytes().decode("ascii")


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
