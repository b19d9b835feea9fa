"""Finding runs: by name, time and outcome, each as it stands now."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path

from kpfnb import settings
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.runs import provenance
from kpfnb.runs.recording import FILE_NAME, TIME_FORMAT, Record, iso, read
from kpfnb.runs.verdict import Facts, judge

SILENCE_SECONDS = 600
"""An unfinished run on another host is taken for dead when it gave no sign of life for so long."""

_DIRECTORY = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")


def look(directory: Path) -> Record:
    """The record as it stands now: one whose process died is crashed; a damaged one says so."""
    try:
        record = read(directory)
        if record.outcome:
            return record
        outcome, reason = judge(Facts(ended=False, process_alive=_is_alive(record)))
    except (BadInput, OSError) as error:
        return _unreadable(directory, str(error))
    return replace(record, outcome=outcome, reason=reason)


def look_all(directories: Iterable[Path]) -> Iterator[Record]:
    """As `look`, for those that are still there: somebody may have removed some meanwhile."""
    for directory in directories:
        record = look(directory)
        if record.outcome is not Outcome.CRASHED or directory.exists():
            yield record


def directories(runs_dir: Path, notebook: str = "") -> list[Path]:
    """The directories of all runs, newest first; nothing is read but names."""
    found = []
    for folder in _folders(runs_dir):
        if notebook in ("", folder.name):
            found += [one for one in os.scandir(folder) if _DIRECTORY.fullmatch(one.name)]
    return [Path(one) for one in sorted(found, key=lambda one: one.name, reverse=True)]


def listing(
    runs_dir: Path,
    *,
    notebook: str = "",
    outcome: Outcome | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[Record]:
    """Records newest first. `since`: started then or later; `limit`: at most so many."""
    there = directories(runs_dir, notebook)
    if since:
        there = list(takewhile(lambda one: started(one) >= since, there))
    found = (one for one in look_all(there) if outcome is None or one.outcome is outcome)
    return list(islice(found, limit))


def started(directory: Path) -> datetime:
    """When the run in that directory started, UTC, by its name."""
    stamp = directory.name.partition("-")[0]
    return datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)


def find(identity: str, *, runs_dir: Path | None = None) -> Record:
    """The run whose id starts with that; `BadInput` where none or several do."""
    where = runs_dir or settings.load().runs_dir
    found = [one for one in directories(where) if one.name.partition("-")[2].startswith(identity)]
    if len(found) == 1 and identity:
        return look(found[0])
    if not found or not identity:
        raise BadInput(f"no run {identity!r} in {where}", "`kpfnb runs` lists them")
    names = ", ".join(f"{one.name[-8:]} ({one.parent.name})" for one in found[:5])
    raise BadInput(f"{len(found)} runs start with {identity!r}: {names}", "give more of the id")


def _folders(runs_dir: Path) -> Iterator[os.DirEntry[str]]:
    if not runs_dir.is_dir():
        return
    yield from (one for one in os.scandir(runs_dir) if one.is_dir())


def _is_alive(record: Record) -> bool:
    if record.host == socket.gethostname():
        return provenance.is_alive(record.pid, record.process_started)
    silence = time.time() - (record.directory / FILE_NAME).stat().st_mtime
    return silence < SILENCE_SECONDS


def _unreadable(directory: Path, message: str) -> Record:
    return Record(
        id=directory.name.partition("-")[2],
        notebook=directory.parent.name,
        started=iso(started(directory)),
        outcome=Outcome.CRASHED,
        reason=f"its record can't be read: {message}",
        directory=directory,
    )
