"""Batches into the database: a new chunk each, and the places they replace struck out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import catalogue, chunks, packing, problems
from kpfnb.kpf.tsdb.batch import Bad, Batch, File, Observed
from kpfnb.kpf.tsdb.chunks import portions
from kpfnb.kpf.tsdb.content import Keyword, Note, Trouble
from kpfnb.kpf.tsdb.kinds import Kind
from kpfnb.kpf.tsdb.layout import about, file, observation

CHANGED = "changed"
"""In `about`: when something was last changed, UTC."""


def put(connection: Connection, batch: Batch) -> list[Bad]:
    """Store a batch, in the place of what was known of its files; gives those not taken.

    A file that somebody else has read later than we is left as it is. One that lacks a table does
    not take the place of one that had all.
    """
    later, worse = _better(connection, batch.files)
    refused = [Bad(one.path, one.known, f"{one.lacks}; what was known stays") for one in worse]
    left_out = later + worse
    batch = _without(batch, {(one.obsid, one.level) for one in left_out}) if left_out else batch
    if not batch.files:
        return refused
    ids, widened = catalogue.learn(connection, batch.kinds, batch.comments)
    chunks.strike(connection, [(one.obsid, one.level) for one in batch.files])
    number = chunks.add(connection, batch, ids)
    _add_files(connection, batch, number)
    _describe(connection, batch)
    problems.note(connection, batch.files, _widening(batch, widened))
    chunks.merge_small(connection, batch.night)
    touch(connection)
    return refused


def touch(connection: Connection) -> None:
    """Say that something has changed now."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    connection.execute(delete(about).where(about.c.name == CHANGED))
    connection.execute(insert(about), [{"name": CHANGED, "value": now}])


def _better(connection: Connection, files: Sequence[File]) -> tuple[list[File], list[File]]:
    """The files that are there as somebody read them after us; and those that are there whole,
    and lack something now."""
    ours = {(one.obsid, one.level): one for one in files}
    later, worse = [], []
    for some in portions(sorted({one.obsid for one in files})):
        stored = file.c
        query = select(stored.obsid, stored.level, stored.read_ns, stored.whole)
        for obsid, level, read_ns, whole in connection.execute(query.where(stored.obsid.in_(some))):
            one = ours.get((obsid, level))
            if one and read_ns > one.read_ns:
                later.append(one)
            elif one and whole and one.lacks:
                worse.append(one)
    return later, worse


def _without(batch: Batch, left_out: set[tuple[str, str]]) -> Batch:
    """The batch with some files struck out."""
    present = {level: list(rows) for level, rows in batch.present.items()}
    for obsid, level in left_out:
        present[level][batch.obsids.index(obsid)] = "0"
    return replace(
        batch,
        present={level: "".join(rows) for level, rows in present.items()},
        files=tuple(one for one in batch.files if (one.obsid, one.level) not in left_out),
    )


def _add_files(connection: Connection, batch: Batch, number: int) -> None:
    places = {obsid: place for place, obsid in enumerate(batch.obsids)}
    rows = [
        {
            "obsid": one.obsid,
            "level": one.level,
            "night": batch.night,
            "path": one.path,
            "size": one.known.size,
            "modified_ns": one.known.modified_ns,
            "read_ns": one.read_ns,
            "version": one.version,
            "whole": int(not one.lacks),
            "chunk": number,
            "place": places[one.obsid],
        }
        for one in batch.files
    ]
    connection.execute(insert(file), rows)


def _describe(connection: Connection, batch: Batch) -> None:
    """Say which levels each observation has and lacks now."""
    for obsids in portions(sorted({one.obsid for one in batch.files})):
        describe(connection, obsids, {o: batch.observed[o] for o in obsids})


def describe(
    connection: Connection, obsids: Sequence[str], observed: Mapping[str, Observed]
) -> None:
    """Enter observations anew, by the files that there are; those without any go.

    observed : what is known about them now; what was known before is kept for the others
    """
    query = select(file.c.obsid, file.c.level).where(file.c.obsid.in_(obsids))
    levels: dict[str, set[str]] = {}
    for obsid, level in connection.execute(query):
        levels.setdefault(obsid, set()).add(level)
    own = observation.c.obsid.in_(obsids)
    before = {
        row.obsid: Observed(row.source, tuple(row.expected.split()))
        for row in connection.execute(select(observation).where(own))
    }
    connection.execute(delete(observation).where(own))
    rows = [_observation(o, levels[o], observed.get(o) or before[o]) for o in levels]
    if rows:
        connection.execute(insert(observation), rows)


def _observation(obsid: str, levels: set[str], told: Observed) -> dict[str, str]:
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


def _widening(batch: Batch, widened: Mapping[Keyword, Kind]) -> dict[str, list[Note]]:
    """For the first file of the batch with such a text: which keywords were numbers before."""
    found: dict[str, list[Note]] = {}
    paths = {(one.obsid, one.level): one.path for one in batch.files}
    for keyword, before in widened.items():
        packed = batch.columns.get(keyword)
        if packed is None or packed.kind is not Kind.TEXT:
            continue
        present = packing.mask(batch.present[keyword.level])
        values = packing.unpack(packed, present).values
        for obsid, value in zip(batch.obsids, values, strict=True):
            path = paths.get((obsid, keyword.level))
            if value is not None and path:
                detail = f"{keyword.name} was {before}, is {str(value)[:40]!r}"
                found.setdefault(path, []).append(Note(Trouble.WRONG_TYPE, detail))
                break
    return found
