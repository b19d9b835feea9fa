"""A span cut into hours, nights, weeks, months or years, whichever are fit for its length."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kpfnb.kpf.tsdb.plots.span import Span


class Unit(NamedTuple):
    """A unit of time: for spans up to so many days."""

    name: str
    most_days: float
    floor: Callable[[datetime], datetime]
    following: Callable[[datetime], datetime]
    format: str


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _month(moment: datetime, later: int = 0) -> datetime:
    number = moment.year * 12 + moment.month - 1 + later
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


UNITS = (
    Unit(
        "hour (UT)",
        1.5,
        lambda at: at.replace(minute=0, second=0, microsecond=0),
        lambda at: at + timedelta(hours=1),
        "%H:00",
    ),
    Unit("night (UT)", 62, _midnight, lambda at: at + timedelta(days=1), "%Y-%m-%d"),
    Unit(
        "week from",
        400,
        _midnight,
        lambda at: at + timedelta(days=7),
        "%Y-%m-%d",
    ),
    Unit("month", 4000, _month, lambda at: _month(at, 1), "%Y-%m"),
    Unit(
        "year",
        float("inf"),
        lambda at: datetime(at.year, 1, 1, tzinfo=UTC),
        lambda at: datetime(at.year + 1, 1, 1, tzinfo=UTC),
        "%Y",
    ),
)


def unit(span: Span) -> Unit:
    """The unit that fits."""
    return next(one for one in UNITS if span.days <= one.most_days)


def edges(span: Span) -> list[datetime]:
    """The beginnings of the units, and the end of the last one."""
    fit = unit(span)
    found = [fit.floor(span.start)]
    while found[-1] < span.end:
        found.append(fit.following(found[-1]))
    return found
