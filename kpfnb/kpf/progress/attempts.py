"""The last attempt of the DRP at each observation: by whom, when, and how it ended.

Reprocessings and the watcher record it, so that a missing product can say why it is missing. Only
the last attempt is kept. It is a record for people: no decision about what is done depends on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from kpfnb.core import sqlite
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, InvalidSettingsError
from kpfnb.core.settings import Settings

SCHEMA = 1
FILE_NAME = "attempts.sqlite"
MAX_NAMES = 500
"""Observations asked for in one query."""


class AttemptSource(StrEnum):
    """Who ran the DRP."""

    REPROCESSING = "reprocessing"
    WATCHER = "watcher"


@dataclass(frozen=True)
class Attempt:
    """The last attempt at an observation.

    Attributes
    ----------
    root : the data root
    ended : UTC, ISO 8601
    outcome : done, failed, or not reached
    reason : what was wrong with the products, by level; '' if nothing
    log, excerpt : the DRP's log and its lines about this observation; '' if it is done
    """

    root: str
    obsid: str
    ended: str
    source: str
    outcome: str
    reason: str = ""
    log: str = ""
    excerpt: str = ""


_COLUMNS = tuple(field.name for field in fields(Attempt))
_REPLACE = f"REPLACE INTO attempt VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


def attempts_path(settings: Settings) -> Path:
    """Path of the file with the attempts."""
    return settings.work_dir / FILE_NAME


def record_attempts(settings: Settings, attempts: Iterable[Attempt]) -> str:
    """Record attempts in place of earlier ones; returns why that failed, '' normally."""
    rows = [astuple(attempt) for attempt in attempts]
    try:
        with closing(_open(settings)) as database, sqlite.transaction(database):
            database.executemany(_REPLACE, rows)
    except _ERRORS as error:
        return f"the attempts can't be recorded in {attempts_path(settings)}: {error}"
    return ""


def read_attempts(settings: Settings, obsids: Sequence[str]) -> dict[str, Attempt]:
    """ObsID to the last attempt at it; without those that are not known."""
    if not attempts_path(settings).exists():
        return {}
    try:
        with closing(_open(settings)) as database:
            attempts = list(_select(database, str(settings.kpf_root), obsids))
    except _ERRORS:
        return {}
    return {attempt.obsid: attempt for attempt in attempts}


_ERRORS = (OSError, sqlite3.Error, AlreadyRunningError, InvalidInputError, InvalidSettingsError)


def _select(database: sqlite3.Connection, root: str, obsids: Sequence[str]) -> Iterator[Attempt]:
    for names in _chunks(obsids):
        marks = ", ".join("?" * len(names))
        query = f"SELECT * FROM attempt WHERE root = ? AND obsid IN ({marks})"  # noqa: S608
        yield from (Attempt(*row) for row in database.execute(query, [root, *names]))


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + MAX_NAMES] for at in range(0, len(names), MAX_NAMES))


def _open(settings: Settings) -> sqlite3.Connection:
    path = attempts_path(settings)
    return sqlite.open_database(path, schema=SCHEMA, migrate=_create, what="record of attempts")


def _create(database: sqlite3.Connection, _: int) -> None:
    columns = ", ".join(f"{name} TEXT NOT NULL" for name in _COLUMNS)
    database.execute(f"CREATE TABLE attempt ({columns}, PRIMARY KEY (root, obsid)) WITHOUT ROWID")
