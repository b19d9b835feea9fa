"""The time axis of a plot: its span, its units, and the eras of the instrument.

Times are days since 1970 (UTC), as matplotlib counts them. Eras are in a CSV file of
`era,start,comment`, one line per era, start in UT: the package's `panels/eras.csv`, or a file of
that name in the user's directory of panels, which replaces it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.clock import parse_utc
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.tsdb.plots import panel

ERAS_FILE_NAME = "eras.csv"
ERA_COLUMNS = ("era", "start", "comment")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class Era(NamedTuple):
    """An era of the instrument, from `start` (UTC) to the start of the next era."""

    name: str
    start: datetime
    comment: str = ""


def eras_path() -> Path:
    """The file of eras: the user's if there is one, otherwise the package's."""
    user_file = panel.user_panels_folder() / ERAS_FILE_NAME
    return user_file if user_file.is_file() else panel.PACKAGE_PANELS / ERAS_FILE_NAME


def load_eras() -> list[Era]:
    """All eras, oldest first; an `InvalidInputError` names the file and the line."""
    return read_eras_file(eras_path())


def read_eras_file(file: Path) -> list[Era]:
    """The eras of a file, oldest first."""
    eras = []
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            if tuple(rows.fieldnames or ()) != ERA_COLUMNS:
                raise InvalidInputError(f"{file}, line 1: the columns are {', '.join(ERA_COLUMNS)}")
            for row in rows:
                eras.append(_parse_era(row, f"{file}, line {rows.line_num}"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file} can't be read: {error}") from None
    return sorted(eras, key=lambda era: era.start)


def _parse_era(row: dict[str, str], where: str) -> Era:
    try:
        start = parse_utc(row["start"] or "")
    except ValueError:
        hint = "write it as 2024-02-23 or 2024-02-23T12:00"
        raise InvalidInputError(f"{where}: {row['start']!r} is not a valid time", hint) from None
    return Era(row["era"], start, row["comment"] or "")


@dataclass(frozen=True)
class TimeSpan:
    """A span of time from `start` to `end` (UTC); after `until` is the future."""

    start: datetime
    end: datetime
    until: datetime

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / _DAY


def days_since_epoch(moment: datetime) -> float:
    """A moment in days since 1970."""
    return (moment - EPOCH) / _DAY


class TimeUnit(NamedTuple):
    """A unit of time into which spans of up to `max_days` are divided."""

    name: str
    max_days: float
    round_down: Callable[[datetime], datetime]
    next_start: Callable[[datetime], datetime]
    format: str


def _round_to_midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _round_to_month(moment: datetime, later: int = 0) -> datetime:
    number = moment.year * 12 + moment.month - 1 + later
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


TIME_UNITS = (
    TimeUnit(
        "hour (UT)",
        1.5,
        lambda at: at.replace(minute=0, second=0, microsecond=0),
        lambda at: at + timedelta(hours=1),
        "%H:00",
    ),
    TimeUnit("night (UT)", 62, _round_to_midnight, lambda at: at + timedelta(days=1), "%Y%m%d"),
    TimeUnit(
        "week from",
        400,
        _round_to_midnight,
        lambda at: at + timedelta(days=7),
        "%Y-%m-%d",
    ),
    TimeUnit("month", 4000, _round_to_month, lambda at: _round_to_month(at, 1), "%Y-%m"),
    TimeUnit(
        "year",
        float("inf"),
        lambda at: datetime(at.year, 1, 1, tzinfo=UTC),
        lambda at: datetime(at.year + 1, 1, 1, tzinfo=UTC),
        "%Y",
    ),
)


def choose_unit(span: TimeSpan) -> TimeUnit:
    """The unit (hour, night, week, month or year) that suits the length of a span."""
    return next(unit for unit in TIME_UNITS if span.days <= unit.max_days)


def bin_edges(span: TimeSpan) -> list[datetime]:
    """The starts of all units of a span, and the end of the last one."""
    unit = choose_unit(span)
    edges = [unit.round_down(span.start)]
    while edges[-1] < span.end:
        edges.append(unit.next_start(edges[-1]))
    return edges
