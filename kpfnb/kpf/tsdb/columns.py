"""Columns of the database for a range of nights, read into arrays, and conditions on them.

There is one row per observation, in order of time. If a night is one chunk, its blocks are copied
as a whole; if it has several, value by value. Conditions are evaluated on the arrays and never
become part of any SQL.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, select

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.tsdb.catalogue import KeywordEntry
from kpfnb.kpf.tsdb.chunks import batched
from kpfnb.kpf.tsdb.kinds import KIND_BY_NAME, ValueKind, ValueRule, convert_value, parse_time
from kpfnb.kpf.tsdb.schema import block_table, chunk_table, part_table
from kpfnb.kpf.tsdb.series import (
    DOUBLE,
    Array,
    PackedSeries,
    Series,
    parse_mask,
    unpack_series,
)

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LIST_OPERATORS = ("in", "not in")
_LIST_TYPES = (list, tuple, set, frozenset, np.ndarray)
OPERATORS = (*_COMPARISONS, "!=", *_LIST_OPERATORS)

_CONDITION_HINT = "write conditions as [column, operator, value], such as ['AIRMASS', '<', 1.5]"


class Condition(NamedTuple):
    """One condition on a column. A null value never matches."""

    column: str
    operator: str
    value: Any

    def matches(self, series: Series) -> Array:
        """The mask of the values that match.

        Raises
        ------
        InvalidParameterError : the value of the condition is not of the column's kind
        """
        if self.operator in _LIST_OPERATORS:
            wanted = [self._convert_value(value, series.kind) for value in self.value]
            in_list = (
                np.isin(series.values, wanted) if wanted else np.zeros(len(series.values), bool)
            )
            return _known_mask(series) & (in_list if self.operator == "in" else ~in_list)
        value = self._convert_value(self.value, series.kind)
        known = _known_mask(series)
        mask = np.zeros(known.size, dtype=bool)
        compare = _COMPARISONS.get(self.operator, operator.ne)
        mask[known] = compare(series.values[known], value)
        return mask

    def _convert_value(self, value: Any, kind: ValueKind) -> Any:
        converted = _to_column_value(value, kind)
        if converted is None:
            raise InvalidParameterError(
                f"condition on {self.column}: {value!r} is not of kind {kind}", _CONDITION_HINT
            )
        return converted


def parse_conditions(conditions: Sequence[Sequence[Any]] | None) -> list[Condition]:
    """Parse conditions [column, operator, value]; all of them must hold."""
    parsed = []
    for item in conditions or ():
        if isinstance(item, str) or len(item) != len(Condition._fields):
            raise InvalidParameterError(f"condition {item!r}", _CONDITION_HINT)
        condition = Condition(*item)
        if condition.operator not in OPERATORS:
            known = ", ".join(OPERATORS)
            raise InvalidParameterError(
                f"operator {condition.operator!r} of a condition", f"known: {known}"
            )
        if condition.operator in _LIST_OPERATORS and not isinstance(condition.value, _LIST_TYPES):
            message = f"condition on {condition.column}: {condition.value!r} is not a list"
            raise InvalidParameterError(message, "write ['IMTYPE', 'in', ['Bias', 'Dark']]")
        parsed.append(condition)
    return parsed


def _known_mask(series: Series) -> Array:
    if series.kind is ValueKind.TEXT:
        return np.array([value is not None for value in series.values], dtype=bool)
    return ~np.isnan(series.values)


def _to_column_value(value: Any, kind: ValueKind) -> float | str | None:
    """A value in the stored form of a kind; None if it is not of that kind."""
    if kind is ValueKind.TEXT:
        return value if isinstance(value, str) else None
    if kind is ValueKind.TIME:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return parse_time(text.removesuffix("+00:00"))
    if kind is ValueKind.BOOL and isinstance(value, str):
        # The words that the files have: GREEN == YES
        stored = convert_value(value, ValueRule.SWITCH)
        return stored.number if stored.kind else None
    return float(value) if isinstance(value, int | float | np.number) else None


@dataclass
class ChunkSlice:
    """Where the observations of a chunk are in the columns.

    Attributes
    ----------
    rows : of the columns, for the observations of the chunk that have data
    has_data : mask of the observations of the chunk that have any level
    present : level to the mask of the observations that have it, such as '1101'
    """

    rows: slice | Array
    has_data: Array
    present: Mapping[str, str]

    def copy_values(self, target: Array, packed: PackedSeries, level: str) -> None:
        """Copy the values of a level into a column; rows without the level are unchanged."""
        mask = parse_mask(self.present.get(level, "0" * self.has_data.size))
        if isinstance(self.rows, slice) and packed.numbers is not None and mask.all():
            numbers = np.frombuffer(packed.numbers, DOUBLE)
            target[self.rows] = numbers[0] if numbers.size == 1 else numbers
        elif mask.any():
            values = unpack_series(packed, mask).values
            rows = self.rows
            places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            target[places[mask[self.has_data]]] = values[mask]


class ObservationColumns:
    """The observations of a range of nights, and their values by keyword.

    Attributes
    ----------
    obsids : one per row, in order of time
    nights : the night of each row
    times : the start of each row, microseconds since 1970
    """

    def __init__(self, connection: Connection, low: str, high: str) -> None:
        self._connection = connection
        self._slices: dict[int, ChunkSlice] = {}
        self.obsids: list[str] = []
        self._times: list[Array] = []
        self._nights: list[tuple[str, int]] = []
        condition = _night_range(low, high)
        present = _read_parts(connection, condition)
        query = select(chunk_table).where(condition).order_by(chunk_table.c.night, chunk_table.c.id)
        for night, rows in groupby(connection.execute(query), key=attrgetter("night")):
            self._add_night(night, list(rows), present)

    @cached_property
    def times(self) -> Array:
        """The start of each observation, microseconds since 1970."""
        return np.concatenate(self._times) if self._times else np.empty(0)

    @cached_property
    def nights(self) -> Array:
        """The night of each observation."""
        names, counts = zip(*self._nights, strict=True) if self._nights else ((), ())
        return np.repeat(np.array(names, dtype=object), counts)

    def read_series(self, entries: Sequence[KeywordEntry]) -> dict[int, Series]:
        """The values of keywords by catalogue id; null where an observation has no value."""
        levels = {entry.id: entry.keyword.level for entry in entries}
        blocks = self._read_blocks(self._slices, levels)
        # A block that repeats an earlier level refers to it
        origins = {row.same for row in blocks if row.same is not None}
        chunks_of_same = {row.chunk for row in blocks if row.same is not None}
        origin_blocks = {
            (row.chunk, row.keyword): row for row in self._read_blocks(chunks_of_same, origins)
        }
        packed_by_keyword: dict[int, list[tuple[int, PackedSeries]]] = defaultdict(list)
        for row in blocks:
            source = row if row.same is None else origin_blocks[row.chunk, row.same]
            packed_by_keyword[row.keyword].append(
                (row.chunk, PackedSeries(KIND_BY_NAME[source.kind], source.numbers, source.texts))
            )
        return {
            entry.id: self._assemble_column(entry, packed_by_keyword[entry.id]) for entry in entries
        }

    def _assemble_column(
        self, entry: KeywordEntry, blocks: Sequence[tuple[int, PackedSeries]]
    ) -> Series:
        size = len(self.obsids)
        is_text = entry.kind is ValueKind.TEXT
        values = np.empty(size, dtype=object) if is_text else np.full(size, np.nan)
        for number, packed in blocks:
            self._slices[number].copy_values(values, packed, entry.keyword.level)
        return Series(entry.kind, values)

    def _read_blocks(self, chunks: Iterable[int], keywords: Iterable[int]) -> list[Row[Any]]:
        """The blocks of keywords in chunks, oldest chunk first."""
        wanted = sorted(keywords)
        blocks: list[Row[Any]] = []
        for chunk_ids in batched(sorted(chunks)):
            condition = block_table.c.chunk.in_(chunk_ids) & block_table.c.keyword.in_(wanted)
            blocks += self._connection.execute(select(block_table).where(condition)).all()
        return sorted(blocks, key=attrgetter("chunk"))

    def _add_night(
        self, night: str, rows: Sequence[Row[Any]], present: Mapping[int, Mapping[str, str]]
    ) -> None:
        start = len(self.obsids)
        has_data = {row.id: _rows_with_data(present[row.id]) for row in rows}
        if len(rows) == 1 and has_data[rows[0].id].all():
            self.obsids += rows[0].obsids.split("\n")
            self._times.append(np.frombuffer(rows[0].times, DOUBLE))
            stop = len(self.obsids)
            chunk_slice = ChunkSlice(slice(start, stop), has_data[rows[0].id], present[rows[0].id])
            self._slices[rows[0].id] = chunk_slice
        else:
            self._add_mixed_night(start, rows, has_data, present)
        self._nights.append((night, len(self.obsids) - start))

    def _add_mixed_night(
        self,
        start: int,
        rows: Sequence[Row[Any]],
        has_data: Mapping[int, Array],
        present: Mapping[int, Mapping[str, str]],
    ) -> None:
        """Add a night of several chunks, or one from which observations were removed."""
        times: dict[str, float] = {}
        obsids_by_chunk = {}
        for row in rows:
            mask = has_data[row.id]
            obsids = np.array(row.obsids.split("\n"), dtype=object)[mask]
            obsids_by_chunk[row.id] = obsids
            times.update(zip(obsids, np.frombuffer(row.times, DOUBLE)[mask], strict=True))
        ordered = sorted(times)
        places = {obsid: start + at for at, obsid in enumerate(ordered)}
        self.obsids += ordered
        self._times.append(np.array([times[obsid] for obsid in ordered]))
        for number, obsids in obsids_by_chunk.items():
            rows_in_table = np.array([places[obsid] for obsid in obsids], dtype=np.intp)
            self._slices[number] = ChunkSlice(rows_in_table, has_data[number], present[number])


def _night_range(low: str, high: str) -> ColumnElement[bool]:
    return chunk_table.c.night.between(low or "0", high or "9")


def _read_parts(
    connection: Connection, condition: ColumnElement[bool]
) -> dict[int, dict[str, str]]:
    query = (
        select(part_table)
        .join(chunk_table, chunk_table.c.id == part_table.c.chunk)
        .where(condition)
    )
    parts: dict[int, dict[str, str]] = defaultdict(dict)
    for number, level, present in connection.execute(query):
        parts[number][level] = present
    return parts


def _rows_with_data(present: Mapping[str, str]) -> Array:
    return np.logical_or.reduce([parse_mask(rows) for rows in present.values()])
