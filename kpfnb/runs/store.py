"""The runs on disk: found by name, time and outcome, each with its current outcome."""

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
"""An unfinished run on another host is considered dead after this time without a heartbeat."""

_DIRECTORY = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")


def current_record(directory: Path) -> RunRecord:
    """The record with its current outcome: crashed if its process died or the record is damaged."""
    try:
        record = read_record(directory)
        if record.outcome:
            return record
        outcome, reason = classify_run(RunEndFacts(ended=False, process_alive=_is_running(record)))
    except (InvalidInputError, OSError) as error:
        return _unreadable_record(directory, str(error))
    return replace(record, outcome=outcome, reason=reason)


def current_records(directories: Iterable[Path]) -> Iterator[RunRecord]:
    """The current records of runs; those that are removed in the meantime are left out."""
    for directory in directories:
        record = current_record(directory)
        if record.outcome is not Outcome.CRASHED or directory.exists():
            yield record


def list_directories(runs_dir: Path, notebook: str = "") -> list[Path]:
    """The directories of all runs, newest first; only names are read."""
    entries: list[os.DirEntry[str]] = []
    for folder in _notebook_folders(runs_dir):
        if notebook in ("", folder.name):
            entries += [run for run in os.scandir(folder) if _DIRECTORY.fullmatch(run.name)]
    return [Path(run) for run in sorted(entries, key=lambda run: run.name, reverse=True)]


def list_runs(
    runs_dir: Path,
    *,
    notebook: str = "",
    outcome: Outcome | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[RunRecord]:
    """Records, newest first.

    Parameters
    ----------
    notebook, outcome : only runs of that notebook, or that ended so
    since : only runs that started then or later
    limit : maximum number of records
    """
    directories = list_directories(runs_dir, notebook)
    if since:
        directories = list(takewhile(lambda path: start_time(path) >= since, directories))
    records = (
        record
        for record in current_records(directories)
        if outcome is None or record.outcome is outcome
    )
    return list(islice(records, limit))


def start_time(directory: Path) -> datetime:
    """The start of a run (UTC), from the name of its directory."""
    stamp = directory.name.partition("-")[0]
    return datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)


def find_run(identity: str, *, runs_dir: Path | None = None) -> RunRecord:
    """The run whose id starts with `identity`; `InvalidInputError` if there are none or several."""
    runs_dir = runs_dir or settings.load_settings().runs_dir
    matches = [
        directory
        for directory in list_directories(runs_dir)
        if directory.name.partition("-")[2].startswith(identity)
    ]
    if len(matches) == 1 and identity:
        return current_record(matches[0])
    if not matches or not identity:
        raise InvalidInputError(f"no run {identity!r} in {runs_dir}", "`kpfnb runs` lists them")
    names = ", ".join(f"{match.name[-8:]} ({match.parent.name})" for match in matches[:5])
    raise InvalidInputError(
        f"{len(matches)} runs start with {identity!r}: {names}", "give more of the id"
    )


def start_day(directory_name: str) -> str:
    """The day (UTC, YYYY-MM-DD) on which a run started, from the name of its directory."""
    return f"{directory_name[:4]}-{directory_name[4:6]}-{directory_name[6:8]}"


def _notebook_folders(runs_dir: Path) -> Iterator[os.DirEntry[str]]:
    if not runs_dir.is_dir():
        return
    yield from (entry for entry in os.scandir(runs_dir) if entry.is_dir())


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
