"""What was read of the files of a KPF tree, kept in one SQLite file below the work directory.

Two tables. `file` holds what a file's header told, good as long as size and modification time are
the same. `night` holds whole nights as they were judged, for `kpfnb.kpf.progress` to trust for
a short while. Both can be made again at any time: an index of an older kpfnb or a damaged one is
replaced, and where none can be written the work goes on without.

Many processes may use it at once: WAL, short transactions, a busy timeout.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from kpfnb import locks
from kpfnb.errors import BadInput, BadSettings, Busy

SCHEMA = 2
BUSY_SECONDS = 10

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
            with _transaction(connection):
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
            with _transaction(connection):
                connection.execute("REPLACE INTO night VALUES (?, ?, ?, ?, ?)", row)

        self._with(write, None)

    def drop_nights(self, *, before: float) -> None:
        """Drop the answers that were given before that POSIX time."""

        def delete(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("DELETE FROM night WHERE looked_at < ?", (before,))

        self._with(delete, None)

    def forget_night(self, folder: Path) -> None:
        """Forget all answers for a night: files in it were touched in place."""

        def delete(connection: sqlite3.Connection) -> None:
            number = self._folder(connection, folder)
            with _transaction(connection):
                connection.execute("DELETE FROM night WHERE folder = ?", (number,))

        self._with(delete, None)

    def _folder(self, connection: sqlite3.Connection, folder: Path) -> int:
        # One tree may be reached by several names
        path = os.path.realpath(folder)
        if path not in self._folders:
            query = "SELECT id FROM folder WHERE path = ?"
            found = connection.execute(query, (path,)).fetchone()
            if not found:
                with _transaction(connection):
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
            with _locked(path):
                if _is_damaged(path):
                    self.notes.append(f"the index was damaged; it is now {_move_aside(path).name}")
            self._connection = _open(path)
        except (sqlite3.DatabaseError, OSError, Busy, BadSettings) as error:
            self._give_up(error)

    def _close(self) -> None:
        self._folders.clear()
        if self._connection:
            self._connection.close()
            self._connection = None


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if _schema(connection, path) < SCHEMA:
            with _locked(path):
                _create(connection, path)
        # A crash of the machine may cost the last transactions: they are read again
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema(connection: sqlite3.Connection, path: Path) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA:
        raise BadInput(
            f"the index {path} is of a newer kpfnb (schema {found}; this one knows {SCHEMA})",
            "use the newer kpfnb, or another KPFNB_WORK_DIR",
        )
    return found


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, in place of those of an older kpfnb, unless another process just has."""
    connection.execute("PRAGMA journal_mode = WAL")
    if _schema(connection, path) == SCHEMA:
        return
    with _transaction(connection):
        for table in ("night", "file", "folder"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with locks.hold(path.stem, wait_seconds=BUSY_SECONDS, folder=path.parent):
        yield


def _is_damaged(path: Path) -> bool:
    """False where another process has replaced the file in the meantime."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()


def _move_aside(path: Path) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.stem}.damaged-{moment}{path.suffix}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
