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

from kpfnb.core import settings
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.runs.classification import RunEndFacts, classify_run
from kpfnb.runs.record import RECORD_NAME, TIME_FORMAT, RunRecord, is_process_alive, read_record

DEAD_AFTER_SECONDS = 600
"""An unfinished run on another host is taken for dead when it gave no sign of life for so long."""

_DIRECTORY = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")


def current_record(directory: Path) -> RunRecord:
    """The record as it stands now: one whose process died is crashed; a damaged one says so."""
    try:
        record = read_record(directory)
        if record.outcome:
            return record
        outcome, reason = classify_run(RunEndFacts(ended=False, process_alive=_is_running(record)))
    except (InvalidInputError, OSError) as error:
        return _unreadable_record(directory, str(error))
    return replace(record, outcome=outcome, reason=reason)


def current_records(directories: Iterable[Path]) -> Iterator[RunRecord]:
    """As `look`, for those that are still there: somebody may have removed some meanwhile."""
    for directory in directories:
        record = current_record(directory)
        if record.outcome is not Outcome.CRASHED or directory.exists():
            yield record


def list_directories(runs_dir: Path, notebook: str = "") -> list[Path]:
    """The directories of all runs, newest first; nothing is read but names."""
    found = []
    for folder in _notebook_folders(runs_dir):
        if notebook in ("", folder.name):
            found += [one for one in os.scandir(folder) if _DIRECTORY.fullmatch(one.name)]
    return [Path(one) for one in sorted(found, key=lambda one: one.name, reverse=True)]


def list_runs(
    runs_dir: Path,
    *,
    notebook: str = "",
    outcome: Outcome | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[RunRecord]:
    """Records newest first. `since`: started then or later; `limit`: at most so many."""
    there = list_directories(runs_dir, notebook)
    if since:
        there = list(takewhile(lambda one: start_time(one) >= since, there))
    found = (one for one in current_records(there) if outcome is None or one.outcome is outcome)
    return list(islice(found, limit))


def start_time(directory: Path) -> datetime:
    """When the run in that directory started, UTC, by its name."""
    stamp = directory.name.partition("-")[0]
    return datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)


def find_run(identity: str, *, runs_dir: Path | None = None) -> RunRecord:
    """The run whose id starts with that; `InvalidInputError` where none or several do."""
    where = runs_dir or settings.load_settings().runs_dir
    found = [
        one for one in list_directories(where) if one.name.partition("-")[2].startswith(identity)
    ]
    if len(found) == 1 and identity:
        return current_record(found[0])
    if not found or not identity:
        raise InvalidInputError(f"no run {identity!r} in {where}", "`kpfnb runs` lists them")
    names = ", ".join(f"{one.name[-8:]} ({one.parent.name})" for one in found[:5])
    raise InvalidInputError(
        f"{len(found)} runs start with {identity!r}: {names}", "give more of the id"
    )


def _notebook_folders(runs_dir: Path) -> Iterator[os.DirEntry[str]]:
    if not runs_dir.is_dir():
        return
    yield from (one for one in os.scandir(runs_dir) if one.is_dir())


def _is_running(record: RunRecord) -> bool:
    if record.host == socket.gethostname():
        return is_process_alive(record.pid, record.process_started)
    silence = time.time() - (record.directory / RECORD_NAME).stat().st_mtime
    return silence < DEAD_AFTER_SECONDS


def _unreadable_record(directory: Path, message: str) -> RunRecord:
    return RunRecord(
        id=directory.name.partition("-")[2],
        notebook=directory.parent.name,
        started=format_utc(start_time(directory), milliseconds=True),
        outcome=Outcome.CRASHED,
        reason=f"its record can't be read: {message}",
        directory=directory,
    )
