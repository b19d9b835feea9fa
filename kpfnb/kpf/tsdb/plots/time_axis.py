"""A span of time that is drawn, and times as matplotlib counts them: days since 1970, UTC."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.tsdb.plots import panel

# The eras of the instrument: a CSV of `era,start,comment`, one line an era, start in UT.
#
# The package's own is `panels/eras.csv`; one in the user's folder of panels takes its place.

ERAS_FILE_NAME = "eras.csv"
ERA_COLUMNS = ("era", "start", "comment")


class Era(NamedTuple):
    """From `start` (UTC) to the start of the next."""

    name: str
    start: datetime
    comment: str = ""


def eras_path() -> Path:
    """The file in force."""
    users = panel.user_panels_folder() / ERAS_FILE_NAME
    return users if users.is_file() else panel.PACKAGE_PANELS / ERAS_FILE_NAME


def load_eras() -> list[Era]:
    """All eras, oldest first. `InvalidInputError` names the file and the line."""
    return read_eras_file(eras_path())


def read_eras_file(file: Path) -> list[Era]:
    """The eras of a file."""
    found = []
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, skipinitialspace=True)
            if tuple(rows.fieldnames or ()) != ERA_COLUMNS:
                raise InvalidInputError(f"{file}, line 1: the columns are {', '.join(ERA_COLUMNS)}")
            for row in rows:
                found.append(_parse_era(row, f"{file}, line {rows.line_num}"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file} can't be read: {error}") from None
    return sorted(found, key=lambda era: era.start)


def _parse_era(row: dict[str, str], where: str) -> Era:
    try:
        start = datetime.fromisoformat(row["start"] or "")
    except ValueError:
        hint = "write it as 2024-02-23 or 2024-02-23T12:00"
        raise InvalidInputError(f"{where}: {row['start']!r} is no time", hint) from None
    return Era(row["era"], start.replace(tzinfo=start.tzinfo or UTC), row["comment"] or "")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class TimeSpan:
    """From `start` to `end` (UTC); what is after `until` has not come yet."""

    start: datetime
    end: datetime
    until: datetime

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.end - self.start) / _DAY


def days_since_epoch(moment: datetime) -> float:
    """Days since 1970."""
    return (moment - EPOCH) / _DAY


# A span cut into hours, nights, weeks, months or years, whichever are fit for its length.


class TimeUnit(NamedTuple):
    """A unit of time: for spans up to so many days."""

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
    TimeUnit("night (UT)", 62, _round_to_midnight, lambda at: at + timedelta(days=1), "%Y-%m-%d"),
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
    """The unit that fits."""
    return next(one for one in TIME_UNITS if span.days <= one.max_days)


def bin_edges(span: TimeSpan) -> list[datetime]:
    """The beginnings of the units, and the end of the last one."""
    fit = choose_unit(span)
    found = [fit.round_down(span.start)]
    while found[-1] < span.end:
        found.append(fit.next_start(found[-1]))
    return found
