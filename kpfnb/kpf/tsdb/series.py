"""A series: the values of one keyword, their kind, and how they are packed for the database.

A kind widens when a new file brings a number of another kind. A packed series holds numbers as
big-endian doubles (NaN for null) and texts as a JSON array. Where all observations that have the
level have the same value, it is stored once: one double, or one JSON text. The odd values of a
series of numbers or times (`kpfnb.kpf.tsdb.kinds`) are texts beside its numbers. The views of
`kpfnb.kpf.tsdb.schema` unpack all in plain SQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.tsdb.kinds import (
    StoredValue,
    ValueClass,
    ValueKind,
    ValueRule,
    common_kind,
    convert_value,
    is_exact,
    is_nan,
    number_to_text,
)

DOUBLE = np.dtype(">f8")

Array = np.ndarray
"""Values of a series: float64 with NaN for null, or objects that are text or None."""


class Series(NamedTuple):
    """The values of one keyword, one per observation.

    Attributes
    ----------
    odd : texts that are not of the kind, None elsewhere; None if there are none
    """

    kind: ValueKind
    values: Array
    odd: Array | None = None

    def as_text(self) -> Series:
        """This series with its values as text."""
        if self.kind is ValueKind.TEXT:
            return self
        texts = np.empty(self.values.size, dtype=object) if self.odd is None else self.odd.copy()
        for row in np.flatnonzero(~np.isnan(self.values)):
            texts[row] = number_to_text(self.kind, self.values[row])
        return Series(ValueKind.TEXT, texts)

    def equals(self, other: Series, rows: Array) -> bool:
        """True if both series have the same values in the rows of a mask."""
        if self.kind is not other.kind:
            return False
        mine, others = self.values[rows], other.values[rows]
        if not np.array_equal(mine, others, equal_nan=self.kind is not ValueKind.TEXT):
            return False
        if self.odd is None and other.odd is None:
            return True
        return np.array_equal(self.odd_texts()[rows], other.odd_texts()[rows])

    def odd_texts(self) -> Array:
        """The odd values, None elsewhere."""
        return np.empty(self.values.size, dtype=object) if self.odd is None else self.odd

    def select(self, rows: Array) -> Series:
        """The values in the rows of a mask."""
        return Series(self.kind, self.values[rows], None if self.odd is None else self.odd[rows])


class PackedSeries(NamedTuple):
    """A series in its stored form; texts beside numbers are odd values."""

    kind: ValueKind
    numbers: bytes | None
    texts: str | None


class GatheredSeries(NamedTuple):
    """A series of values of cards.

    Attributes
    ----------
    text_rows : where the files have a number as text
    """

    series: Series
    text_rows: list[int]


def gather_series(
    rows: Sequence[int], values: Sequence[HeaderValue], size: int, rule: ValueRule
) -> GatheredSeries | None:
    """The series of values that a keyword has in the given rows; None if all are blank."""
    types = set(map(type, values))
    column = _numbers_of_one_type(values, types, rule)
    if column is not None:
        numbers = np.full(size, np.nan)
        numbers[list(rows)] = column
        kind = ValueKind.INT if types == {int} and rule is not ValueRule.FLOAT else ValueKind.FLOAT
        return GatheredSeries(Series(kind, numbers), [])
    stored = _convert_values(values, types, rule)
    if all(value.kind is None and value.text is None for value in stored):
        # A sensor without any reading still holds numbers
        is_sensor = rule.value_class is ValueClass.NUMBER and any(map(is_nan, values))
        nulls = Series(ValueKind.FLOAT, np.full(size, np.nan))
        return GatheredSeries(nulls, []) if is_sensor else None
    texts = None
    if any(value.text is not None for value in stored):
        texts = np.empty(size, dtype=object)
        texts[list(rows)] = [value.text for value in stored]
    if rule is ValueRule.TEXT:
        assert texts is not None
        return GatheredSeries(Series(ValueKind.TEXT, texts), [])
    numbers = np.full(size, np.nan)
    numbers[list(rows)] = [value.number for value in stored]
    kind = column_kind(rule, {value.kind for value in stored if value.kind})
    text_rows = [row for row, value in zip(rows, stored, strict=True) if value.was_text]
    return GatheredSeries(Series(kind, numbers, texts), text_rows)


def _numbers_of_one_type(
    values: Sequence[HeaderValue], types: set[type], rule: ValueRule
) -> Array | None:
    """The values as doubles if no single one needs a look: most keywords are such."""
    if types == {float} and rule in (ValueRule.FLOAT, ValueRule.NUMBER):
        column = np.array(values, dtype=np.float64)
        return None if np.isinf(column).any() else column
    numeric = (ValueRule.INT, ValueRule.FLOAT, ValueRule.FLAG, ValueRule.NUMBER)
    if types == {int} and rule in numeric and all(map(is_exact, values)):  # type: ignore[arg-type]
        return np.array(values, dtype=np.float64)
    return None


def _convert_values(
    values: Sequence[HeaderValue], types: set[type], rule: ValueRule
) -> list[StoredValue]:
    if types == {str}:
        # Few of a night's texts differ
        converted = {value: convert_value(value, rule) for value in set(values)}
        return [converted[value] for value in values]
    return [convert_value(value, rule) for value in values]


def column_kind(rule: ValueRule, kinds: set[ValueKind]) -> ValueKind:
    """The kind of a column that has values of some kinds, which are of the rule's class."""
    if rule.value_class is not ValueClass.NUMBER:
        return ValueKind(rule.value_class)
    if rule is ValueRule.FLOAT:
        return ValueKind.FLOAT
    if rule in (ValueRule.INT, ValueRule.FLAG):
        return common_kind({ValueKind.INT, *kinds}) or ValueKind.INT
    return common_kind(kinds) or (ValueKind.BOOL if rule is ValueRule.SWITCH else ValueKind.FLOAT)


def regather_series(series: Series, rule: ValueRule) -> GatheredSeries:
    """A stored series as if its values had been read by another rule."""
    rows = np.flatnonzero([value is not None for value in series.as_text().values])
    values = [_card_value(series, row) for row in rows.tolist()]
    gathered = gather_series(rows.tolist(), values, series.values.size, rule)
    if gathered is None:
        is_text = rule is ValueRule.TEXT
        size = series.values.size
        empty = np.empty(size, dtype=object) if is_text else np.full(size, np.nan)
        return GatheredSeries(Series(column_kind(rule, set()), empty), [])
    return gathered


def _card_value(series: Series, row: int) -> HeaderValue:
    """A stored value as a card would have it."""
    value = series.values[row]
    if series.kind is ValueKind.TEXT:
        return str(value)
    if np.isnan(value):
        return str(series.odd_texts()[row])
    if series.kind is ValueKind.TIME:
        return number_to_text(series.kind, value)
    return {ValueKind.BOOL: bool, ValueKind.INT: int}.get(series.kind, float)(value)


def join_series(parts: Sequence[tuple[Series, Array]], size: int) -> Series:
    """Join series into one of `size` rows; each comes with its target rows, later ones win."""
    kind = common_kind(series.kind for series, _ in parts)
    assert kind is not None
    if kind is ValueKind.TEXT:
        joined = Series(kind, np.empty(size, dtype=object))
        parts = [(series.as_text(), rows) for series, rows in parts]
    else:
        has_odd = any(series.odd is not None for series, _ in parts)
        joined = Series(
            kind, np.full(size, np.nan), np.empty(size, dtype=object) if has_odd else None
        )
    for series, rows in parts:
        joined.values[rows] = series.values
        if joined.odd is not None:
            joined.odd[rows] = series.odd_texts()
    return joined


def pack_series(series: Series, present: Array) -> PackedSeries:
    """Pack a series; `present` is the mask of the observations that have its level."""
    kind, values, odd = series
    if kind is ValueKind.TEXT:
        return PackedSeries(kind, None, _pack_texts(values, present))
    selected = values[present]
    constant = len(selected) > 0 and bool(
        (selected == selected[0]).all() or np.isnan(selected).all()
    )
    stored = selected[:1] if constant else values
    has_odd = odd is not None and any(text is not None for text in odd[present])
    texts = _pack_texts(odd, present) if odd is not None and has_odd else None
    return PackedSeries(kind, stored.astype(DOUBLE).tobytes(), texts)


def _pack_texts(texts: Array, present: Array) -> str:
    selected = texts[present]
    constant = len(selected) > 0 and selected[0] is not None and all(selected == selected[0])
    return _compact_json(selected[0] if constant else texts.tolist())


def unpack_series(packed: PackedSeries, present: Array) -> Series:
    """Unpack a series; rows that are not present are null."""
    kind, numbers, texts = packed
    column = None if texts is None else _unpack_texts(texts, present)
    if numbers is None:
        assert column is not None
        return Series(kind, column)
    doubles = np.frombuffer(numbers, DOUBLE)
    if doubles.size == 1:
        return Series(kind, np.where(present, doubles[0], np.nan), column)
    return Series(kind, doubles.astype(np.float64), column)


def _unpack_texts(texts: str, present: Array) -> Array:
    parsed = json.loads(texts)
    column = np.empty(present.size, dtype=object)
    if isinstance(parsed, str):
        column[present] = parsed
    else:
        column[:] = parsed
    return column


def parse_mask(present: str) -> Array:
    """A text such as '1101' as a boolean mask."""
    return np.frombuffer(present.encode("ascii"), np.uint8) == ord("1")


def format_mask(rows: Array) -> str:
    """A boolean mask as a text such as '1101'."""
    return np.where(rows, b"1", b"0").tobytes().decode("ascii")


def _compact_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
