"""Columns of the database for a range of nights, read into arrays.

One row an observation, in order of time. Where a night is one chunk, a block goes into its place
as it stands; where it is several, by the places of their observations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, select

from kpfnb.kpf.tsdb import packing
from kpfnb.kpf.tsdb.catalogue import Entry
from kpfnb.kpf.tsdb.chunks import portions
from kpfnb.kpf.tsdb.kinds import Kind, widest
from kpfnb.kpf.tsdb.layout import block, chunk, part
from kpfnb.kpf.tsdb.packing import Array, Packed, Series


@dataclass
class Place:
    """Where the observations of a chunk come to in the whole.

    Attributes
    ----------
    rows : of the whole, for the observations of the chunk that are `alive`
    present : level to its mask, '1101'
    """

    rows: slice | Array
    alive: Array
    present: Mapping[str, str]

    def put(self, target: Array, packed: Packed, level: str) -> None:
        """Put the values of a level into the whole; a null leaves what is there."""
        mask = packing.mask(self.present.get(level, "0" * self.alive.size))
        if isinstance(self.rows, slice) and packed.numbers is not None and mask.all():
            found = np.frombuffer(packed.numbers, packing.DOUBLE)
            target[self.rows] = found[0] if found.size == 1 else found
        elif mask.any():
            values = packing.unpack(packed, mask).values
            rows = self.rows
            places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            target[places[mask[self.alive]]] = values[mask]


class Columns:
    """The observations of a range of nights, and their values by keyword.

    Attributes
    ----------
    obsids : list of ObsIDs
    nights : their nights
    times : their beginnings, us since 1970
    """

    def __init__(self, connection: Connection, low: str, high: str) -> None:
        self._connection = connection
        self._places: dict[int, Place] = {}
        self.obsids: list[str] = []
        self._times: list[Array] = []
        self._nights: list[tuple[str, int]] = []
        condition = _between(low, high)
        present = _parts(connection, condition)
        query = select(chunk).where(condition).order_by(chunk.c.night, chunk.c.id)
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

    def read(self, entries: Sequence[Entry]) -> dict[int, Series]:
        """The values of keywords, by the keyword's number; nulls where there are none."""
        levels = {entry.id: entry.keyword.level for entry in entries}
        blocks = self._blocks(self._places, levels)
        # What repeats an earlier level's values is kept there
        origins = {row.same for row in blocks if row.same is not None}
        chunks_of_same = {row.chunk for row in blocks if row.same is not None}
        held = {(row.chunk, row.keyword): row for row in self._blocks(chunks_of_same, origins)}
        found: dict[int, list[tuple[int, Packed]]] = defaultdict(list)
        for row in blocks:
            own = row if row.same is None else held[row.chunk, row.same]
            found[row.keyword].append((row.chunk, Packed(Kind(own.kind), own.numbers, own.texts)))
        return {entry.id: self._column(entry, found[entry.id]) for entry in entries}

    def _column(self, entry: Entry, blocks: Sequence[tuple[int, Packed]]) -> Series:
        size = len(self.obsids)
        kind = widest(packed.kind for _, packed in blocks) or entry.kind
        is_text = kind is Kind.TEXT
        whole = np.empty(size, dtype=object) if is_text else np.full(size, np.nan)
        for number, packed in blocks:
            place = self._places[number]
            if is_text and packed.kind is not Kind.TEXT:
                packed = _as_text(packed, place.alive.size)
            place.put(whole, packed, entry.keyword.level)
        return Series(kind, whole)

    def _blocks(self, chunks: Iterable[int], keywords: Iterable[int]) -> list[Row[Any]]:
        """The blocks of some keywords, oldest chunk first."""
        wanted = sorted(keywords)
        found: list[Row[Any]] = []
        for some in portions(sorted(chunks)):
            own = block.c.chunk.in_(some) & block.c.keyword.in_(wanted)
            found += self._connection.execute(select(block).where(own)).all()
        return sorted(found, key=attrgetter("chunk"))

    def _add_night(
        self, night: str, rows: Sequence[Row[Any]], present: Mapping[int, Mapping[str, str]]
    ) -> None:
        start = len(self.obsids)
        alive = {row.id: _alive(present[row.id]) for row in rows}
        if len(rows) == 1 and alive[rows[0].id].all():
            self.obsids += rows[0].obsids.split("\n")
            self._times.append(np.frombuffer(rows[0].times, packing.DOUBLE))
            stop = len(self.obsids)
            place = Place(slice(start, stop), alive[rows[0].id], present[rows[0].id])
            self._places[rows[0].id] = place
        else:
            self._add_mixed(start, rows, alive, present)
        self._nights.append((night, len(self.obsids) - start))

    def _add_mixed(
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
            self._places[number] = Place(to, alive[number], present[number])


def _between(low: str, high: str) -> ColumnElement[bool]:
    return chunk.c.night.between(low or "0", high or "9")


def _parts(connection: Connection, condition: ColumnElement[bool]) -> dict[int, dict[str, str]]:
    query = select(part).join(chunk, chunk.c.id == part.c.chunk).where(condition)
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for number, level, present in connection.execute(query):
        found[number][level] = present
    return found


def _alive(present: Mapping[str, str]) -> Array:
    return np.logical_or.reduce([packing.mask(rows) for rows in present.values()])


def _as_text(packed: Packed, size: int) -> Packed:
    everywhere = np.ones(size, dtype=bool)
    return packing.pack(packing.unpack(packed, everywhere).as_text(), everywhere)
