"""Batches into the database: a new chunk each, and the places they replace struck out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import catalogue, chunks, series
from kpfnb.kpf.tsdb.batch import (
    FileSignature,
    FileWarning,
    FileWarningKind,
    IngestedFile,
    Keyword,
    ObservationBatch,
    ObservationInfo,
    RefusedFile,
)
from kpfnb.kpf.tsdb.chunks import batched
from kpfnb.kpf.tsdb.schema import about_table, file_table, observation_table, problem_table
from kpfnb.kpf.tsdb.series import ValueKind

# What was wrong with files: those refused, and what was odd in those taken.


def record_refusals(connection: Connection, bad: Sequence[RefusedFile]) -> None:
    """Keep why files were not taken; what is known of them stays."""
    clear_problems(connection, [one.path for one in bad])
    _insert_problems(
        connection,
        [_problem_row(one.path, one.reason, "", one.signature, refused=1) for one in bad],
    )


def record_warnings(
    connection: Connection,
    files: Sequence[IngestedFile],
    others: Mapping[str, Sequence[FileWarning]],
) -> None:
    """Keep what was odd in files that were taken, in the place of what was known before.

    others : more of it, by path
    """
    clear_problems(connection, [one.path for one in files])
    rows = [
        _problem_row(one.path, trouble, detail, one.signature, refused=0)
        for one in files
        for trouble, detail in (*one.warnings, *others.get(one.path, ()))
    ]
    _insert_problems(connection, rows)


def clear_problems(connection: Connection, paths: Iterable[str]) -> None:
    """Forget the problems of files."""
    for some in batched(list(paths)):
        connection.execute(delete(problem_table).where(problem_table.c.path.in_(some)))


def read_refused_files(connection: Connection, night: str) -> dict[str, FileSignature]:
    """The files of a night that were refused, as they were then."""
    own = (
        (problem_table.c.night == night)
        & (problem_table.c.refused == 1)
        & problem_table.c.size.is_not(None)
    )
    query = select(problem_table.c.path, problem_table.c.size, problem_table.c.modified_ns).where(
        own
    )
    return {row.path: FileSignature(row.size, row.modified_ns) for row in connection.execute(query)}


def _insert_problems(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(problem_table), rows)


def _problem_row(
    path: str, reason: str, detail: str, known: FileSignature | None, *, refused: int
) -> dict[str, Any]:
    size, modified_ns = known or (None, None)
    return {
        "path": path,
        "night": ObsID.parse(path).night,
        "refused": refused,
        "reason": str(reason),
        "detail": detail,
        "size": size,
        "modified_ns": modified_ns,
        "found": time.time(),
    }


CHANGE_TIME = "changed"
"""In `about`: when something was last changed, UTC."""


def store_batch(connection: Connection, batch: ObservationBatch) -> list[RefusedFile]:
    """Store a batch, in the place of what was known of its files; gives those not taken.

    A file that somebody else has read later than we is left as it is. One that lacks a table does
    not take the place of one that had all.
    """
    later, worse = _find_superseded(connection, batch.files)
    refused = [
        RefusedFile(one.path, one.signature, f"{one.missing_parts}; what was known stays")
        for one in worse
    ]
    left_out = later + worse
    batch = (
        _without_files(batch, {(one.obsid, one.level) for one in left_out}) if left_out else batch
    )
    if not batch.files:
        return refused
    ids, widened = catalogue.register_keywords(connection, batch.kinds, batch.comments)
    chunks.remove_files(connection, [(one.obsid, one.level) for one in batch.files])
    number = chunks.insert_chunk(connection, batch, ids)
    _add_files(connection, batch, number)
    _update_batch_observations(connection, batch)
    record_warnings(connection, batch.files, _widening_warnings(batch, widened))
    chunks.merge_small_chunks(connection, batch.night)
    record_change(connection)
    return refused


def record_change(connection: Connection) -> None:
    """Say that something has changed now."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    connection.execute(delete(about_table).where(about_table.c.name == CHANGE_TIME))
    connection.execute(insert(about_table), [{"name": CHANGE_TIME, "value": now}])


def _find_superseded(
    connection: Connection, files: Sequence[IngestedFile]
) -> tuple[list[IngestedFile], list[IngestedFile]]:
    """The files that are there as somebody read them after us; and those that are there whole,
    and lack something now."""
    ours = {(one.obsid, one.level): one for one in files}
    later, worse = [], []
    for some in batched(sorted({one.obsid for one in files})):
        stored = file_table.c
        query = select(stored.obsid, stored.level, stored.read_ns, stored.whole)
        for obsid, level, read_ns, whole in connection.execute(query.where(stored.obsid.in_(some))):
            one = ours.get((obsid, level))
            if one and read_ns > one.read_ns:
                later.append(one)
            elif one and whole and one.missing_parts:
                worse.append(one)
    return later, worse


def _without_files(batch: ObservationBatch, left_out: set[tuple[str, str]]) -> ObservationBatch:
    """The batch with some files struck out."""
    present = {level: list(rows) for level, rows in batch.present.items()}
    for obsid, level in left_out:
        present[level][batch.obsids.index(obsid)] = "0"
    return replace(
        batch,
        present={level: "".join(rows) for level, rows in present.items()},
        files=tuple(one for one in batch.files if (one.obsid, one.level) not in left_out),
    )


def _add_files(connection: Connection, batch: ObservationBatch, number: int) -> None:
    places = {obsid: place for place, obsid in enumerate(batch.obsids)}
    rows = [
        {
            "obsid": one.obsid,
            "level": one.level,
            "night": batch.night,
            "path": one.path,
            "size": one.signature.size,
            "modified_ns": one.signature.modified_ns,
            "read_ns": one.read_ns,
            "version": one.version,
            "whole": int(not one.missing_parts),
            "chunk": number,
            "place": places[one.obsid],
        }
        for one in batch.files
    ]
    connection.execute(insert(file_table), rows)


def _update_batch_observations(connection: Connection, batch: ObservationBatch) -> None:
    """Say which levels each observation has and lacks now."""
    for obsids in batched(sorted({one.obsid for one in batch.files})):
        update_observations(connection, obsids, {o: batch.observations[o] for o in obsids})


def update_observations(
    connection: Connection, obsids: Sequence[str], observed: Mapping[str, ObservationInfo]
) -> None:
    """Enter observations anew, by the files that there are; those without any go.

    observed : what is known about them now; what was known before is kept for the others
    """
    query = select(file_table.c.obsid, file_table.c.level).where(file_table.c.obsid.in_(obsids))
    levels: dict[str, set[str]] = {}
    for obsid, level in connection.execute(query):
        levels.setdefault(obsid, set()).add(level)
    own = observation_table.c.obsid.in_(obsids)
    before = {
        row.obsid: ObservationInfo(row.source, tuple(row.expected.split()))
        for row in connection.execute(select(observation_table).where(own))
    }
    connection.execute(delete(observation_table).where(own))
    rows = [_observation_row(o, levels[o], observed.get(o) or before[o]) for o in levels]
    if rows:
        connection.execute(insert(observation_table), rows)


def _observation_row(obsid: str, levels: set[str], told: ObservationInfo) -> dict[str, str]:
    time = ObsID(obsid).time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "obsid": obsid,
        "night": ObsID(obsid).night,
        "time": time,
        "source": told.source,
        "expected": " ".join(told.expected),
        "present": " ".join(level for level in KPF.levels if level in levels),
        "missing": " ".join(level for level in told.expected if level not in levels),
    }


def _widening_warnings(
    batch: ObservationBatch, widened: Mapping[Keyword, ValueKind]
) -> dict[str, list[FileWarning]]:
    """For the first file of the batch with such a text: which keywords were numbers before."""
    found: dict[str, list[FileWarning]] = {}
    paths = {(one.obsid, one.level): one.path for one in batch.files}
    for keyword, before in widened.items():
        packed = batch.columns.get(keyword)
        if packed is None or packed.kind is not ValueKind.TEXT:
            continue
        present = series.parse_mask(batch.present[keyword.level])
        values = series.unpack_series(packed, present).values
        for obsid, value in zip(batch.obsids, values, strict=True):
            path = paths.get((obsid, keyword.level))
            if value is not None and path:
                detail = f"{keyword.name} was {before}, is {str(value)[:40]!r}"
                found.setdefault(path, []).append(FileWarning(FileWarningKind.WRONG_TYPE, detail))
                break
    return found
