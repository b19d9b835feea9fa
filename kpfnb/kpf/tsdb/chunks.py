"""Chunks: some observations of one night, their values packed by keyword (see `schema`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb import catalogue
from kpfnb.kpf.tsdb.batch import ObservationBatch, pack_columns, start_microseconds
from kpfnb.kpf.tsdb.file_content import Keyword
from kpfnb.kpf.tsdb.kinds import KIND_BY_NAME
from kpfnb.kpf.tsdb.schema import block_table, chunk_table, file_table, part_table
from kpfnb.kpf.tsdb.series import (
    DOUBLE,
    Array,
    PackedSeries,
    Series,
    format_mask,
    join_series,
    parse_mask,
    unpack_series,
)

T = TypeVar("T")

MAX_VALUES_IN_CLAUSE = 500
"""The most values in one IN (...) clause."""

CHUNKS_TO_MERGE = 8
"""Chunks of a night of about the same size are merged when there are this many."""


def remove_files(connection: Connection, files: Sequence[tuple[str, str]]) -> None:
    """Remove files (ObsID, level) from their chunks; a chunk without any file is deleted."""
    wanted = set(files)
    places = defaultdict(list)
    for obsids in batched(sorted({obsid for obsid, _ in wanted})):
        query = select(
            file_table.c.obsid, file_table.c.level, file_table.c.chunk, file_table.c.place
        )
        for row in connection.execute(query.where(file_table.c.obsid.in_(obsids))):
            if (row.obsid, row.level) in wanted:
                places[row.chunk, row.level].append(row.place)
                condition = (file_table.c.obsid == row.obsid) & (file_table.c.level == row.level)
                connection.execute(delete(file_table).where(condition))
    for (number, level), removed in places.items():
        condition = (part_table.c.chunk == number) & (part_table.c.level == level)
        present = list(
            connection.execute(select(part_table.c.present).where(condition)).scalar_one()
        )
        for place in removed:
            present[place] = "0"
        connection.execute(update(part_table).where(condition).values(present="".join(present)))
    for number in {number for number, _ in places}:
        present_parts = connection.scalars(
            select(part_table.c.present).where(part_table.c.chunk == number)
        )
        if not any("1" in present for present in present_parts):
            delete_chunks(connection, [number])


def delete_chunks(connection: Connection, chunks: Sequence[int]) -> None:
    """Delete chunks with their parts and blocks."""
    for table, column in (
        (block_table, block_table.c.chunk),
        (part_table, part_table.c.chunk),
        (chunk_table, chunk_table.c.id),
    ):
        connection.execute(delete(table).where(column.in_(chunks)))


def insert_chunk(
    connection: Connection, batch: ObservationBatch, ids: Mapping[Keyword, int]
) -> int:
    """Insert a chunk with its parts and blocks, and return its id."""
    times = np.array([start_microseconds(obsid) for obsid in batch.obsids], DOUBLE)
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
    """Merge all chunks of a night into one; False if there is nothing to merge."""
    chunks = _read_chunks(connection, night)
    if len(chunks) > 1 or not all(chunk.rows_with_data().all() for chunk in chunks):
        _merge_chunks(connection, night, chunks)
        return True
    return False


def merge_small_chunks(connection: Connection, night: str) -> None:
    """Merge chunks of about the same size if there are many.

    Merging by size moves each value only a few times.
    """
    by_size = defaultdict(list)
    for chunk in _read_chunks(connection, night):
        by_size[len(chunk.obsids).bit_length() // 3].append(chunk)
    for chunks in by_size.values():
        if len(chunks) >= CHUNKS_TO_MERGE:
            _merge_chunks(connection, night, chunks)


def batched(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split values into batches that fit into one IN (...) clause."""
    return (
        values[at : at + MAX_VALUES_IN_CLAUSE] for at in range(0, len(values), MAX_VALUES_IN_CLAUSE)
    )


@dataclass(frozen=True)
class NightChunk:
    """A chunk of a night: its id and its rows; `present` as in a batch."""

    number: int
    obsids: tuple[str, ...]
    present: dict[str, str]

    def rows_with_data(self) -> Array:
        """The mask of the observations that have any level in this chunk."""
        masks = [parse_mask(rows) for rows in self.present.values()]
        return np.logical_or.reduce(masks)


def _read_chunks(connection: Connection, night: str) -> list[NightChunk]:
    """The chunks of a night, oldest first."""
    rows = connection.execute(
        select(chunk_table.c.id, chunk_table.c.obsids, part_table.c.level, part_table.c.present)
        .join(part_table, part_table.c.chunk == chunk_table.c.id)
        .where(chunk_table.c.night == night)
        .order_by(chunk_table.c.id)
    )
    chunks: dict[int, NightChunk] = {}
    for row in rows:
        chunk = chunks.setdefault(row.id, NightChunk(row.id, tuple(row.obsids.split("\n")), {}))
        chunk.present[row.level] = row.present
    return list(chunks.values())


def _merge_chunks(connection: Connection, night: str, chunks: Sequence[NightChunk]) -> None:
    known = {entry.id: entry.keyword for entry in catalogue.read_keywords(connection).values()}
    masks = [chunk.rows_with_data() for chunk in chunks]
    obsids = tuple(
        sorted(
            {o for chunk, rows in zip(chunks, masks, strict=True) for o in _obsids_at(chunk, rows)}
        )
    )
    places = {obsid: place for place, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    parts: dict[Keyword, list[tuple[Series, Array]]] = defaultdict(list)
    for chunk in chunks:
        level_masks = {level: parse_mask(rows) for level, rows in chunk.present.items()}
        targets = {
            level: np.array([places[o] for o in _obsids_at(chunk, mask)], dtype=np.intp)
            for level, mask in level_masks.items()
        }
        for level, rows in targets.items():
            present[level][rows] = True
        for keyword, packed in _read_blocks(connection, chunk, known):
            mask = level_masks[keyword.level]
            if mask.any():
                selected = unpack_series(packed, mask).select(mask)
                parts[keyword].append((selected, targets[keyword.level]))
    joined = {keyword: join_series(pieces, len(obsids)) for keyword, pieces in parts.items()}
    columns, repeated = pack_columns(joined, present)
    batch = ObservationBatch(
        night,
        obsids,
        {k: format_mask(v) for k, v in present.items() if v.any()},
        columns,
        repeated,
    )
    ids = {keyword: number for number, keyword in known.items()}
    number = insert_chunk(connection, batch, ids)
    _move_files(connection, [chunk.number for chunk in chunks], number, places)
    delete_chunks(connection, [chunk.number for chunk in chunks])


def _obsids_at(chunk: NightChunk, rows: Array) -> list[str]:
    return [chunk.obsids[row] for row in np.flatnonzero(rows)]


def _read_blocks(
    connection: Connection, chunk: NightChunk, known: Mapping[int, Keyword]
) -> Iterator[tuple[Keyword, PackedSeries]]:
    """The blocks of a chunk; a repeated keyword gets the values it refers to."""
    query = select(block_table).where(block_table.c.chunk == chunk.number)
    rows = {row.keyword: row for row in connection.execute(query)}
    for number, row in rows.items():
        source = row if row.same is None else rows[row.same]
        yield known[number], PackedSeries(KIND_BY_NAME[source.kind], source.numbers, source.texts)


def _move_files(
    connection: Connection, old: Sequence[int], new: int, places: Mapping[str, int]
) -> None:
    """Assign the files of old chunks to their places in the new one."""
    query = select(file_table.c.obsid, file_table.c.level).where(file_table.c.chunk.in_(old))
    rows = [
        {"o": row.obsid, "l": row.level, "p": places[row.obsid]}
        for row in connection.execute(query)
    ]
    condition = (file_table.c.obsid == bindparam("o")) & (file_table.c.level == bindparam("l"))
    connection.execute(
        update(file_table).where(condition).values(chunk=new, place=bindparam("p")), rows
    )
