"""The night log: which night was processed when, with which version, and how it ended.

Rows are only ever added: one when a run sets out to do a night, one when the night has ended. It is
a record for people, and what `resume` goes by; whether a night is done is told by its products,
which somebody may have removed since.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, field, fields
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core import settings, sqlite
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, InvalidSettingsError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.settings import Settings
from kpfnb.kpf.reprocess.result import ObservationOutcome
from kpfnb.kpf.reprocess.worklist import format_utc

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
"""That before it had no column `kind`."""

SCIENCE, MASTERS = "science", "masters"


@dataclass(frozen=True)
class NightLogEntry:
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


_COLUMNS = tuple(field.name for field in fields(NightLogEntry))
_INSERT = f"INSERT INTO nights ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM nights WHERE root = ? ORDER BY rowid"  # noqa: S608


@dataclass
class NightLogWriter:
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

    def record_plan(self, nights: Iterable[str]) -> None:
        """The nights that the run sets out to do."""
        self._append([self._make_entry(night) for night in nights])

    def record_end(
        self, night: str, started: float, counts: Mapping[ObservationOutcome, int]
    ) -> None:
        """A night has ended now; `started` is in POSIX seconds."""
        entry = self._make_entry(
            night,
            started=format_utc(started),
            ended=format_utc(time.time()),
            done=counts[ObservationOutcome.DONE],
            skipped=counts[ObservationOutcome.SKIPPED],
            failed=counts[ObservationOutcome.FAILED],
            junk=counts[ObservationOutcome.JUNK],
            unreached=counts[ObservationOutcome.NOT_REACHED],
        )
        self._append([entry])

    def _make_entry(self, night: str, **how: str | int) -> NightLogEntry:
        fixed = {"folder": str(self.folder), "kind": self.kind}
        return NightLogEntry(self.run, str(self.root), night, self.version, **fixed, **how)  # type: ignore[arg-type]

    def _append(self, entries: list[NightLogEntry]) -> None:
        try:
            add_entries(self.file, *entries)
        except InvalidInputError as error:
            self.notes.append(error.what)


def night_log_path(settings: Settings) -> Path:
    """Where the night log is."""
    return settings.work_dir / "nights.sqlite"


def add_entries(file: Path, *entries: NightLogEntry) -> None:
    """Add rows; a log that can't be written is a `InvalidInputError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(_open_log(file)) as database, sqlite.transaction(database):
            database.executemany(_INSERT, map(astuple, entries))
    except (OSError, sqlite3.Error, AlreadyRunningError, InvalidSettingsError) as error:
        raise _unusable_error(file, error) from error


def read_entries(file: Path, root: Path | str) -> list[NightLogEntry]:
    """The nights of each run on a data root as they stand, oldest run first; [] without a log."""
    if not file.exists():
        return []
    try:
        with closing(_open_log(file)) as database:
            rows = [NightLogEntry(*row) for row in database.execute(_SELECT, [str(root)])]
    except (OSError, sqlite3.Error, AlreadyRunningError, InvalidSettingsError) as error:
        raise _unusable_error(file, error) from error
    return list({(row.run, row.night): row for row in rows}.values())


def select_last_run(entries: Iterable[NightLogEntry], kind: str) -> list[NightLogEntry]:
    """The nights of the run of that kind that was begun last."""
    some = [entry for entry in entries if entry.kind == kind]
    return [entry for entry in some if entry.run == some[-1].run]


def _open_log(file: Path) -> sqlite3.Connection:
    return sqlite.open_database(file, schema=SCHEMA, migrate=_create_table, what="night log")


def _create_table(database: sqlite3.Connection, found: int) -> None:
    """Make the table in a new file, bring an older one up to date."""
    if found == 0:
        database.execute(f"CREATE TABLE nights ({', '.join(_COLUMNS)})")
    else:
        database.execute(f"ALTER TABLE nights ADD COLUMN kind DEFAULT '{SCIENCE}'")


def _unusable_error(file: Path, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"the night log {file} can't be used: {error}",
        "make room and make it writable, or move it away to begin a new one",
    )


# The night log as people look at it: a table of the nights that were processed.

COUNT_COLUMNS = {
    "done": "done",
    "already done": "skipped",
    "failed": "failed",
    "junk": "junk",
    "not reached": "unreached",
}
"""Column to the entry's attribute."""


@dataclass(frozen=True, repr=False)
class NightLogResult(OneLineRepr):
    """Nights as they were processed, oldest run first; `zone` is that of the times shown."""

    entries: tuple[NightLogEntry, ...]
    zone: ZoneInfo

    @property
    def outcome(self) -> Outcome:
        """To look at a log always succeeds."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """How many nights, and how many of them are not finished."""
        if not self.entries:
            return "no night was processed yet"
        last = {(entry.night, entry.kind): entry for entry in self.entries}
        left = sum(not entry.is_finished for entry in last.values())
        nights = len({entry.night for entry in self.entries})
        return f"{nights} night{'s' * (nights != 1)}, {left or 'none'} not finished"

    def key_figures(self) -> dict[str, int | float | str]:
        """Nights processed."""
        return {"nights": len({entry.night for entry in self.entries})}

    def to_dict(self) -> dict[str, Any]:
        """All entries; times are UTC."""
        return {"outcome": self.outcome, "nights": [asdict(entry) for entry in self.entries]}

    def to_frame(self) -> pd.DataFrame:
        """One row a night of a run: night, what, start, end, version, counts by fate, run, log."""
        import pandas as pd

        rows = [
            {
                "night": entry.night,
                "what": entry.kind,
                "start": entry.started or None,
                "end": entry.ended or None,
                "version": entry.version,
                **{name: getattr(entry, attribute) for name, attribute in COUNT_COLUMNS.items()},
                "run": entry.run,
                "logs": entry.folder,
            }
            for entry in self.entries
        ]
        frame = pd.DataFrame(rows)
        for name in ("start", "end") if rows else ():
            frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame

    def __str__(self) -> str:
        table = [self._titles(), *self._rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        shown = [lines[0], "-" * len(lines[0]), *lines[1:]] if self.entries else []
        return "\n".join([*shown, self.reason])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self._titles())
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._rows()
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<p><strong>{escape(self.reason)}</strong></p>{table if self.entries else ''}"

    def _titles(self) -> list[str]:
        return ["night", "what", "start", "end", "version", *COUNT_COLUMNS]

    def _rows(self) -> Iterator[list[str]]:
        for entry in self.entries:
            counts = [str(getattr(entry, attribute)) for attribute in COUNT_COLUMNS.values()]
            moments = (
                self._format_time(entry.started),
                self._format_time(entry.ended) or "not ended",
            )
            yield [entry.night, entry.kind, *moments, entry.version or "any", *counts]

    def _format_time(self, text: str) -> str:
        if not text:
            return ""
        moment = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"


def load_night_log(
    start: str = "", end: str = "", *, root: Path | str | None = None
) -> NightLogResult:
    """The nights from `start` to `end` (YYYYMMDD, both included; '' is open) of a data root."""
    here = settings.load_settings(**({"data_root": root} if root else {}))
    low, high = min(start, end or start), max(start, end)
    entries = [
        entry
        for entry in read_entries(night_log_path(here), here.kpf_root)
        if (not start or entry.night >= low) and (not end or entry.night <= high)
    ]
    return NightLogResult(tuple(entries), here.zone)
