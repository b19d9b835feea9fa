"""SQLite files of our own below the work directory: opened, made, moved aside where damaged.

Many processes may use one at once: WAL, short transactions, a busy timeout.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kpfnb.core import locks
from kpfnb.core.errors import InvalidInputError

BUSY_SECONDS = 10


def open_database(
    path: Path, *, schema: int, migrate: Callable[[sqlite3.Connection, int], None], what: str
) -> sqlite3.Connection:
    """Open a file, and bring it up to its schema.

    Parameters
    ----------
    path : its folder is made where there is none
    schema : the `user_version` that this kpfnb knows
    make : makes the tables, or brings older ones up to date; it takes the connection, in a
        transaction, and the version found (0: a new file)
    what : what the file is, for errors

    Raises `InvalidInputError` for a file of a newer kpfnb, `sqlite3.Error` for one that can't be used, and
    `AlreadyRunningError` where another process has been making it for ten seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if _version(connection, path, schema, what) < schema:
            # Two that change a file to WAL at once do not wait for each other
            with exclusive_access(path):
                connection.execute("PRAGMA journal_mode = WAL")
                with transaction(connection):
                    found = _version(connection, path, schema, what)
                    if found < schema:
                        migrate(connection, found)
                        connection.execute(f"PRAGMA user_version = {schema}")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path, schema: int, what: str) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > schema:
        raise InvalidInputError(
            f"the {what} {path} is of a newer kpfnb (schema {found}; this one knows {schema})",
            "use the newer kpfnb, or another KPFNB_WORK_DIR",
        )
    return found


def execute_statements(connection: sqlite3.Connection, statements: str) -> None:
    """Execute statements that end with semicolons, in the transaction that is open."""
    for statement in filter(str.strip, statements.split(";")):
        connection.execute(statement)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written in the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.commit()
    except BaseException:
        # On a full disk SQLite may have rolled back by itself
        if connection.in_transaction:
            connection.rollback()
        raise


@contextmanager
def exclusive_access(path: Path) -> Iterator[None]:
    """Be the only process that makes or replaces the file."""
    with locks.acquire_lock(path.name, wait_seconds=BUSY_SECONDS, folder=path.parent):
        yield


def is_damaged(path: Path) -> bool:
    """Look through the whole file."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:
        # Busy, full or not to be read: that is not damage
        raise
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()


def quarantine_file(path: Path) -> Path:
    """Rename a damaged file, so that a new one can be begun; returns its new path."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.stem}.damaged-{moment}{path.suffix}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
