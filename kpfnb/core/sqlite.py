"""SQLite files in the work directory: opened, created, migrated, set aside if damaged.

Several processes may use one at the same time: WAL, short transactions, a busy timeout.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb.core.clock import file_stamp
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, InvalidSettingsError

BUSY_SECONDS = 10


def open_database(
    path: Path, *, schema: int, migrate: Callable[[sqlite3.Connection, int], None], what: str
) -> sqlite3.Connection:
    """Open a file; create or migrate its tables if its schema is older.

    Parameters
    ----------
    path : its directory is created if it does not exist
    schema : the `user_version` that this kpfnb knows
    migrate : creates the tables or migrates older ones; called in a transaction with the connection
        and the version of the file (0: a new file)
    what : what the file is, for errors

    Raises
    ------
    InvalidInputError : the file was written by a newer kpfnb
    AlreadyRunningError : another process has been creating it for ten seconds
    sqlite3.Error : it can't be used
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if _schema_version(connection, path, schema, what) < schema:
            # Two processes that change a file to WAL at the same time do not wait for each other
            with exclusive_access(path):
                connection.execute("PRAGMA journal_mode = WAL")
                with transaction(connection):
                    version = _schema_version(connection, path, schema, what)
                    if version < schema:
                        migrate(connection, version)
                        connection.execute(f"PRAGMA user_version = {schema}")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema_version(connection: sqlite3.Connection, path: Path, schema: int, what: str) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > schema:
        raise InvalidInputError(
            f"a newer kpfnb wrote the {what} {path} (schema {version}; this one has {schema})",
            "use the newer kpfnb, or another KPFNB_WORK_DIR",
        )
    return version


def execute_statements(connection: sqlite3.Connection, statements: str) -> None:
    """Execute statements that end with semicolons, in the current transaction."""
    for statement in filter(str.strip, statements.split(";")):
        connection.execute(statement)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction: all changes in the block are written, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.commit()
    except BaseException:
        # On a full disk SQLite may have rolled back itself
        if connection.in_transaction:
            connection.rollback()
        raise


@contextmanager
def exclusive_access(path: Path) -> Iterator[None]:
    """Be the only process that creates or replaces the file.

    Raises
    ------
    AlreadyRunningError : another process has been doing so for `BUSY_SECONDS`
    InvalidSettingsError : the directory can't be written
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=BUSY_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise AlreadyRunningError(
            f"another process creates or replaces {path}", "wait for it to end, or stop it"
        ) from None
    except OSError as error:
        raise InvalidSettingsError(
            f"can't create {path}: {error.strerror}",
            f"make {path.parent} writable, with free space on its disk",
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_damaged(path: Path) -> bool:
    """True if a check of the whole file finds an error."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:
        # Busy, full or not readable is not damaged
        raise
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()


def quarantine_file(path: Path) -> Path:
    """Rename a damaged file, so that a new one can be created; returns its new path."""
    damaged = path.with_name(f"{path.stem}.damaged-{file_stamp()}{path.suffix}")
    path.rename(damaged)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return damaged
