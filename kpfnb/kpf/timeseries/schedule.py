"""When each period is drawn anew: every interval on its own clock, the urgent ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kpfnb.kpf.timeseries import period
from kpfnb.kpf.timeseries.period import Interval, Period

_MINUTE, _HOUR = 60.0, 3600.0
_LATE = timedelta(days=1)
"""What is observed before midnight is reduced and ingested after it."""


class Clock(NamedTuple):
    """Some periods that are looked at again so long after they were last done.

    Attributes
    ----------
    current : only the periods that are now, or were within the last day
    """

    name: str
    intervals: tuple[Interval, ...]
    current: bool
    every_seconds: float


CLOCKS = (
    Clock("today", (Interval.DAY,), True, 5 * _MINUTE),
    Clock("this month", (Interval.MONTH,), True, 10 * _MINUTE),
    Clock("this year", (Interval.YEAR,), True, 3 * _HOUR),
    Clock("all months and years", (Interval.MONTH, Interval.YEAR), False, 6 * _HOUR),
    Clock("all days", (Interval.DAY,), False, 48 * _HOUR),
    Clock("decades", (Interval.DECADE, Interval.ALL), False, 48 * _HOUR),
)
"""The most urgent first."""


def due(finished: Mapping[str, float], now: float, clocks: Sequence[Clock] = CLOCKS) -> list[Clock]:
    """The clocks that have run out, the most urgent first.

    finished : by the clock's name, when its periods were last done (seconds since 1970)
    """
    return [one for one in clocks if _left(one, finished, now) <= 0]


def wait_seconds(
    finished: Mapping[str, float], now: float, clocks: Sequence[Clock] = CLOCKS
) -> float:
    """How long until the next one runs out."""
    return max(0.0, min(_left(one, finished, now) for one in clocks))


def periods(clock: Clock, nights: Sequence[str], now: datetime) -> list[Period]:
    """The periods of a clock that have a night, the newest first."""
    today, yesterday = now.strftime("%Y%m%d"), (now - _LATE).strftime("%Y%m%d")
    found: dict[Period, None] = {}
    for interval in clock.intervals:
        if interval is Interval.ALL:
            found |= {period.everything(list(nights)): None} if nights else {}
        elif clock.current:
            here = (period.containing(interval, day) for day in (today, yesterday))
            found |= {one: None for one in here if any(map(one.covers, nights))}
        else:
            found |= dict.fromkeys(period.containing(interval, night) for night in nights[::-1])
    return list(found)


def _left(clock: Clock, finished: Mapping[str, float], now: float) -> float:
    last = finished.get(clock.name)
    if last is None or last > now:
        # A time that is yet to come is no time: the clock of the machine was put back
        return 0.0
    return clock.every_seconds - (now - last)
