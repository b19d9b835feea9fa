"""Chunks: some observations of one night, their values packed by keyword (see `layout`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb import catalogue
from kpfnb.kpf.tsdb import series as packing
from kpfnb.kpf.tsdb.batch import Keyword, ObservationBatch, pack_columns, start_microseconds
from kpfnb.kpf.tsdb.schema import block_table, chunk_table, file_table, part_table
from kpfnb.kpf.tsdb.series import Array, PackedSeries, Series, ValueKind

T = TypeVar("T")

MAX_VALUES_IN_CLAUSE = 500
"""Values in one IN (...)."""

CHUNKS_TO_MERGE = 8
"""So many chunks of a night that are of about the same size are merged into one."""


def remove_files(connection: Connection, files: Sequence[tuple[str, str]]) -> None:
    """Strike files (ObsID, level) out of the chunks they are in; an empty chunk goes."""
    wanted = set(files)
    places = defaultdict(list)
    for some in batched(sorted({obsid for obsid, _ in wanted})):
        query = select(
            file_table.c.obsid, file_table.c.level, file_table.c.chunk, file_table.c.place
        )
        for row in connection.execute(query.where(file_table.c.obsid.in_(some))):
            if (row.obsid, row.level) in wanted:
                places[row.chunk, row.level].append(row.place)
                own = (file_table.c.obsid == row.obsid) & (file_table.c.level == row.level)
                connection.execute(delete(file_table).where(own))
    for (number, level), struck in places.items():
        own = (part_table.c.chunk == number) & (part_table.c.level == level)
        present = list(connection.execute(select(part_table.c.present).where(own)).scalar_one())
        for place in struck:
            present[place] = "0"
        connection.execute(update(part_table).where(own).values(present="".join(present)))
    for number in {number for number, _ in places}:
        present_parts = connection.scalars(
            select(part_table.c.present).where(part_table.c.chunk == number)
        )
        if not any("1" in present for present in present_parts):
            delete_chunks(connection, [number])


def delete_chunks(connection: Connection, chunks: Sequence[int]) -> None:
    """Delete chunks."""
    for table, column in (
        (block_table, block_table.c.chunk),
        (part_table, part_table.c.chunk),
        (chunk_table, chunk_table.c.id),
    ):
        connection.execute(delete(table).where(column.in_(chunks)))


def insert_chunk(
    connection: Connection, batch: ObservationBatch, ids: Mapping[Keyword, int]
) -> int:
    """Insert a chunk with its parts and blocks; its number."""
    times = np.array([start_microseconds(obsid) for obsid in batch.obsids], packing.DOUBLE)
    row = {"night": batch.night, "obsids": "\n".join(batch.obsids), "times": times.tobytes()}
    number: int = connection.execute(
        insert(chunk_table).returning(chunk_table.c.id), row
    ).scalar_one()
    connection.execute(
        insert(part_table),
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
            **PackedSeries(batch.columns[origin].kind, None, None)._asdict(),
        }
        for keyword, origin in batch.repeated.items()
    ]
    if blocks:
        connection.execute(insert(block_table), blocks)
    return number


def compact_night(connection: Connection, night: str) -> bool:
    """Merge all chunks of a night into one; False where there was nothing to merge."""
    found = _read_chunks(connection, night)
    if len(found) > 1 or not all(one.rows_with_data().all() for one in found):
        _merge_chunks(connection, night, found)
        return True
    return False


def merge_small_chunks(connection: Connection, night: str) -> None:
    """Merge chunks of about the same size, if there are many: each value is moved few times."""
    sizes = defaultdict(list)
    for one in _read_chunks(connection, night):
        sizes[len(one.obsids).bit_length() // 3].append(one)
    for alike in sizes.values():
        if len(alike) >= CHUNKS_TO_MERGE:
            _merge_chunks(connection, night, alike)


def batched(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values in portions that one IN (...) can take."""
    return (
        values[at : at + MAX_VALUES_IN_CLAUSE] for at in range(0, len(values), MAX_VALUES_IN_CLAUSE)
    )


@dataclass(frozen=True)
class NightChunk:
    """What is where in a chunk; `present` as in a batch."""

    number: int
    obsids: tuple[str, ...]
    present: dict[str, str]

    def rows_with_data(self) -> Array:
        """The mask of the observations that have any level here."""
        masks = [packing.parse_mask(rows) for rows in self.present.values()]
        return np.logical_or.reduce(masks)


def _read_chunks(connection: Connection, night: str) -> list[NightChunk]:
    """The chunks of a night, oldest first."""
    rows = connection.execute(
        select(chunk_table.c.id, chunk_table.c.obsids, part_table.c.level, part_table.c.present)
        .join(part_table, part_table.c.chunk == chunk_table.c.id)
        .where(chunk_table.c.night == night)
        .order_by(chunk_table.c.id)
    )
    found: dict[int, NightChunk] = {}
    for row in rows:
        one = found.setdefault(row.id, NightChunk(row.id, tuple(row.obsids.split("\n")), {}))
        one.present[row.level] = row.present
    return list(found.values())


def _merge_chunks(connection: Connection, night: str, merged: Sequence[NightChunk]) -> None:
    known = {entry.id: entry.keyword for entry in catalogue.read_keywords(connection).values()}
    alive = [one.rows_with_data() for one in merged]
    obsids = tuple(
        sorted({o for one, rows in zip(merged, alive, strict=True) for o in _obsids_at(one, rows)})
    )
    places = {obsid: place for place, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    parts: dict[Keyword, list[tuple[Series, Array]]] = defaultdict(list)
    for one in merged:
        masks = {level: packing.parse_mask(rows) for level, rows in one.present.items()}
        to = {
            level: np.array([places[o] for o in _obsids_at(one, mask)], dtype=np.intp)
            for level, mask in masks.items()
        }
        for level, rows in to.items():
            present[level][rows] = True
        for keyword, packed in _read_blocks(connection, one, known):
            mask = masks[keyword.level]
            if mask.any():
                series = packing.unpack_series(packed, mask)
                parts[keyword].append((Series(series.kind, series.values[mask]), to[keyword.level]))
    joined = {keyword: packing.join_series(some, len(obsids)) for keyword, some in parts.items()}
    columns, same = pack_columns(joined, present)
    batch = ObservationBatch(
        night,
        obsids,
        {k: packing.format_mask(v) for k, v in present.items() if v.any()},
        columns,
        same,
    )
    ids = {keyword: number for number, keyword in known.items()}
    number = insert_chunk(connection, batch, ids)
    _move_files(connection, [one.number for one in merged], number, places)
    delete_chunks(connection, [one.number for one in merged])


def _obsids_at(one: NightChunk, rows: Array) -> list[str]:
    return [one.obsids[row] for row in np.flatnonzero(rows)]


def _read_blocks(
    connection: Connection, one: NightChunk, known: Mapping[int, Keyword]
) -> Iterator[tuple[Keyword, PackedSeries]]:
    """The blocks of a chunk, those of repeated keywords with the values of their origin."""
    query = select(block_table).where(block_table.c.chunk == one.number)
    rows = {row.keyword: row for row in connection.execute(query)}
    for number, row in rows.items():
        held = row if row.same is None else rows[row.same]
        yield known[number], PackedSeries(ValueKind(held.kind), held.numbers, held.texts)


def _move_files(
    connection: Connection, old: Sequence[int], new: int, places: Mapping[str, int]
) -> None:
    """Tell the files of old chunks their places in the new one."""
    query = select(file_table.c.obsid, file_table.c.level).where(file_table.c.chunk.in_(old))
    rows = [
        {"o": row.obsid, "l": row.level, "p": places[row.obsid]}
        for row in connection.execute(query)
    ]
    own = (file_table.c.obsid == bindparam("o")) & (file_table.c.level == bindparam("l"))
    connection.execute(update(file_table).where(own).values(chunk=new, place=bindparam("p")), rows)
