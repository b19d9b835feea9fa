"""The periods that have a page: a day, month, year, decade, all nights, or a free range.

The digest of a period changes when its page is out of date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import func, select

from kpfnb.core import settings
from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.tsdb import database, schema
from kpfnb.kpf.tsdb.plots import time_axis
from kpfnb.kpf.tsdb.plots.panel import TimeSeriesPanel
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan

_DAY = timedelta(days=1)

RENDER_VERSION = 2
"""Increased when plots or pages change: then all are rendered again."""


class PeriodInterval(StrEnum):
    """The length of a period."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    DECADE = "decade"
    ALL = "all"
    """All nights, or with start and end a free range of nights."""


@dataclass(frozen=True)
class TimePeriod:
    """A period of nights (UT dates), both ends included.

    Attributes
    ----------
    name : part of the page's path: 20240115, 202401, 2024, 2020s, all, or 20240110-20240215
    """

    interval: PeriodInterval
    name: str
    first: str
    last: str

    @property
    def path(self) -> str:
        """The directory of its page, relative to the site."""
        return f"{self.interval}/{self.name}"

    @property
    def title(self) -> str:
        """The period as text for people."""
        start = night_start(self.first)
        titles = {
            PeriodInterval.DAY: f"Night {self.first}",
            PeriodInterval.MONTH: f"{start:%B %Y}",
            PeriodInterval.YEAR: f"{start:%Y}",
            PeriodInterval.DECADE: f"The {self.name}",
        }
        between = f"Nights {self.first} to {self.last}"
        return titles.get(
            self.interval, between if self.name != PeriodInterval.ALL else "All nights"
        )

    def covers(self, night: str) -> bool:
        """True if a night is in the period."""
        return self.first <= night <= self.last

    def span(self, now: datetime) -> TimeSpan:
        """The span of time that is drawn."""
        end = night_start(self.last) + _DAY
        return TimeSpan(night_start(self.first), end, min(end, max(now, night_start(self.first))))

    def parents(self) -> list[TimePeriod]:
        """The longer periods that contain it, shortest first."""
        later = list(CALENDAR)[list(CALENDAR).index(self.interval) + 1 :]
        return [period_containing(interval, self.first) for interval in later]


CALENDAR = (PeriodInterval.DAY, PeriodInterval.MONTH, PeriodInterval.YEAR, PeriodInterval.DECADE)


def period_containing(interval: PeriodInterval, night: str) -> TimePeriod:
    """The day, month, year or decade that contains a night."""
    year, month = night[:4], night[:6]
    if interval is PeriodInterval.DAY:
        return TimePeriod(interval, night, night, night)
    if interval is PeriodInterval.MONTH:
        following = night_start(f"{month}01") + 31 * _DAY
        return TimePeriod(
            interval, month, f"{month}01", (following.replace(day=1) - _DAY).strftime("%Y%m%d")
        )
    if interval is PeriodInterval.YEAR:
        return TimePeriod(interval, year, f"{year}0101", f"{year}1231")
    if interval is PeriodInterval.DECADE:
        return TimePeriod(interval, f"{year[:3]}0s", f"{year[:3]}00101", f"{year[:3]}91231")
    raise ValueError(f"{interval} is not in the calendar")


def free_period(first: str, last: str) -> TimePeriod:
    """A free range of nights."""
    return TimePeriod(PeriodInterval.ALL, f"{first}-{last}", first, last)


def all_nights_period(nights: list[str]) -> TimePeriod:
    """The period of all nights, which are given in order."""
    return TimePeriod(PeriodInterval.ALL, PeriodInterval.ALL, nights[0], nights[-1])


def requested_periods(
    interval: PeriodInterval, start: str, end: str, nights: list[str]
) -> list[TimePeriod]:
    """The periods that a user requests.

    Parameters
    ----------
    start, end : nights; if empty, the newest night, or all nights for ALL
    nights : all nights of the database, in order; calendar periods without a night are left out

    Raises
    ------
    InvalidParameterError : the database has no night, or the dates are not valid
    """
    for name, night in (("start", start), ("end", end)):
        try:
            check_night(night)
        except ValueError as error:
            raise InvalidParameterError(
                f"{name}: {night!r} {error}", "write it as 20240115"
            ) from None
    if end and not start:
        raise InvalidParameterError(f"end {end} without a start", "give the first night, too")
    if start and end and start > end:
        start, end = end, start
    if interval is PeriodInterval.ALL and start:
        return [free_period(start, end or start)]
    if not nights:
        raise InvalidParameterError(
            "the time-series database has no nights", "fill it first: kpfnb ingest YYYYMMDD"
        )
    if interval is PeriodInterval.ALL:
        return [all_nights_period(nights)]
    first, last = start or nights[-1], end or start or nights[-1]
    begin, stop = period_containing(interval, first).first, period_containing(interval, last).last
    periods = {
        period_containing(interval, night): None for night in nights if begin <= night <= stop
    }
    return list(periods) or [period_containing(interval, first)]


def night_start(night: str) -> datetime:
    """The start of a night (UT)."""
    return datetime(int(night[:4]), int(night[4:6]), int(night[6:8]), tzinfo=UTC)


class NightFingerprint(NamedTuple):
    """The state of a night in the database; it changes with every ingestion and deletion."""

    chunks: int
    newest: int


def read_night_fingerprints() -> dict[str, NightFingerprint]:
    """The fingerprints of all nights in the database, in order; empty without a database."""
    columns = schema.chunk_table.c
    query = select(columns.night, func.count(), func.max(columns.id)).group_by(columns.night)
    try:
        with database.read_transaction() as connection:
            rows = connection.execute(query.order_by(columns.night)).all()
    except InvalidInputError:
        # No database yet: the service waits for the first night
        if database.database_exists():
            raise
        return {}
    return {night: NightFingerprint(count, newest) for night, count, newest in rows}


def digest_rendering(panels: Iterable[TimeSeriesPanel]) -> str:
    """A digest of what determines all pages besides the data: panels, eras, junk list."""
    junk = settings.load_settings().junk_path
    parts = [panel.model_dump_json() for panel in panels]
    parts += [str(RENDER_VERSION), str(time_axis.load_eras())]
    parts += [str(junk.stat().st_mtime_ns)] if junk.is_file() else []
    return _hash_parts(parts)


def digest_period(
    period: TimePeriod, rendering: str, nights: Mapping[str, NightFingerprint], now: datetime
) -> str:
    """A digest of the data of a period; a page with another digest is out of date.

    The digest changes when the period is over, because missing data become gaps then.
    """
    parts: list[list[str | int]] = [
        [night, *fingerprint] for night, fingerprint in nights.items() if period.covers(night)
    ]
    span = period.span(now)
    parts += [["running"]] if span.until < span.end else []
    return _hash_parts([rendering, json.dumps(parts)])


def _hash_parts(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
