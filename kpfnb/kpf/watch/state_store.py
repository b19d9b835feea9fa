"""What a watcher has handled, on disk: a restart goes on, and nothing is done twice unless touched.

One row a file: what it looked like when it was handed out, and what became of it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from kpfnb.core import sqlite
from kpfnb.kpf.watch.handler import FileStamp, WatchOutcome, WatchResult

SCHEMA = 1
MAX_REASON_LENGTH = 500

_TABLES = """
CREATE TABLE file (
  folder TEXT NOT NULL, name TEXT NOT NULL,
  size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
  state TEXT NOT NULL, attempts INTEGER NOT NULL, renewed INTEGER NOT NULL,
  changed REAL NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE INDEX unfinished ON file (state) WHERE state IN ('taken', 'failed');
CREATE INDEX changed ON file (changed) WHERE state <> 'known';
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class FileStatus(StrEnum):
    """What is known of a file."""

    KNOWN = "known"
    """It was there before the watcher's time, and is left alone until it is touched."""
    TAKEN = "taken"
    """It was handed out; found at a start, the watcher was killed meanwhile."""
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True)
class FileRecord:
    """What is remembered of a file.

    `renewed`: an earlier state of the file was handled; it stays until the new one is done.
    """

    path: str
    stamp: FileStamp
    state: FileStatus
    attempts: int
    renewed: bool
    reason: str = ""


def quarantine_damaged(path: Path) -> str:
    """Set a damaged database aside, before anybody opens it; says so, or ''.

    A new one is begun then: what was handled is looked at again.
    """
    if path.exists() and sqlite.is_damaged(path):
        return f"the memory was damaged; it is now {sqlite.quarantine_file(path).name}"
    return ""


def apply_result(row: FileRecord, end: WatchResult) -> FileRecord:
    """What to remember of a file that was handled."""
    if end.outcome is WatchOutcome.DONE:
        return replace(row, state=FileStatus.DONE, renewed=False, reason=end.reason)
    if end.outcome is WatchOutcome.GONE:
        return replace(row, state=FileStatus.GONE, reason=end.reason)
    if end.outcome is WatchOutcome.POSTPONED:
        return row
    return replace(row, state=FileStatus.FAILED, attempts=row.attempts + 1, reason=end.reason)


class StateStore:
    """The database of one watcher; one object a thread.

    `sqlite3.DatabaseError` where it is damaged; see `mend`.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _open_store(path)

    def __enter__(self) -> StateStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def known_stamps(self, folder: str) -> dict[str, FileStamp]:
        """The files of a folder that are remembered and were there last, by name."""
        query = "SELECT name, size, modified_ns FROM file WHERE folder = ? AND state <> 'gone'"
        return {
            row[0]: FileStamp(row[1], row[2]) for row in self._connection.execute(query, (folder,))
        }

    def find_file(self, path: str) -> FileRecord | None:
        """What is remembered of a file."""
        return next(self._select_files("folder = ? AND name = ?", _split_path(path)), None)

    def unfinished(self) -> list[FileRecord]:
        """The files that were handed out and are not done: taken, or failed."""
        return list(self._select_files("state IN ('taken', 'failed')"))

    def failed(self, most: int) -> list[FileRecord]:
        """Some of those that failed, the latest first."""
        return list(self._select_files("state = 'failed' ORDER BY changed DESC LIMIT ?", (most,)))

    def count_given_up(self, attempts: int) -> int:
        """How many failed so often."""
        query = "SELECT count(*) FROM file WHERE state = 'failed' AND attempts >= ?"
        found: int = self._connection.execute(query, (attempts,)).fetchone()[0]
        return found

    def ended_since(self, moment: float) -> list[tuple[float, str]]:
        """When (POSIX) and how each file ended since a moment, in order of time."""
        query = (
            "SELECT changed, state FROM file WHERE changed >= ? AND state <> 'known'"
            " AND state IN ('done', 'failed') ORDER BY changed"
        )
        return self._connection.execute(query, (moment,)).fetchall()

    def save_files(self, rows: Iterable[FileRecord]) -> None:
        """Remember these, in place of what was known of them."""
        now = time.time()
        values = [
            (
                *_split_path(row.path),
                *row.stamp,
                row.state,
                row.attempts,
                row.renewed,
                now,
                row.reason[:MAX_REASON_LENGTH],
            )
            for row in rows
        ]
        with sqlite.transaction(self._connection):
            self._connection.executemany(
                "REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def get_meta(self, name: str) -> str:
        """A fact about the whole; '' if there is none."""
        query = "SELECT value FROM fact WHERE name = ?"
        found = self._connection.execute(query, (name,)).fetchone()
        return found[0] if found else ""

    def set_meta(self, name: str, value: str) -> None:
        """Remember a fact about the whole."""
        with sqlite.transaction(self._connection):
            self._connection.execute("REPLACE INTO fact VALUES (?, ?)", (name, value))

    def _select_files(self, where: str, values: Sequence[str | int] = ()) -> Iterator[FileRecord]:
        columns = "folder, name, size, modified_ns, state, attempts, renewed, reason"
        query = f"SELECT {columns} FROM file WHERE {where}"  # noqa: S608  (only our own words)
        for (
            folder,
            name,
            size,
            modified_ns,
            state,
            attempts,
            renewed,
            reason,
        ) in self._connection.execute(query, values):
            stamp = FileStamp(size, modified_ns)
            yield FileRecord(
                f"{folder}/{name}", stamp, FileStatus(state), attempts, bool(renewed), reason
            )


def _open_store(path: Path) -> sqlite3.Connection:
    connection = sqlite.open_database(path, schema=SCHEMA, migrate=_create_tables, what="memory")
    # A crash of the machine may cost the last transactions: those files are looked at again
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _create_tables(connection: sqlite3.Connection, _: int) -> None:
    sqlite.execute_statements(connection, _TABLES)


def _split_path(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name
