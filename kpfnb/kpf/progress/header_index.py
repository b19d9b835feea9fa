"""Index of header keywords of a KPF tree: a cache in one SQLite file in the work directory.

It has two tables. `file` holds keywords of a file's header, valid as long as size and modification
time are the same. `night` holds results of whole nights, which `kpfnb.kpf.progress.evaluation` may
use for a short time. Both can be rebuilt at any time: an index of an older kpfnb and a damaged one
are replaced, and if the file can't be written the work continues without it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from kpfnb.core import sqlite
from kpfnb.core.errors import AlreadyRunningError, InvalidSettingsError

SCHEMA = 3
"""Increased when other keywords are read, so that what an older kpfnb read is read again."""

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


class IndexedFile(NamedTuple):
    """What the index holds of one file."""

    size: int
    modified_ns: int
    facts: str
    """The text that its reader returned; '' if only its beginning was checked."""


class HeaderIndex:
    """The index in a file, a context manager; without a path it stores nothing.

    `notes` says, for a person, if it was replaced or could not be used.
    """

    def __init__(self, path: Path | None) -> None:
        self.notes: list[str] = []
        self._path = path
        self._folders: dict[str, int] = {}
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            self._run_guarded(lambda: setattr(self, "_connection", _open_index(path)), None)

    def __enter__(self) -> HeaderIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def known_files(self, folder: Path) -> dict[str, IndexedFile]:
        """The indexed files of a directory, by name."""

        def select(connection: sqlite3.Connection) -> dict[str, IndexedFile]:
            rows = connection.execute(
                "SELECT name, size, modified_ns, facts FROM file WHERE folder = ?",
                (self._folder_id(connection, folder),),
            )
            return {name: IndexedFile(*rest) for name, *rest in rows}

        return self._query(select, {})

    def update_files(
        self, folder: Path, new_files: Mapping[str, IndexedFile], gone: Collection[str]
    ) -> None:
        """Store what was read of a directory's files, and delete those that are gone."""
        if not new_files and not gone:
            return

        def write(connection: sqlite3.Connection) -> None:
            number = self._folder_id(connection, folder)
            rows = [(number, name, *entry) for name, entry in new_files.items()]
            with sqlite.transaction(connection):
                connection.executemany("REPLACE INTO file VALUES (?, ?, ?, ?, ?)", rows)
                connection.executemany(
                    "DELETE FROM file WHERE folder = ? AND name = ?",
                    [(number, name) for name in gone],
                )

        self._query(write, None)

    def load_night(self, folder: Path, question: str, stamp: str, *, since: float) -> str:
        """The stored answer for a night's raw directory; '' if none since that POSIX time."""

        def select(connection: sqlite3.Connection) -> str:
            row = connection.execute(
                "SELECT answer FROM night"
                " WHERE folder = ? AND question = ? AND stamp = ? AND looked_at >= ?",
                (self._folder_id(connection, folder), question, stamp, since),
            ).fetchone()
            return row[0] if row else ""

        return self._query(select, "")

    def store_night(
        self, folder: Path, question: str, stamp: str, *, looked_at: float, answer: str
    ) -> None:
        """Store the answer for a night; answers to other questions about it are kept."""

        def write(connection: sqlite3.Connection) -> None:
            row = (self._folder_id(connection, folder), question, stamp, looked_at, answer)
            with sqlite.transaction(connection):
                connection.execute("REPLACE INTO night VALUES (?, ?, ?, ?, ?)", row)

        self._query(write, None)

    def delete_nights(self, *, before: float) -> None:
        """Delete the answers older than that POSIX time."""

        def delete(connection: sqlite3.Connection) -> None:
            with sqlite.transaction(connection):
                connection.execute("DELETE FROM night WHERE looked_at < ?", (before,))

        self._query(delete, None)

    def invalidate_night(self, folder: Path) -> None:
        """Delete all answers for a night: files in it were touched in place."""

        def delete(connection: sqlite3.Connection) -> None:
            number = self._folder_id(connection, folder)
            with sqlite.transaction(connection):
                connection.execute("DELETE FROM night WHERE folder = ?", (number,))

        self._query(delete, None)

    def _folder_id(self, connection: sqlite3.Connection, folder: Path) -> int:
        # One tree may be reached by several names
        path = os.path.realpath(folder)
        if path not in self._folders:
            query = "SELECT id FROM folder WHERE path = ?"
            row = connection.execute(query, (path,)).fetchone()
            if not row:
                with sqlite.transaction(connection):
                    connection.execute("INSERT OR IGNORE INTO folder (path) VALUES (?)", (path,))
                row = connection.execute(query, (path,)).fetchone()
            self._folders[path] = row[0]
        return self._folders[path]

    def _query(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        connection = self._connection
        if connection is None:
            return otherwise
        return self._run_guarded(lambda: work(connection), otherwise)

    def _run_guarded(self, work: Callable[[], T], otherwise: T) -> T:
        """Call `work`; an index that can't be used is closed, a damaged one replaced."""
        try:
            return work()
        except (
            sqlite3.OperationalError,
            OSError,
            AlreadyRunningError,
            InvalidSettingsError,
        ) as error:
            self._disable(error)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            self._replace()
        return otherwise

    def _disable(self, error: Exception) -> None:
        self._close()
        self.notes.append(f"without the index {self._path} ({_one_line(error)})")

    def _replace(self) -> None:
        """Move the damaged file aside and create a new one."""
        path = self._path
        assert path is not None
        self._close()
        try:
            with sqlite.exclusive_access(path):
                if sqlite.is_damaged(path):
                    aside = sqlite.quarantine_file(path)
                    self.notes.append(f"the index was damaged; it is now {aside.name}")
            self._connection = _open_index(path)
        except (sqlite3.DatabaseError, OSError, AlreadyRunningError, InvalidSettingsError) as error:
            self._disable(error)

    def _close(self) -> None:
        self._folders.clear()
        if self._connection:
            self._connection.close()
            self._connection = None


def _open_index(path: Path) -> sqlite3.Connection:
    connection = sqlite.open_database(path, schema=SCHEMA, migrate=_create_tables, what="index")
    # A crash of the machine may cost the last transactions: they are read again
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _create_tables(connection: sqlite3.Connection, _: int) -> None:
    """Make the tables, in place of those of an older kpfnb."""
    for table in ("night", "file", "folder"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    sqlite.execute_statements(connection, _TABLES)


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
