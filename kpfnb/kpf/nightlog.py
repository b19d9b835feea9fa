"""The night log: which night was processed when, with which version, and how it ended.

Rows are only ever added. It is a record for people: whether a night is done is told by its
products, which somebody may have removed since.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from kpfnb.errors import BadInput
from kpfnb.settings import Settings

FORMAT = 1
"""`user_version` of the file; another one is refused."""

BUSY_SECONDS = 30


@dataclass(frozen=True)
class Entry:
    """One night in one run; times are UTC, ISO 8601."""

    run: str
    root: str
    night: str
    version: str
    started: str
    ended: str
    done: int
    skipped: int
    failed: int
    junk: int
    unreached: int
    folder: str
    """Where the DRP's lists and logs of that run are."""


_COLUMNS = tuple(field.name for field in fields(Entry))
_INSERT = f"INSERT INTO nights ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM nights WHERE root = ? ORDER BY rowid"  # noqa: S608


def path(settings: Settings) -> Path:
    """Where the night log is."""
    return settings.work_dir / "nights.sqlite"


def add(file: Path, entry: Entry) -> None:
    """Add a row; a log that can't be written is a `BadInput`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(_open(file)) as database, database:
            database.execute(_INSERT, astuple(entry))
    except (OSError, sqlite3.Error) as error:
        raise _unusable(file, error) from error


def read(file: Path, root: Path | str) -> list[Entry]:
    """The rows of a data root, oldest first; none where there is no log yet."""
    if not file.exists():
        return []
    try:
        with closing(_open(file)) as database:
            return [Entry(*row) for row in database.execute(_SELECT, [str(root)])]
    except (OSError, sqlite3.Error) as error:
        raise _unusable(file, error) from error


def _open(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=BUSY_SECONDS)
    try:
        _prepare(file, database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(file: Path, database: sqlite3.Connection) -> None:
    """Make the table in a new file, refuse a file of another format."""
    with database:
        # The lock comes before the look: two first runs at once make one table
        database.execute("BEGIN IMMEDIATE")
        [found] = database.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise BadInput(
                f"the night log {file} has format {found}, this kpfnb knows {FORMAT}",
                "use the kpfnb that wrote it, or move the file away to begin a new one",
            )
        if not found:
            database.execute(f"CREATE TABLE nights ({', '.join(_COLUMNS)})")
            database.execute(f"PRAGMA user_version = {FORMAT}")


def _unusable(file: Path, error: Exception) -> BadInput:
    return BadInput(
        f"the night log {file} can't be used: {error}",
        "make room and make it writable, or move it away to begin a new one",
    )
