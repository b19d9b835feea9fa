"""The night log: which night was processed when, with which version, and how it ended.

Rows are only ever added: one when a run sets out to do a night, one when the night has ended. It is
a record for people, and what `resume` goes by; whether a night is done is told by its products,
which somebody may have removed since.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

from kpfnb import sqlitefile
from kpfnb.errors import BadInput, BadSettings, Busy
from kpfnb.kpf.reprocessing import Fate
from kpfnb.kpf.worklist import iso
from kpfnb.settings import Settings

SCHEMA = 2
"""That before it had no column `kind`."""

SCIENCE, MASTERS = "science", "masters"


@dataclass(frozen=True)
class Entry:
    """One night in one run; times are UTC, ISO 8601.

    `started` and `ended` are '' where the night was not begun, or the run was killed in it.
    """

    run: str
    root: str
    night: str
    version: str
    started: str = ""
    ended: str = ""
    done: int = 0
    skipped: int = 0
    failed: int = 0
    junk: int = 0
    unreached: int = 0
    folder: str = ""
    """Where the DRP's lists and logs of that run are."""
    kind: str = SCIENCE
    """What was processed: science (2D, L1, L2) or masters."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing of the night is left to do."""
        return bool(self.ended) and not self.failed and not self.unreached


_COLUMNS = tuple(field.name for field in fields(Entry))
_INSERT = f"INSERT INTO nights ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM nights WHERE root = ? ORDER BY rowid"  # noqa: S608


@dataclass
class Keeper:
    """Enters the nights of one run; `notes` tells where the log can't be written.

    The work goes on without a log.
    """

    file: Path
    run: str
    root: Path
    version: str
    folder: Path
    kind: str = SCIENCE
    notes: list[str] = field(default_factory=list)

    def plan(self, nights: Iterable[str]) -> None:
        """The nights that the run sets out to do."""
        self._add([self._entry(night) for night in nights])

    def ended(self, night: str, started: float, counts: Mapping[Fate, int]) -> None:
        """A night has ended now; `started` is in POSIX seconds."""
        entry = self._entry(
            night,
            started=iso(started),
            ended=iso(time.time()),
            done=counts[Fate.DONE],
            skipped=counts[Fate.SKIPPED],
            failed=counts[Fate.FAILED],
            junk=counts[Fate.JUNK],
            unreached=counts[Fate.UNREACHED],
        )
        self._add([entry])

    def _entry(self, night: str, **how: str | int) -> Entry:
        fixed = {"folder": str(self.folder), "kind": self.kind}
        return Entry(self.run, str(self.root), night, self.version, **fixed, **how)  # type: ignore[arg-type]

    def _add(self, entries: list[Entry]) -> None:
        try:
            add(self.file, *entries)
        except BadInput as error:
            self.notes.append(error.what)


def path(settings: Settings) -> Path:
    """Where the night log is."""
    return settings.work_dir / "nights.sqlite"


def add(file: Path, *entries: Entry) -> None:
    """Add rows; a log that can't be written is a `BadInput`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(_open(file)) as database, sqlitefile.transaction(database):
            database.executemany(_INSERT, map(astuple, entries))
    except (OSError, sqlite3.Error, Busy, BadSettings) as error:
        raise _unusable(file, error) from error


def read(file: Path, root: Path | str) -> list[Entry]:
    """The nights of each run on a data root as they stand, oldest run first; [] without a log."""
    if not file.exists():
        return []
    try:
        with closing(_open(file)) as database:
            rows = [Entry(*row) for row in database.execute(_SELECT, [str(root)])]
    except (OSError, sqlite3.Error, Busy, BadSettings) as error:
        raise _unusable(file, error) from error
    return list({(row.run, row.night): row for row in rows}.values())


def last_run(entries: Iterable[Entry], kind: str) -> list[Entry]:
    """The nights of the run of that kind that was begun last."""
    some = [entry for entry in entries if entry.kind == kind]
    return [entry for entry in some if entry.run == some[-1].run]


def _open(file: Path) -> sqlite3.Connection:
    return sqlitefile.connect(file, schema=SCHEMA, make=_make, what="night log")


def _make(database: sqlite3.Connection, found: int) -> None:
    """Make the table in a new file, bring an older one up to date."""
    if found == 0:
        database.execute(f"CREATE TABLE nights ({', '.join(_COLUMNS)})")
    else:
        database.execute(f"ALTER TABLE nights ADD COLUMN kind DEFAULT '{SCIENCE}'")


def _unusable(file: Path, error: Exception) -> BadInput:
    return BadInput(
        f"the night log {file} can't be used: {error}",
        "make room and make it writable, or move it away to begin a new one",
    )
