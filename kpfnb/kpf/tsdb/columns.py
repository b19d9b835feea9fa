"""Columns of the database for a range of nights, read into arrays.

One row an observation, in order of time. Where a night is one chunk, a block goes into its place
as it stands; where it is several, by the places of their observations.
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
from kpfnb.kpf.tsdb import series as packing
from kpfnb.kpf.tsdb.catalogue import KeywordEntry
from kpfnb.kpf.tsdb.chunks import batched
from kpfnb.kpf.tsdb.schema import block_table, chunk_table, part_table
from kpfnb.kpf.tsdb.series import (
    Array,
    PackedSeries,
    Series,
    ValueKind,
    common_kind,
    parse_microseconds,
)

# Conditions on columns: [column, operator, value], decided on arrays; never part of any SQL.

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
    """One condition; a null never fulfils it."""

    column: str
    operator: str
    value: Any

    def matches(self, series: Series) -> Array:
        """The mask of the values that fulfil it.

        Raises
        ------
        InvalidParameterError : the value is not of the column's kind
        """
        if self.operator in _LIST_OPERATORS:
            wanted = [self._convert_value(one, series.kind) for one in self.value]
            found = np.isin(series.values, wanted) if wanted else np.zeros(len(series.values), bool)
            return _known_mask(series) & (found if self.operator == "in" else ~found)
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
                f"condition on {self.column}: {value!r} is no {kind}", _CONDITION_HINT
            )
        return converted


def parse_conditions(given: Sequence[Sequence[Any]] | None) -> list[Condition]:
    """Conditions as they are written; all of them must hold."""
    parsed = []
    for one in given or ():
        if isinstance(one, str) or len(one) != len(Condition._fields):
            raise InvalidParameterError(f"condition {one!r}", _CONDITION_HINT)
        condition = Condition(*one)
        if condition.operator not in OPERATORS:
            known = ", ".join(OPERATORS)
            raise InvalidParameterError(
                f"operator {condition.operator!r} of a condition", f"known: {known}"
            )
        if condition.operator in _LIST_OPERATORS and not isinstance(condition.value, _LIST_TYPES):
            told = f"condition on {condition.column}: {condition.value!r} is no list"
            raise InvalidParameterError(told, "write ['IMTYPE', 'in', ['Bias', 'Dark']]")
        parsed.append(condition)
    return parsed


def _known_mask(series: Series) -> Array:
    if series.kind is ValueKind.TEXT:
        return np.array([value is not None for value in series.values], dtype=bool)
    return ~np.isnan(series.values)


def _to_column_value(value: Any, kind: ValueKind) -> float | str | None:
    """A value as a column of that kind holds it; None where it can't."""
    if kind is ValueKind.TEXT:
        return value if isinstance(value, str) else None
    if kind is ValueKind.TIME:
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return parse_microseconds(text.removesuffix("+00:00"))
    return float(value) if isinstance(value, int | float | np.number) else None


@dataclass
class ChunkSlice:
    """Where the observations of a chunk come to in the whole.

    Attributes
    ----------
    rows : of the whole, for the observations of the chunk that are `alive`
    present : level to its mask, '1101'
    """

    rows: slice | Array
    has_data: Array
    present: Mapping[str, str]

    def copy_values(self, target: Array, packed: PackedSeries, level: str) -> None:
        """Put the values of a level into the whole; a null leaves what is there."""
        mask = packing.parse_mask(self.present.get(level, "0" * self.has_data.size))
        if isinstance(self.rows, slice) and packed.numbers is not None and mask.all():
            found = np.frombuffer(packed.numbers, packing.DOUBLE)
            target[self.rows] = found[0] if found.size == 1 else found
        elif mask.any():
            values = packing.unpack_series(packed, mask).values
            rows = self.rows
            places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            target[places[mask[self.has_data]]] = values[mask]


class ObservationColumns:
    """The observations of a range of nights, and their values by keyword.

    Attributes
    ----------
    obsids : list of ObsIDs
    nights : their nights
    times : their beginnings, us since 1970
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
        """When each observation began, us since 1970."""
        return np.concatenate(self._times) if self._times else np.empty(0)

    @cached_property
    def nights(self) -> Array:
        """The night of each observation."""
        names, counts = zip(*self._nights, strict=True) if self._nights else ((), ())
        return np.repeat(np.array(names, dtype=object), counts)

    def read_series(self, entries: Sequence[KeywordEntry]) -> dict[int, Series]:
        """The values of keywords, by the keyword's number; nulls where there are none."""
        levels = {entry.id: entry.keyword.level for entry in entries}
        blocks = self._read_blocks(self._slices, levels)
        # What repeats an earlier level's values is kept there
        origins = {row.same for row in blocks if row.same is not None}
        chunks_of_same = {row.chunk for row in blocks if row.same is not None}
        held = {(row.chunk, row.keyword): row for row in self._read_blocks(chunks_of_same, origins)}
        found: dict[int, list[tuple[int, PackedSeries]]] = defaultdict(list)
        for row in blocks:
            own = row if row.same is None else held[row.chunk, row.same]
            found[row.keyword].append(
                (row.chunk, PackedSeries(ValueKind(own.kind), own.numbers, own.texts))
            )
        return {entry.id: self._assemble_column(entry, found[entry.id]) for entry in entries}

    def _assemble_column(
        self, entry: KeywordEntry, blocks: Sequence[tuple[int, PackedSeries]]
    ) -> Series:
        size = len(self.obsids)
        kind = common_kind(packed.kind for _, packed in blocks) or entry.kind
        is_text = kind is ValueKind.TEXT
        whole = np.empty(size, dtype=object) if is_text else np.full(size, np.nan)
        for number, packed in blocks:
            place = self._slices[number]
            if is_text and packed.kind is not ValueKind.TEXT:
                packed = _pack_as_text(packed, place.has_data.size)
            place.copy_values(whole, packed, entry.keyword.level)
        return Series(kind, whole)

    def _read_blocks(self, chunks: Iterable[int], keywords: Iterable[int]) -> list[Row[Any]]:
        """The blocks of some keywords, oldest chunk first."""
        wanted = sorted(keywords)
        found: list[Row[Any]] = []
        for some in batched(sorted(chunks)):
            own = block_table.c.chunk.in_(some) & block_table.c.keyword.in_(wanted)
            found += self._connection.execute(select(block_table).where(own)).all()
        return sorted(found, key=attrgetter("chunk"))

    def _add_night(
        self, night: str, rows: Sequence[Row[Any]], present: Mapping[int, Mapping[str, str]]
    ) -> None:
        start = len(self.obsids)
        alive = {row.id: _rows_with_data(present[row.id]) for row in rows}
        if len(rows) == 1 and alive[rows[0].id].all():
            self.obsids += rows[0].obsids.split("\n")
            self._times.append(np.frombuffer(rows[0].times, packing.DOUBLE))
            stop = len(self.obsids)
            place = ChunkSlice(slice(start, stop), alive[rows[0].id], present[rows[0].id])
            self._slices[rows[0].id] = place
        else:
            self._add_mixed_night(start, rows, alive, present)
        self._nights.append((night, len(self.obsids) - start))

    def _add_mixed_night(
        self,
        start: int,
        rows: Sequence[Row[Any]],
        alive: Mapping[int, Array],
        present: Mapping[int, Mapping[str, str]],
    ) -> None:
        """A night of several chunks, or with observations struck out."""
        times: dict[str, float] = {}
        own = {}
        for row in rows:
            mask = alive[row.id]
            names = np.array(row.obsids.split("\n"), dtype=object)[mask]
            own[row.id] = names
            times.update(zip(names, np.frombuffer(row.times, packing.DOUBLE)[mask], strict=True))
        ordered = sorted(times)
        place = {obsid: start + at for at, obsid in enumerate(ordered)}
        self.obsids += ordered
        self._times.append(np.array([times[obsid] for obsid in ordered]))
        for number, names in own.items():
            to = np.array([place[obsid] for obsid in names], dtype=np.intp)
            self._slices[number] = ChunkSlice(to, alive[number], present[number])


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
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for number, level, present in connection.execute(query):
        found[number][level] = present
    return found


def _rows_with_data(present: Mapping[str, str]) -> Array:
    return np.logical_or.reduce([packing.parse_mask(rows) for rows in present.values()])


def _pack_as_text(packed: PackedSeries, size: int) -> PackedSeries:
    everywhere = np.ones(size, dtype=bool)
    return packing.pack_series(packing.unpack_series(packed, everywhere).as_text(), everywhere)
