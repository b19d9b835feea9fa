"""What was read of the files of a KPF tree, kept in one SQLite file below the work directory.

Two tables. `file` holds what a file's header told, good as long as size and modification time are
the same. `night` holds whole nights as they were judged, for `kpfnb.kpf.progress` to trust for
a short while. Both can be made again at any time: an index of an older kpfnb or a damaged one is
replaced, and where none can be written the work goes on without.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from kpfnb import sqlitefile
from kpfnb.errors import BadSettings, Busy

SCHEMA = 2

_TABLES = """
CREATE TABLE folder (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE file (
  folder INTEGER NOT NULL REFERENCES folder, name TEXT NOT NULL,
  size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, facts TEXT NOT NULL,
  PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE TABLE night (
  folder INTEGER NOT NULL REFERENCES folder, question TEXT NOT NULL,
  stamp TEXT NOT NULL, looked_at REAL NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (folder, question)
) WITHOUT ROWID;
"""

T = TypeVar("T")


class Entry(NamedTuple):
    """What is remembered of one file."""

    size: int
    modified_ns: int
    facts: str
    """What its reader found, in the reader's own words; '' where only its beginning was seen."""


class Index:
    """The index in a file; without a path it remembers nothing.

    A context manager. `notes` says, for a person, where it was replaced or could not be used.
    """

    def __init__(self, path: Path | None) -> None:
        self.notes: list[str] = []
        self._path = path
        self._folders: dict[str, int] = {}
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            self._guarded(lambda: setattr(self, "_connection", _open(path)), None)

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def files(self, folder: Path) -> dict[str, Entry]:
        """What is remembered of the files of a folder, by name."""

        def select(connection: sqlite3.Connection) -> dict[str, Entry]:
            rows = connection.execute(
                "SELECT name, size, modified_ns, facts FROM file WHERE folder = ?",
                (self._folder(connection, folder),),
            )
            return {name: Entry(*rest) for name, *rest in rows}

        return self._with(select, {})

    def remember(self, folder: Path, learned: Mapping[str, Entry], gone: Collection[str]) -> None:
        """Keep what was learned of a folder's files, forget those that are gone."""
        if not learned and not gone:
            return

        def write(connection: sqlite3.Connection) -> None:
            number = self._folder(connection, folder)
            rows = [(number, name, *entry) for name, entry in learned.items()]
            with sqlitefile.transaction(connection):
                connection.executemany("REPLACE INTO file VALUES (?, ?, ?, ?, ?)", rows)
                connection.executemany(
                    "DELETE FROM file WHERE folder = ? AND name = ?",
                    [(number, name) for name in gone],
                )

        self._with(write, None)

    def night(self, folder: Path, question: str, stamp: str, *, since: float) -> str:
        """The answer kept for a night's raw folder; '' if none, or from before `since` (POSIX)."""

        def select(connection: sqlite3.Connection) -> str:
            found = connection.execute(
                "SELECT answer FROM night"
                " WHERE folder = ? AND question = ? AND stamp = ? AND looked_at >= ?",
                (self._folder(connection, folder), question, stamp, since),
            ).fetchone()
            return found[0] if found else ""

        return self._with(select, "")

    def keep_night(
        self, folder: Path, question: str, stamp: str, *, looked_at: float, answer: str
    ) -> None:
        """Keep the answer for a night; answers to other questions about it stay for their time."""

        def write(connection: sqlite3.Connection) -> None:
            row = (self._folder(connection, folder), question, stamp, looked_at, answer)
            with sqlitefile.transaction(connection):
                connection.execute("REPLACE INTO night VALUES (?, ?, ?, ?, ?)", row)

        self._with(write, None)

    def drop_nights(self, *, before: float) -> None:
        """Drop the answers that were given before that POSIX time."""

        def delete(connection: sqlite3.Connection) -> None:
            with sqlitefile.transaction(connection):
                connection.execute("DELETE FROM night WHERE looked_at < ?", (before,))

        self._with(delete, None)

    def forget_night(self, folder: Path) -> None:
        """Forget all answers for a night: files in it were touched in place."""

        def delete(connection: sqlite3.Connection) -> None:
            number = self._folder(connection, folder)
            with sqlitefile.transaction(connection):
                connection.execute("DELETE FROM night WHERE folder = ?", (number,))

        self._with(delete, None)

    def _folder(self, connection: sqlite3.Connection, folder: Path) -> int:
        # One tree may be reached by several names
        path = os.path.realpath(folder)
        if path not in self._folders:
            query = "SELECT id FROM folder WHERE path = ?"
            found = connection.execute(query, (path,)).fetchone()
            if not found:
                with sqlitefile.transaction(connection):
                    connection.execute("INSERT OR IGNORE INTO folder (path) VALUES (?)", (path,))
                found = connection.execute(query, (path,)).fetchone()
            self._folders[path] = found[0]
        return self._folders[path]

    def _with(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        connection = self._connection
        if connection is None:
            return otherwise
        return self._guarded(lambda: work(connection), otherwise)

    def _guarded(self, work: Callable[[], T], otherwise: T) -> T:
        """Do the work; an index that can't be used is given up, a damaged one replaced."""
        try:
            return work()
        except (sqlite3.OperationalError, OSError, Busy, BadSettings) as error:
            self._give_up(error)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            self._replace()
        return otherwise

    def _give_up(self, error: Exception) -> None:
        self._close()
        self.notes.append(f"without the index {self._path} ({_one_line(error)})")

    def _replace(self) -> None:
        """Move the damaged file aside and begin a new one."""
        path = self._path
        assert path is not None
        self._close()
        try:
            with sqlitefile.locked(path):
                if sqlitefile.is_damaged(path):
                    aside = sqlitefile.move_aside(path)
                    self.notes.append(f"the index was damaged; it is now {aside.name}")
            self._connection = _open(path)
        except (sqlite3.DatabaseError, OSError, Busy, BadSettings) as error:
            self._give_up(error)

    def _close(self) -> None:
        self._folders.clear()
        if self._connection:
            self._connection.close()
            self._connection = None


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlitefile.connect(path, schema=SCHEMA, make=_make, what="index")
    # A crash of the machine may cost the last transactions: they are read again
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _make(connection: sqlite3.Connection, _: int) -> None:
    """Make the tables, in place of those of an older kpfnb."""
    for table in ("night", "file", "folder"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    sqlitefile.execute_all(connection, _TABLES)


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
