"""The runs on disk: found by name, time and outcome; and the search index that the pages use."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

from kpfnb.core import atomic, settings
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.runs import formatting
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
            entries += [run for run in os.scandir(folder) if is_run_directory(run.name)]
    return [Path(run) for run in sorted(entries, key=lambda run: run.name, reverse=True)]


def is_run_directory(name: str) -> bool:
    """Whether a directory is that of a run, by its name."""
    return bool(_DIRECTORY.fullmatch(name))


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


# The search index is a script with data for each month, which the pages load. It is a script
# because a page opened from disk may load nothing else. Only the month of a run that started
# or ended is rewritten; a damaged month is rebuilt from the records.

DATA_FOLDER = "data"
JS_CALLBACK = "kpfnbRuns"
"""The function of `runs.js` that receives a month."""

MAX_TEXT_LENGTH = 160
"""The maximum length of a reason, of the key figures and of the parameters in the index."""

_FORM = re.compile(rf'{JS_CALLBACK}\("\d{{4}}-\d{{2}}", (?P<rows>\[.*\])\);\s*', re.DOTALL)


class SearchRow(NamedTuple):
    """One run; `links` has letters of `LINK_LETTERS`, `seconds` is -1 while it runs."""

    id: str
    notebook: str
    kind: str
    word: str
    started: str
    seconds: float
    reason: str
    figures: str
    parameters: str
    directory: str
    links: str


LINK_LETTERS = {"report.html": "r", "log.txt": "l", "notebook.ipynb": "n", "result.json": "j"}


def make_row(record: RunRecord) -> SearchRow:
    """The row of a run."""
    present = [
        letter for name, letter in LINK_LETTERS.items() if (record.directory / name).exists()
    ]
    return SearchRow(
        record.id,
        record.notebook,
        record.kind,
        formatting.outcome_word(record),
        record.started[:16],
        -1 if record.seconds is None else round(record.seconds, 1),
        _shorten_text(record.reason),
        _shorten_text(
            ", ".join(
                f"{name} {formatting.format_value(value)}" for name, value in record.figures.items()
            )
        ),
        _shorten_text(
            ", ".join(
                f"{name}={formatting.format_value(value)}"
                for name, value in _nonempty_parameters(record)
            )
        ),
        record.directory.name,
        "".join(present),
    )


def replace_days(runs_dir: Path, days: dict[str, list[RunRecord]]) -> None:
    """Replace the rows of some days (YYYY-MM-DD) by rows of the records, newest first."""
    months: defaultdict[str, dict[str, list[SearchRow]]] = defaultdict(dict)
    for day, records in days.items():
        months[day[:7]][day] = [make_row(record) for record in records]
    for month, changed in months.items():
        old_rows = read_month(runs_dir, month) or []
        rows = [row for row in old_rows if start_day(row.directory) not in changed]
        rows += [row for new_rows in changed.values() for row in new_rows]
        _write_month(runs_dir, month, sorted(rows, key=lambda row: row.directory, reverse=True))


def read_month(runs_dir: Path, month: str) -> list[SearchRow] | None:
    """The rows of a month, newest first; None if there are none or they are damaged."""
    try:
        match = _FORM.fullmatch(_month_path(runs_dir, month).read_text(encoding="utf-8"))
        return [SearchRow(*values) for values in json.loads(match["rows"])] if match else None
    except (OSError, ValueError, TypeError):
        return None


def list_months(runs_dir: Path) -> list[str]:
    """The months that have a script, newest first."""
    return sorted((path.stem for path in (runs_dir / DATA_FOLDER).glob("*-*.js")), reverse=True)


def stale_days(runs_dir: Path, directories: Iterable[Path]) -> set[str]:
    """The days whose runs differ from the index."""
    present: defaultdict[str, set[str]] = defaultdict(set)
    for directory in directories:
        present[start_day(directory.name)].add(directory.name)
    indexed: defaultdict[str, set[str]] = defaultdict(set)
    for month in {day[:7] for day in present} | set(list_months(runs_dir)):
        for row in read_month(runs_dir, month) or []:
            indexed[start_day(row.directory)].add(row.directory)
    return {day for day in present.keys() | indexed.keys() if present[day] != indexed[day]}


def _write_month(runs_dir: Path, month: str, rows: Sequence[SearchRow]) -> None:
    path = _month_path(runs_dir, month)
    if not rows:
        path.unlink(missing_ok=True)
        return
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    atomic.write_text(path, f'{JS_CALLBACK}("{month}", [\n{lines}\n]);\n')


def _month_path(runs_dir: Path, month: str) -> Path:
    return runs_dir / DATA_FOLDER / f"{month}.js"


def _nonempty_parameters(record: RunRecord) -> list[tuple[str, object]]:
    """The parameters that are set."""
    return [
        (name, value) for name, value in record.parameters.items() if value not in ("", [], False)
    ]


def _shorten_text(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_TEXT_LENGTH else f"{flat[: MAX_TEXT_LENGTH - 1]}…"
