"""The values of one keyword for the observations of a chunk, packed.

Numbers are big-endian doubles, NaN for null; texts a JSON array. Where all observations that have
the level have the same value, it is kept once: one double, or one JSON text. What is packed so can
be unpacked by plain SQL (`kpfnb.kpf.tsdb.schema`).
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

# What kind of value a keyword has, and how a kind widens when a new file brings another one.

StoredValue = float | str | None
"""A value as it is stored: bool, int, float and time as a number; null where nothing is known."""


class ValueKind(StrEnum):
    """The kind of a value; bool, int and float widen in this order, any other mixture to text."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    """Microseconds since 1970, UTC."""
    TEXT = "text"


_NUMERIC = (ValueKind.BOOL, ValueKind.INT, ValueKind.FLOAT)
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAN_TEXTS = {"nan", "-nan", "+nan"}
_MAX_EXACT_INTEGER = 2**53


def common_kind(kinds: Iterable[ValueKind]) -> ValueKind | None:
    """The kind that holds them all; None for none at all."""
    found = set(kinds)
    if len(found) <= 1:
        return next(iter(found), None)
    if found.issubset(_NUMERIC):
        return max(found, key=_NUMERIC.index)
    return ValueKind.TEXT


def classify_value(value: HeaderValue) -> tuple[ValueKind | None, StoredValue]:
    """The kind of a header's value and how it is stored; no kind for what is no value.

    NaN, however it is written, and a blank text are no values.
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
    """True for a number that is none, however it is written."""
    return value != value or (isinstance(value, str) and value.strip().lower() in _NAN_TEXTS)


def parse_number(text: str) -> HeaderValue:
    """A number that is written as a text, where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def parse_microseconds(text: str) -> float | None:
    """An ISO 8601 time, taken as UTC, in microseconds since 1970; None where it is none."""
    match = _ISO_TIME.fullmatch(text)
    if not match:
        return None
    try:
        seconds = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return float((seconds - _EPOCH) // _MICROSECOND + int((match[2] or "").ljust(6, "0")))


def number_to_text(kind: ValueKind, value: float) -> str:
    """A number as a text, when its keyword has widened to texts."""
    if kind is ValueKind.BOOL:
        return "T" if value else "F"
    if kind is ValueKind.INT:
        return str(int(value))
    if kind is ValueKind.TIME:
        return (_EPOCH + value * _MICROSECOND).isoformat().removesuffix("+00:00")
    return repr(float(value))


DOUBLE = np.dtype(">f8")

Array = np.ndarray
"""float64 with NaN for null; or objects, text or None."""


class Series(NamedTuple):
    """The values of one keyword, one for each observation."""

    kind: ValueKind
    values: Array

    def as_text(self) -> Series:
        """The same values as texts."""
        if self.kind is ValueKind.TEXT:
            return self
        texts = np.empty(self.values.size, dtype=object)
        for row in np.flatnonzero(~np.isnan(self.values)):
            texts[row] = number_to_text(self.kind, self.values[row])
        return Series(ValueKind.TEXT, texts)

    def equals(self, other: Series, rows: Array) -> bool:
        """True where both have the same values in those rows (a mask)."""
        if self.kind is not other.kind:
            return False
        mine, others = self.values[rows], other.values[rows]
        return np.array_equal(mine, others, equal_nan=self.kind is not ValueKind.TEXT)


class PackedSeries(NamedTuple):
    """A series as it is stored; one of `numbers` and `texts` is None."""

    kind: ValueKind
    numbers: bytes | None
    texts: str | None


def gather_series(rows: Sequence[int], values: Sequence[HeaderValue], size: int) -> Series | None:
    """The series of the values that a keyword has in some rows; None where all are blank."""
    types = set(map(type, values))
    if types == {float}:
        column = np.full(size, np.nan)
        column[list(rows)] = values
        return Series(ValueKind.FLOAT, column)
    found = [classify_value(value) for value in values]
    kind = common_kind(kind for kind, _ in found if kind is not None)
    if kind is None:
        # A number that has never been read is a number all the same
        return Series(ValueKind.FLOAT, np.full(size, np.nan)) if any(map(is_nan, values)) else None
    if kind is ValueKind.TEXT:
        texts = np.empty(size, dtype=object)
        for row, (own, value) in zip(rows, found, strict=True):
            texts[row] = number_to_text(own, value) if own and isinstance(value, float) else value
        return Series(kind, texts)
    column = np.full(size, np.nan)
    column[list(rows)] = [np.nan if value is None else value for _, value in found]
    return Series(kind, column)


def join_series(parts: Sequence[tuple[Series, Array]], size: int) -> Series:
    """One series of several, each with the rows its values come to; a later one wins."""
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
    own = values[present]
    if kind is ValueKind.TEXT:
        constant = len(own) > 0 and own[0] is not None and all(own == own[0])
        return PackedSeries(kind, None, _compact_json(own[0] if constant else values.tolist()))
    constant = len(own) > 0 and bool((own == own[0]).all() or np.isnan(own).all())
    kept = own[:1] if constant else values
    return PackedSeries(kind, kept.astype(DOUBLE).tobytes(), None)


def unpack_series(packed: PackedSeries, present: Array) -> Series:
    """The series that was packed; what is not present is null."""
    kind, numbers, texts = packed
    if numbers is not None:
        found = np.frombuffer(numbers, DOUBLE)
        if found.size == 1:
            return Series(kind, np.where(present, found[0], np.nan))
        return Series(kind, found.astype(np.float64))
    found_texts = json.loads(str(texts))
    column = np.empty(present.size, dtype=object)
    if isinstance(found_texts, str):
        column[present] = found_texts
    else:
        column[:] = found_texts
    return Series(kind, column)


def parse_mask(present: str) -> Array:
    """'1101' as a mask."""
    return np.frombuffer(present.encode("ascii"), np.uint8) == ord("1")


def format_mask(rows: Array) -> str:
    """A mask as '1101'."""
    return np.where(rows, b"1", b"0").tobytes().decode("ascii")


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
