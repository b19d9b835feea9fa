"""The periods that have a page: a day, a month, a year, a decade, everything, or a free range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kpfnb.errors import BadParameter
from kpfnb.kpf.tsdb.plots.span import Span
from kpfnb.parameters import check_night

_DAY = timedelta(days=1)


class Interval(StrEnum):
    """How long a period is."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    DECADE = "decade"
    ALL = "all"
    """All nights; with a start and an end the nights between them."""


@dataclass(frozen=True)
class Period:
    """Some nights (UT dates), the last one included.

    Attributes
    ----------
    name : part of the page's path: 20240115, 202401, 2024, 2020s, all, or 20240110-20240215
    """

    interval: Interval
    name: str
    first: str
    last: str

    @property
    def path(self) -> str:
        """The folder of its page below the site."""
        return f"{self.interval}/{self.name}"

    @property
    def title(self) -> str:
        """For people."""
        start = moment(self.first)
        titles = {
            Interval.DAY: f"{start.day} {start:%B %Y}",
            Interval.MONTH: f"{start:%B %Y}",
            Interval.YEAR: f"{start:%Y}",
            Interval.DECADE: f"The {self.name}",
        }
        between = f"{start:%Y-%m-%d} to {moment(self.last):%Y-%m-%d}"
        return titles.get(self.interval, between if self.name != Interval.ALL else "All nights")

    def covers(self, night: str) -> bool:
        """True for its nights."""
        return self.first <= night <= self.last

    def span(self, now: datetime) -> Span:
        """As it is drawn."""
        end = moment(self.last) + _DAY
        return Span(moment(self.first), end, min(end, max(now, moment(self.first))))

    def parents(self) -> list[Period]:
        """The longer periods that it is in, the shortest first."""
        later = list(CALENDAR)[list(CALENDAR).index(self.interval) + 1 :]
        return [containing(interval, self.first) for interval in later]


CALENDAR = (Interval.DAY, Interval.MONTH, Interval.YEAR, Interval.DECADE)


def containing(interval: Interval, night: str) -> Period:
    """The day, month, year or decade in which a night is."""
    year, month = night[:4], night[:6]
    if interval is Interval.DAY:
        return Period(interval, night, night, night)
    if interval is Interval.MONTH:
        following = moment(f"{month}01") + 31 * _DAY
        return Period(
            interval, month, f"{month}01", (following.replace(day=1) - _DAY).strftime("%Y%m%d")
        )
    if interval is Interval.YEAR:
        return Period(interval, year, f"{year}0101", f"{year}1231")
    if interval is Interval.DECADE:
        return Period(interval, f"{year[:3]}0s", f"{year[:3]}00101", f"{year[:3]}91231")
    raise ValueError(f"{interval} is not in the calendar")


def between(first: str, last: str) -> Period:
    """A free range of nights."""
    return Period(Interval.ALL, f"{first}-{last}", first, last)


def everything(nights: list[str]) -> Period:
    """All nights that there are, given in order."""
    return Period(Interval.ALL, Interval.ALL, nights[0], nights[-1])


def asked(interval: Interval, start: str, end: str, nights: list[str]) -> list[Period]:
    """The periods that somebody asks for.

    Parameters
    ----------
    start, end : nights; none: the newest night that there is, or for ALL all nights
    nights : all that there are, in order; of the calendar's periods only those with one are given

    Raises
    ------
    BadParameter : no night is there, or the dates can't be
    """
    for name, night in (("start", start), ("end", end)):
        try:
            check_night(night)
        except ValueError as error:
            raise BadParameter(f"{name}: {night!r} {error}", "such as 20240115") from None
    if end and not start:
        raise BadParameter(f"end {end} without a start", "give the first night, too")
    if start and end and start > end:
        start, end = end, start
    if interval is Interval.ALL and start:
        return [between(start, end or start)]
    if not nights:
        raise BadParameter("the time-series database has no night", "kpfnb ingest YYYYMMDD")
    if interval is Interval.ALL:
        return [everything(nights)]
    first, last = start or nights[-1], end or start or nights[-1]
    begin, stop = containing(interval, first).first, containing(interval, last).last
    found = {containing(interval, night): None for night in nights if begin <= night <= stop}
    return list(found) or [containing(interval, first)]


def moment(night: str) -> datetime:
    """The beginning of a night (UT)."""
    return datetime(int(night[:4]), int(night[4:6]), int(night[6:8]), tzinfo=UTC)
