"""The runs that are running, how far they are, and the failures that nobody has resolved yet."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from kpfnb.core import atomic, logs
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.home.file_cache import FileCache
from kpfnb.runs import LOG_NAME, RunRecord, store
from kpfnb.runs.record import TIME_FORMAT

HOME_NOTEBOOK = "home"
UNRESOLVED_OUTCOMES = (Outcome.FAILED, Outcome.CRASHED, Outcome.PARTIAL)
"""After `rejected` and `skipped` nothing was done, so there is nothing to repair."""

PROGRESS_NAME = "progress.json"
LOG_BYTES = 4000
LOG_LINES = 20


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes
    ----------
    total : None if it is not known
    seconds : since the start of this part of the work
    """

    title: str
    done: int
    total: int | None
    failed: int = 0
    note: str = ""
    seconds: float = 0.0


class RunReader:
    """Reads the records of recent runs.

    Those that have ended are read once, and a directory is listed only after a change: the runs of
    years cost nothing.
    """

    def __init__(self) -> None:
        self._names = FileCache[list[str]]()
        self._ended: dict[Path, RunRecord] = {}

    def read(self, runs_dir: Path, since: datetime) -> list[RunRecord]:
        """The records of the runs that started then or later, newest first."""
        first = since.strftime(TIME_FORMAT)
        recent = [
            folder / name
            for folder in _list_folders(runs_dir)
            for name in self._names.get(folder, partial(_list_runs, folder))
            if name >= first
        ]
        recent.sort(key=lambda path: path.name, reverse=True)
        unknown = [path for path in recent if path not in self._ended]
        new = {record.directory: record for record in store.current_records(unknown)}
        # What they were made with is not shown, and takes most of the memory
        self._ended |= {
            path: replace(record, versions={}) for path, record in new.items() if record.finished
        }
        for path in self._ended.keys() - set(recent):
            del self._ended[path]
        known = self._ended | new
        return [known[path] for path in recent if path in known]


def find_running(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The runs that have not ended."""
    return [record for record in records if record.outcome is None]


def find_unresolved(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The failures after which no run of the notebook with the same parameters has succeeded.

    records : newest first. Of several failures with the same parameters only the newest counts
    """
    settled: set[str] = set()
    unresolved = []
    for record in records:
        key = parameter_key(record)
        if key in settled:
            continue
        if record.outcome is Outcome.SUCCEEDED:
            settled.add(key)
        elif record.outcome in UNRESOLVED_OUTCOMES:
            settled.add(key)
            unresolved.append(record)
    return unresolved


def parameter_key(record: RunRecord) -> str:
    """The same text for runs of a notebook with the same parameters."""
    return f"{record.notebook} {sorted(record.parameters.items())}"


def is_own_run(record: RunRecord) -> bool:
    """True for runs of the home page, and for the run that shows it (papermill's has no name)."""
    is_mine = (record.host, record.pid) == (socket.gethostname(), os.getpid())
    return record.notebook == HOME_NOTEBOOK or (record.outcome is None and is_mine)


def read_progress(record: RunRecord) -> RunProgress | None:
    """How far a run is; None if it does not say so."""
    try:
        values = atomic.read_json(record.directory / PROGRESS_NAME)
        total = values.get("total")
        return RunProgress(
            str(values["title"]),
            int(values["done"]),
            None if total is None else int(total),
            int(values.get("failed") or 0),
            str(values.get("note") or ""),
            float(values.get("seconds") or 0),
        )
    except (OSError, InvalidInputError, AttributeError, KeyError, TypeError, ValueError):
        return None


def read_log_end(record: RunRecord) -> str:
    """The last lines of the log of a run; '' if there is none."""
    return logs.redact_secrets("\n".join(_last_lines(record.directory / LOG_NAME)))


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    whole = lines[1:] if size > LOG_BYTES else lines
    return whole[-LOG_LINES:]


def _list_folders(runs_dir: Path) -> Iterator[Path]:
    try:
        with os.scandir(runs_dir) as entries:
            yield from (Path(entry.path) for entry in entries if entry.is_dir())
    except OSError:
        return


def _list_runs(folder: Path) -> list[str]:
    """The names of the directories of a notebook's runs."""
    try:
        return [name for name in os.listdir(folder) if store.is_run_directory(name)]
    except OSError:
        return []
