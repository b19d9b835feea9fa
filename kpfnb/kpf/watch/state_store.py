"""Database of the files that a watcher has handled: a restart continues, and nothing is done twice.

It has one row a file: its state when it was handled, and the outcome. A file that was touched since
is handled again.
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
STORE_NAME = "memory.sqlite"

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
    """Status of a file."""

    KNOWN = "known"
    """It existed before the watcher's first start, and is not handled until it is touched."""
    TAKEN = "taken"
    """It is being handled; if found at a start, the watcher was killed before the end."""
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True)
class FileRecord:
    """The record of a file.

    `renewed`: an earlier state of the file was handled; it stays set until the new one is done.
    """

    path: str
    stamp: FileStamp
    state: FileStatus
    attempts: int
    renewed: bool
    reason: str = ""


def quarantine_damaged(path: Path) -> str:
    """Set a damaged database aside before it is opened; returns a note, or ''.

    A new one is created then, and handled files are checked again.
    """
    if path.exists() and sqlite.is_damaged(path):
        return f"the state database was damaged; it is now {sqlite.quarantine_file(path).name}"
    return ""


def apply_result(record: FileRecord, result: WatchResult) -> FileRecord:
    """The new record of a file after it was handled."""
    if result.outcome is WatchOutcome.DONE:
        return replace(record, state=FileStatus.DONE, renewed=False, reason=result.reason)
    if result.outcome is WatchOutcome.GONE:
        return replace(record, state=FileStatus.GONE, reason=result.reason)
    if result.outcome is WatchOutcome.POSTPONED:
        return record
    return replace(
        record, state=FileStatus.FAILED, attempts=record.attempts + 1, reason=result.reason
    )


class StateStore:
    """The database of one watcher; each thread needs its own object.

    A damaged file is a `sqlite3.DatabaseError`; see `quarantine_damaged`.
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
        """The recorded stamps of the files in a directory, by name, without files that are gone."""
        query = "SELECT name, size, modified_ns FROM file WHERE folder = ? AND state <> 'gone'"
        return {
            name: FileStamp(size, modified_ns)
            for name, size, modified_ns in self._connection.execute(query, (folder,))
        }

    def find_file(self, path: str) -> FileRecord | None:
        """The record of a file; None if there is none."""
        return next(self._select_files("folder = ? AND name = ?", _split_path(path)), None)

    def unfinished(self) -> list[FileRecord]:
        """The files that are taken or failed."""
        return list(self._select_files("state IN ('taken', 'failed')"))

    def failed(self, limit: int) -> list[FileRecord]:
        """The latest failed files, latest first."""
        return list(self._select_files("state = 'failed' ORDER BY changed DESC LIMIT ?", (limit,)))

    def count_given_up(self, attempts: int) -> int:
        """The number of files that failed in this many attempts."""
        query = "SELECT count(*) FROM file WHERE state = 'failed' AND attempts >= ?"
        count: int = self._connection.execute(query, (attempts,)).fetchone()[0]
        return count

    def ended_since(self, moment: float) -> list[tuple[float, str]]:
        """Time (POSIX) and status of each file that was handled since `moment`, by time."""
        query = (
            "SELECT changed, state FROM file WHERE changed >= ? AND state <> 'known'"
            " AND state IN ('done', 'failed') ORDER BY changed"
        )
        return self._connection.execute(query, (moment,)).fetchall()

    def save_files(self, records: Iterable[FileRecord]) -> None:
        """Store records, in place of older ones of the same files."""
        now = time.time()
        values = [
            (
                *(*_split_path(record.path), *record.stamp),
                *(record.state, record.attempts, record.renewed),
                now,
                record.reason[:MAX_REASON_LENGTH],
            )
            for record in records
        ]
        with sqlite.transaction(self._connection):
            self._connection.executemany(
                "REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def get_meta(self, name: str) -> str:
        """A value for the whole database; '' if it is not set."""
        query = "SELECT value FROM fact WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return row[0] if row else ""

    def set_meta(self, name: str, value: str) -> None:
        """Set a value for the whole database."""
        with sqlite.transaction(self._connection):
            self._connection.execute("REPLACE INTO fact VALUES (?, ?)", (name, value))

    def _select_files(self, where: str, values: Sequence[str | int] = ()) -> Iterator[FileRecord]:
        columns = "folder, name, size, modified_ns, state, attempts, renewed, reason"
        query = f"SELECT {columns} FROM file WHERE {where}"  # noqa: S608  (no user input)
        for folder, name, size, modified_ns, state, *rest in self._connection.execute(
            query, values
        ):
            attempts, renewed, reason = rest
            stamp = FileStamp(size, modified_ns)
            yield FileRecord(
                f"{folder}/{name}", stamp, FileStatus(state), attempts, bool(renewed), reason
            )


def _open_store(path: Path) -> sqlite3.Connection:
    connection = sqlite.open_database(
        path, schema=SCHEMA, migrate=_create_tables, what="state of the watcher"
    )
    # A crash of the machine may lose the last transactions: those files are checked again
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _create_tables(connection: sqlite3.Connection, _: int) -> None:
    sqlite.execute_statements(connection, _TABLES)


def _split_path(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name
