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

from kpfnb import sqlitefile
from kpfnb.watching.kind import Ended, Fate, Stamp

SCHEMA = 1
REASON_LENGTH = 500

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


class State(StrEnum):
    """What is known of a file."""

    KNOWN = "known"
    """It was there before the watcher's time, and is left alone until it is touched."""
    TAKEN = "taken"
    """It was handed out; found at a start, the watcher was killed meanwhile."""
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True)
class Row:
    """What is remembered of a file.

    `renewed`: an earlier state of the file was handled; it stays until the new one is done.
    """

    path: str
    stamp: Stamp
    state: State
    attempts: int
    renewed: bool
    reason: str = ""


def mend(path: Path) -> str:
    """Set a damaged database aside, before anybody opens it; says so, or ''.

    A new one is begun then: what was handled is looked at again.
    """
    if path.exists() and sqlitefile.is_damaged(path):
        return f"the memory was damaged; it is now {sqlitefile.move_aside(path).name}"
    return ""


def after(row: Row, end: Ended) -> Row:
    """What to remember of a file that was handled."""
    if end.fate is Fate.DONE:
        return replace(row, state=State.DONE, renewed=False, reason=end.reason)
    if end.fate is Fate.GONE:
        return replace(row, state=State.GONE, reason=end.reason)
    if end.fate is Fate.POSTPONED:
        return row
    return replace(row, state=State.FAILED, attempts=row.attempts + 1, reason=end.reason)


class Memory:
    """The database of one watcher; one object a thread.

    `sqlite3.DatabaseError` where it is damaged; see `mend`.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _open(path)

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def known(self, folder: str) -> dict[str, Stamp]:
        """The files of a folder that are remembered and were there last, by name."""
        query = "SELECT name, size, modified_ns FROM file WHERE folder = ? AND state <> 'gone'"
        return {row[0]: Stamp(row[1], row[2]) for row in self._connection.execute(query, (folder,))}

    def find(self, path: str) -> Row | None:
        """What is remembered of a file."""
        return next(self._rows("folder = ? AND name = ?", _split(path)), None)

    def unfinished(self) -> list[Row]:
        """The files that were handed out and are not done: taken, or failed."""
        return list(self._rows("state IN ('taken', 'failed')"))

    def failed(self, most: int) -> list[Row]:
        """Some of those that failed, the latest first."""
        return list(self._rows("state = 'failed' ORDER BY changed DESC LIMIT ?", (most,)))

    def given_up(self, attempts: int) -> int:
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

    def put(self, rows: Iterable[Row]) -> None:
        """Remember these, in place of what was known of them."""
        now = time.time()
        values = [
            (
                *_split(row.path),
                *row.stamp,
                row.state,
                row.attempts,
                row.renewed,
                now,
                row.reason[:REASON_LENGTH],
            )
            for row in rows
        ]
        with sqlitefile.transaction(self._connection):
            self._connection.executemany(
                "REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
            )

    def fact(self, name: str) -> str:
        """A fact about the whole; '' if there is none."""
        query = "SELECT value FROM fact WHERE name = ?"
        found = self._connection.execute(query, (name,)).fetchone()
        return found[0] if found else ""

    def keep_fact(self, name: str, value: str) -> None:
        """Remember a fact about the whole."""
        with sqlitefile.transaction(self._connection):
            self._connection.execute("REPLACE INTO fact VALUES (?, ?)", (name, value))

    def _rows(self, where: str, values: Sequence[str | int] = ()) -> Iterator[Row]:
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
            stamp = Stamp(size, modified_ns)
            yield Row(f"{folder}/{name}", stamp, State(state), attempts, bool(renewed), reason)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlitefile.connect(path, schema=SCHEMA, make=_make, what="memory")
    # A crash of the machine may cost the last transactions: those files are looked at again
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _make(connection: sqlite3.Connection, _: int) -> None:
    sqlitefile.execute_all(connection, _TABLES)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name
