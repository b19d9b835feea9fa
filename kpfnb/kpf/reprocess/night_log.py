"""The night log: when each night was processed, with which version, and how it ended.

Rows are only added: one when a run plans a night, one when the night has ended. The log is a record
for people, and `resume` reads it; whether a night is done depends on its products alone, which may
have been removed since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core import sqlite
from kpfnb.core.clock import format_utc, parse_utc
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, InvalidSettingsError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.settings import Settings, load_settings
from kpfnb.core.text import format_count, html_table
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.reprocess.result import ObservationOutcome

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
"""Schema 1 had no column `kind`."""

SCIENCE, MASTERS = "science", "masters"

COUNT_COLUMNS = {
    "done": "done",
    "already done": "skipped",
    "failed": "failed",
    "junk": "junk",
    "not reached": "unreached",
}
"""Column to the attribute of an entry."""


@dataclass(frozen=True)
class NightLogEntry:
    """One night in one run; times are UTC, ISO 8601.

    `started` and `ended` are '' if the night was not started, or if the run was killed during it.
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
    """The directory of the DRP's lists and logs of that run."""
    kind: str = SCIENCE
    """What was processed: science (2D, L1, L2) or masters."""

    @property
    def is_finished(self) -> bool:
        """Whether all observations of the night are done."""
        return bool(self.ended) and not self.failed and not self.unreached


_COLUMNS = tuple(field.name for field in fields(NightLogEntry))
_INSERT = f"INSERT INTO nights ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM nights WHERE root = ? ORDER BY rowid"  # noqa: S608


@dataclass
class NightLogWriter:
    """Writes the nights of one run; if the log can't be written, the work continues.

    notes : failures to write the log
    """

    file: Path
    run: str
    root: Path
    version: str
    folder: Path
    kind: str = SCIENCE
    notes: list[str] = field(default_factory=list)

    @classmethod
    def for_run(
        cls, settings: Settings, folder: Path, rules: CompletenessRules, *, kind: str
    ) -> NightLogWriter:
        """For the run whose lists and logs are in `folder`."""
        file = night_log_path(settings)
        return cls(file, folder.name, rules.root, rules.version, folder, kind)

    def record_plan(self, nights: Iterable[str]) -> None:
        """Record the nights that the run will process."""
        self._append([self._make_entry(night) for night in nights])

    def record_end(
        self, night: str, started: float, counts: Mapping[ObservationOutcome, int]
    ) -> None:
        """Record that a night has ended now; `started` is in POSIX seconds."""
        entry = self._make_entry(
            night,
            started=format_utc(started),
            ended=format_utc(),
            done=counts[ObservationOutcome.DONE],
            skipped=counts[ObservationOutcome.SKIPPED],
            failed=counts[ObservationOutcome.FAILED],
            junk=counts[ObservationOutcome.JUNK],
            unreached=counts[ObservationOutcome.NOT_REACHED],
        )
        self._append([entry])

    def _make_entry(self, night: str, **values: str | int) -> NightLogEntry:
        fixed = {"folder": str(self.folder), "kind": self.kind}
        return NightLogEntry(self.run, str(self.root), night, self.version, **fixed, **values)  # type: ignore[arg-type]

    def _append(self, entries: list[NightLogEntry]) -> None:
        try:
            add_entries(self.file, *entries)
        except InvalidInputError as error:
            self.notes.append(error.what)


def night_log_path(settings: Settings) -> Path:
    """Path of the night log."""
    return settings.work_dir / "nights.sqlite"


def add_entries(file: Path, *entries: NightLogEntry) -> None:
    """Add rows; a log that can't be written is an `InvalidInputError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(_open_log(file)) as database, sqlite.transaction(database):
            database.executemany(_INSERT, map(astuple, entries))
    except (OSError, sqlite3.Error, AlreadyRunningError, InvalidSettingsError) as error:
        raise _unusable_error(file, error) from error


def read_entries(file: Path, root: Path | str) -> list[NightLogEntry]:
    """The latest row of each night and run on a data root, oldest run first; [] without a log."""
    if not file.exists():
        return []
    try:
        with closing(_open_log(file)) as database:
            rows = [NightLogEntry(*row) for row in database.execute(_SELECT, [str(root)])]
    except (OSError, sqlite3.Error, AlreadyRunningError, InvalidSettingsError) as error:
        raise _unusable_error(file, error) from error
    return list({(row.run, row.night): row for row in rows}.values())


def select_last_run(entries: Iterable[NightLogEntry], kind: str) -> list[NightLogEntry]:
    """The nights of the latest run of that kind."""
    of_kind = [entry for entry in entries if entry.kind == kind]
    return [entry for entry in of_kind if entry.run == of_kind[-1].run]


def _open_log(file: Path) -> sqlite3.Connection:
    return sqlite.open_database(file, schema=SCHEMA, migrate=_create_table, what="night log")


def _create_table(database: sqlite3.Connection, old_schema: int) -> None:
    """Create the table in a new file; update an older one."""
    if old_schema == 0:
        database.execute(f"CREATE TABLE nights ({', '.join(_COLUMNS)})")
    else:
        database.execute(f"ALTER TABLE nights ADD COLUMN kind DEFAULT '{SCIENCE}'")


def _unusable_error(file: Path, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"the night log {file} can't be used: {error}",
        "free disk space and make it writable, or move it away to start a new one",
    )


@dataclass(frozen=True, repr=False)
class NightLogResult(OneLineRepr):
    """The processed nights, oldest run first; times are shown in `zone`."""

    entries: tuple[NightLogEntry, ...]
    zone: ZoneInfo

    @property
    def outcome(self) -> Outcome:
        """Showing a log always succeeds."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """The number of nights, and how many are not finished."""
        if not self.entries:
            return "no night has been processed yet"
        last = {(entry.night, entry.kind): entry for entry in self.entries}
        left = sum(not entry.is_finished for entry in last.values())
        nights = len({entry.night for entry in self.entries})
        unfinished = f"{left} not finished" if left else "all finished"
        return f"{format_count(nights, 'night')}, {unfinished}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Nights processed."""
        return {"nights": len({entry.night for entry in self.entries})}

    def to_dict(self) -> dict[str, Any]:
        """All entries; times are UTC."""
        return {"outcome": self.outcome, "nights": [asdict(entry) for entry in self.entries]}

    def to_frame(self) -> pd.DataFrame:
        """One row a night of a run: night, what, start, end, version, counts, run, logs."""
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
        table = html_table(self._titles(), self._rows()) if self.entries else ""
        return f"<p><strong>{escape(self.reason)}</strong></p>{table}"

    def _titles(self) -> list[str]:
        return ["night", "what", "start", "end", "version", *COUNT_COLUMNS]

    def _rows(self) -> Iterator[list[str]]:
        for entry in self.entries:
            counts = [str(getattr(entry, attribute)) for attribute in COUNT_COLUMNS.values()]
            times = (
                self._format_time(entry.started),
                self._format_time(entry.ended) or "not ended",
            )
            yield [entry.night, entry.kind, *times, entry.version or "any", *counts]

    def _format_time(self, text: str) -> str:
        if not text:
            return ""
        return f"{parse_utc(text).astimezone(self.zone):%Y-%m-%d %H:%M}"


def load_night_log(
    start: str = "", end: str = "", *, root: Path | str | None = None
) -> NightLogResult:
    """The nights from `start` to `end` (YYYYMMDD, both included; '' is open) of a data root."""
    settings = load_settings(**({"data_root": root} if root else {}))
    low, high = min(start, end or start), max(start, end)
    entries = [
        entry
        for entry in read_entries(night_log_path(settings), settings.kpf_root)
        if (not start or entry.night >= low) and (not end or entry.night <= high)
    ]
    return NightLogResult(tuple(entries), settings.zone)
