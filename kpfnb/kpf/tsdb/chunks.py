"""Chunks: some observations of one night, their values packed by keyword (see `layout`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.tsdb import catalogue, packing
from kpfnb.kpf.tsdb.batch import Batch, observed_at, pack
from kpfnb.kpf.tsdb.content import Keyword
from kpfnb.kpf.tsdb.kinds import Kind
from kpfnb.kpf.tsdb.layout import block, chunk, file, part
from kpfnb.kpf.tsdb.packing import Array, Packed, Series

T = TypeVar("T")

SOME = 500
"""Values in one IN (...)."""

TOGETHER = 8
"""So many chunks of a night that are of about the same size are merged into one."""


def strike(connection: Connection, files: Sequence[tuple[str, str]]) -> None:
    """Strike files (ObsID, level) out of the chunks they are in; an empty chunk goes."""
    wanted = set(files)
    places = defaultdict(list)
    for some in portions(sorted({obsid for obsid, _ in wanted})):
        query = select(file.c.obsid, file.c.level, file.c.chunk, file.c.place)
        for row in connection.execute(query.where(file.c.obsid.in_(some))):
            if (row.obsid, row.level) in wanted:
                places[row.chunk, row.level].append(row.place)
                own = (file.c.obsid == row.obsid) & (file.c.level == row.level)
                connection.execute(delete(file).where(own))
    for (number, level), struck in places.items():
        own = (part.c.chunk == number) & (part.c.level == level)
        present = list(connection.execute(select(part.c.present).where(own)).scalar_one())
        for place in struck:
            present[place] = "0"
        connection.execute(update(part).where(own).values(present="".join(present)))
    for number in {number for number, _ in places}:
        present_parts = connection.scalars(select(part.c.present).where(part.c.chunk == number))
        if not any("1" in present for present in present_parts):
            drop(connection, [number])


def drop(connection: Connection, chunks: Sequence[int]) -> None:
    """Delete chunks."""
    for table, column in ((block, block.c.chunk), (part, part.c.chunk), (chunk, chunk.c.id)):
        connection.execute(delete(table).where(column.in_(chunks)))


def add(connection: Connection, batch: Batch, ids: Mapping[Keyword, int]) -> int:
    """Insert a chunk with its parts and blocks; its number."""
    times = np.array([observed_at(obsid) for obsid in batch.obsids], packing.DOUBLE)
    row = {"night": batch.night, "obsids": "\n".join(batch.obsids), "times": times.tobytes()}
    number: int = connection.execute(insert(chunk).returning(chunk.c.id), row).scalar_one()
    connection.execute(
        insert(part),
        [
            {"chunk": number, "level": level, "present": rows}
            for level, rows in batch.present.items()
        ],
    )
    blocks = [
        {"chunk": number, "keyword": ids[keyword], "same": None, **packed._asdict()}
        for keyword, packed in batch.columns.items()
    ]
    blocks += [
        {
            "chunk": number,
            "keyword": ids[keyword],
            "same": ids[origin],
            **Packed(batch.columns[origin].kind, None, None)._asdict(),
        }
        for keyword, origin in batch.same.items()
    ]
    if blocks:
        connection.execute(insert(block), blocks)
    return number


def settle(connection: Connection, night: str) -> bool:
    """Merge all chunks of a night into one; False where there was nothing to merge."""
    found = _chunks(connection, night)
    if len(found) > 1 or not all(one.alive().all() for one in found):
        _merge(connection, night, found)
        return True
    return False


def merge_small(connection: Connection, night: str) -> None:
    """Merge chunks of about the same size, if there are many: each value is moved few times."""
    sizes = defaultdict(list)
    for one in _chunks(connection, night):
        sizes[len(one.obsids).bit_length() // 3].append(one)
    for alike in sizes.values():
        if len(alike) >= TOGETHER:
            _merge(connection, night, alike)


def portions(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values in portions that one IN (...) can take."""
    return (values[at : at + SOME] for at in range(0, len(values), SOME))


@dataclass(frozen=True)
class Chunk:
    """What is where in a chunk; `present` as in a batch."""

    number: int
    obsids: tuple[str, ...]
    present: dict[str, str]

    def alive(self) -> Array:
        """The mask of the observations that have any level here."""
        masks = [packing.mask(rows) for rows in self.present.values()]
        return np.logical_or.reduce(masks)


def _chunks(connection: Connection, night: str) -> list[Chunk]:
    """The chunks of a night, oldest first."""
    rows = connection.execute(
        select(chunk.c.id, chunk.c.obsids, part.c.level, part.c.present)
        .join(part, part.c.chunk == chunk.c.id)
        .where(chunk.c.night == night)
        .order_by(chunk.c.id)
    )
    found: dict[int, Chunk] = {}
    for row in rows:
        one = found.setdefault(row.id, Chunk(row.id, tuple(row.obsids.split("\n")), {}))
        one.present[row.level] = row.present
    return list(found.values())


def _merge(connection: Connection, night: str, merged: Sequence[Chunk]) -> None:
    known = {entry.id: entry.keyword for entry in catalogue.read(connection).values()}
    alive = [one.alive() for one in merged]
    obsids = tuple(
        sorted({o for one, rows in zip(merged, alive, strict=True) for o in _take(one, rows)})
    )
    places = {obsid: place for place, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    parts: dict[Keyword, list[tuple[Series, Array]]] = defaultdict(list)
    for one in merged:
        masks = {level: packing.mask(rows) for level, rows in one.present.items()}
        to = {
            level: np.array([places[o] for o in _take(one, mask)], dtype=np.intp)
            for level, mask in masks.items()
        }
        for level, rows in to.items():
            present[level][rows] = True
        for keyword, packed in _blocks(connection, one, known):
            mask = masks[keyword.level]
            if mask.any():
                series = packing.unpack(packed, mask)
                parts[keyword].append((Series(series.kind, series.values[mask]), to[keyword.level]))
    joined = {keyword: packing.join(some, len(obsids)) for keyword, some in parts.items()}
    columns, same = pack(joined, present)
    batch = Batch(
        night, obsids, {k: packing.unmask(v) for k, v in present.items() if v.any()}, columns, same
    )
    ids = {keyword: number for number, keyword in known.items()}
    number = add(connection, batch, ids)
    _move(connection, [one.number for one in merged], number, places)
    drop(connection, [one.number for one in merged])


def _take(one: Chunk, rows: Array) -> list[str]:
    return [one.obsids[row] for row in np.flatnonzero(rows)]


def _blocks(
    connection: Connection, one: Chunk, known: Mapping[int, Keyword]
) -> Iterator[tuple[Keyword, Packed]]:
    """The blocks of a chunk, those of repeated keywords with the values of their origin."""
    query = select(block).where(block.c.chunk == one.number)
    rows = {row.keyword: row for row in connection.execute(query)}
    for number, row in rows.items():
        held = row if row.same is None else rows[row.same]
        yield known[number], Packed(Kind(held.kind), held.numbers, held.texts)


def _move(connection: Connection, old: Sequence[int], new: int, places: Mapping[str, int]) -> None:
    """Tell the files of old chunks their places in the new one."""
    query = select(file.c.obsid, file.c.level).where(file.c.chunk.in_(old))
    rows = [
        {"o": row.obsid, "l": row.level, "p": places[row.obsid]}
        for row in connection.execute(query)
    ]
    own = (file.c.obsid == bindparam("o")) & (file.c.level == bindparam("l"))
    connection.execute(update(file).where(own).values(chunk=new, place=bindparam("p")), rows)
