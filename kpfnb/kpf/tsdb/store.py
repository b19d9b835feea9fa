"""Batches stored in the database, and the problems of their files.

Each batch becomes a new chunk; the files that it replaces are removed from the old ones. A file's
problems are why it was refused, or the warnings about it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from kpfnb.core.clock import format_utc, utc_now
from kpfnb.kpf.files.obsid import KPF, ObsID, is_night
from kpfnb.kpf.tsdb import catalogue, chunks, odd_values
from kpfnb.kpf.tsdb.batch import (
    IngestedFile,
    ObservationBatch,
    ObservationInfo,
    RefusedFile,
)
from kpfnb.kpf.tsdb.chunks import batched
from kpfnb.kpf.tsdb.file_content import FileSignature, FileWarning
from kpfnb.kpf.tsdb.schema import about_table, file_table, observation_table, problem_table

CHANGE_TIME = "changed"
"""The row of the table `about` with the time of the last change (UTC)."""


def record_refusals(connection: Connection, refused_files: Sequence[RefusedFile]) -> None:
    """Record why files were refused; earlier data of these files are kept."""
    clear_problems(connection, [file.path for file in refused_files])
    _insert_problems(
        connection,
        [
            _problem_row(file.path, file.reason, "", file.signature, refused=1)
            for file in refused_files
        ],
    )


def record_warnings(
    connection: Connection,
    files: Sequence[IngestedFile],
    more: Mapping[str, Sequence[FileWarning]],
) -> None:
    """Record the warnings about ingested files in place of their earlier problems.

    more : further warnings, by path
    """
    clear_problems(connection, [file.path for file in files])
    rows = [
        _problem_row(file.path, kind, detail, file.signature, refused=0)
        for file in files
        for kind, detail in (*file.warnings, *more.get(file.path, ()))
    ]
    _insert_problems(connection, rows)


def add_warning(connection: Connection, file: Any, warning: FileWarning) -> None:
    """Record one more warning about a file, a row of the table `file`."""
    signature = FileSignature(file.size, file.modified_ns)
    _insert_problems(connection, [_problem_row(file.path, *warning, signature, refused=0)])


def clear_problems(connection: Connection, paths: Iterable[str]) -> None:
    """Delete the problems of files."""
    for some_paths in batched(list(paths)):
        connection.execute(delete(problem_table).where(problem_table.c.path.in_(some_paths)))


def read_refused_files(connection: Connection, night: str) -> dict[str, FileSignature]:
    """The refused files of a night, with their signatures at that time."""
    condition = (
        (problem_table.c.night == night)
        & (problem_table.c.refused == 1)
        & problem_table.c.size.is_not(None)
    )
    query = select(problem_table.c.path, problem_table.c.size, problem_table.c.modified_ns).where(
        condition
    )
    return {row.path: FileSignature(row.size, row.modified_ns) for row in connection.execute(query)}


def _insert_problems(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(problem_table), rows)


def _problem_row(
    path: str, reason: str, detail: str, signature: FileSignature | None, *, refused: int
) -> dict[str, Any]:
    size, modified_ns = signature or (None, None)
    return {
        "path": path,
        "night": _directory_night(path),
        "refused": refused,
        "reason": str(reason),
        "detail": detail,
        "size": size,
        "modified_ns": modified_ns,
        "found": time.time(),
    }


def _directory_night(path: str) -> str:
    """The night whose directory a file is in, or else that of its name."""
    directory = Path(path).parent.name
    return directory if is_night(directory) else ObsID.parse(path).night


def store_batch(connection: Connection, batch: ObservationBatch) -> list[RefusedFile]:
    """Store a batch in place of earlier data of its files, and return the refused files.

    A file that another process has read later is left unchanged. A file with a missing table does
    not replace a complete one.
    """
    later, worse = _find_superseded(connection, batch.files)
    refused = [
        RefusedFile(file.path, file.signature, f"{file.missing_parts}; the earlier data are kept")
        for file in worse
    ]
    skipped = later + worse
    batch = (
        _without_files(batch, {(file.obsid, file.level) for file in skipped}) if skipped else batch
    )
    if not batch.files:
        return refused
    known = catalogue.read_keywords(connection, batch.present)
    batch, known, notes = odd_values.settle_kinds(connection, batch, known)
    ids = catalogue.register_keywords(connection, batch.kinds, batch.comments, known)
    chunks.remove_files(connection, [(file.obsid, file.level) for file in batch.files])
    number = chunks.insert_chunk(connection, batch, ids)
    _add_files(connection, batch, number)
    _update_batch_observations(connection, batch)
    record_warnings(connection, batch.files, odd_values.merge_warnings(batch, notes))
    chunks.merge_small_chunks(connection, batch.night)
    record_change(connection)
    return refused


def record_change(connection: Connection) -> None:
    """Record that the database changed now."""
    now = utc_now().isoformat(timespec="microseconds").replace("+00:00", "Z")
    connection.execute(delete(about_table).where(about_table.c.name == CHANGE_TIME))
    connection.execute(insert(about_table), [{"name": CHANGE_TIME, "value": now}])


def _find_superseded(
    connection: Connection, files: Sequence[IngestedFile]
) -> tuple[list[IngestedFile], list[IngestedFile]]:
    """The files that another process has stored from a later reading; and the files that are stored
    complete and are incomplete now."""
    by_key = {(file.obsid, file.level): file for file in files}
    newer, worse = [], []
    for obsids in batched(sorted({file.obsid for file in files})):
        stored = file_table.c
        query = select(stored.obsid, stored.level, stored.read_ns, stored.whole)
        for obsid, level, read_ns, is_complete in connection.execute(
            query.where(stored.obsid.in_(obsids))
        ):
            file = by_key.get((obsid, level))
            if file and read_ns > file.read_ns:
                newer.append(file)
            elif file and is_complete and file.missing_parts:
                worse.append(file)
    return newer, worse


def _without_files(batch: ObservationBatch, removed: set[tuple[str, str]]) -> ObservationBatch:
    """The batch without some files."""
    present = {level: list(rows) for level, rows in batch.present.items()}
    for obsid, level in removed:
        present[level][batch.obsids.index(obsid)] = "0"
    return replace(
        batch,
        present={level: "".join(rows) for level, rows in present.items()},
        files=tuple(file for file in batch.files if (file.obsid, file.level) not in removed),
    )


def _add_files(connection: Connection, batch: ObservationBatch, number: int) -> None:
    places = {obsid: place for place, obsid in enumerate(batch.obsids)}
    rows = [
        {
            "obsid": file.obsid,
            "level": file.level,
            "night": batch.night,
            "path": file.path,
            "size": file.signature.size,
            "modified_ns": file.signature.modified_ns,
            "read_ns": file.read_ns,
            "version": file.version,
            "whole": int(not file.missing_parts),
            "chunk": number,
            "place": places[file.obsid],
        }
        for file in batch.files
    ]
    connection.execute(insert(file_table), rows)


def _update_batch_observations(connection: Connection, batch: ObservationBatch) -> None:
    """Update the present and missing levels of the batch's observations."""
    for obsids in batched(sorted({file.obsid for file in batch.files})):
        update_observations(
            connection, obsids, {obsid: batch.observations[obsid] for obsid in obsids}
        )


def update_observations(
    connection: Connection, obsids: Sequence[str], observed: Mapping[str, ObservationInfo]
) -> None:
    """Rewrite observations from their files; an observation without any file is deleted.

    observed : new information; the others keep what the database has
    """
    query = select(file_table.c.obsid, file_table.c.level).where(file_table.c.obsid.in_(obsids))
    levels: dict[str, set[str]] = {}
    for obsid, level in connection.execute(query):
        levels.setdefault(obsid, set()).add(level)
    condition = observation_table.c.obsid.in_(obsids)
    known = {
        row.obsid: ObservationInfo(row.source, tuple(row.expected.split()))
        for row in connection.execute(select(observation_table).where(condition))
    }
    connection.execute(delete(observation_table).where(condition))
    rows = [_observation_row(o, levels[o], observed.get(o) or known[o]) for o in levels]
    if rows:
        connection.execute(insert(observation_table), rows)


def _observation_row(obsid: str, levels: set[str], info: ObservationInfo) -> dict[str, str]:
    start = format_utc(ObsID(obsid).time, milliseconds=True)
    return {
        "obsid": obsid,
        "night": ObsID(obsid).night,
        "time": start,
        "source": info.source,
        "expected": " ".join(info.expected),
        "present": " ".join(level for level in KPF.levels if level in levels),
        "missing": " ".join(level for level in info.expected if level not in levels),
    }
