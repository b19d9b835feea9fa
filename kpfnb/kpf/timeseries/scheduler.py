"""The pages kept up to date, for as long as a service runs or once.

Between any few periods the urgent clocks have their turn, so that today's page does not wait for
all the days. What was done is on disk: killed anywhere, it goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core import atomic, locks
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.kpf.timeseries import period, render, site
from kpfnb.kpf.timeseries import period as freshness
from kpfnb.kpf.timeseries.period import PeriodInterval, TimePeriod
from kpfnb.kpf.timeseries.render import RenderResult
from kpfnb.kpf.tsdb.plots import panel

# When each period is drawn anew: every interval on its own clock, the urgent ones first.

_MINUTE, _HOUR = 60.0, 3600.0
_LATE_DATA = timedelta(days=1)
"""What is observed before midnight is reduced and ingested after it."""


class PageClock(NamedTuple):
    """Some periods that are looked at again so long after they were last done.

    Attributes
    ----------
    current : only the periods that are now, or were within the last day
    """

    name: str
    intervals: tuple[PeriodInterval, ...]
    current: bool
    interval_seconds: float


CLOCKS = (
    PageClock("today", (PeriodInterval.DAY,), True, 5 * _MINUTE),
    PageClock("this month", (PeriodInterval.MONTH,), True, 10 * _MINUTE),
    PageClock("this year", (PeriodInterval.YEAR,), True, 3 * _HOUR),
    PageClock(
        "all months and years", (PeriodInterval.MONTH, PeriodInterval.YEAR), False, 6 * _HOUR
    ),
    PageClock("all days", (PeriodInterval.DAY,), False, 48 * _HOUR),
    PageClock("decades", (PeriodInterval.DECADE, PeriodInterval.ALL), False, 48 * _HOUR),
)
"""The most urgent first."""


def due_clocks(
    finished: Mapping[str, float], now: float, clocks: Sequence[PageClock] = CLOCKS
) -> list[PageClock]:
    """The clocks that have run out, the most urgent first.

    finished : by the clock's name, when its periods were last done (seconds since 1970)
    """
    return [one for one in clocks if _seconds_left(one, finished, now) <= 0]


def seconds_until_due(
    finished: Mapping[str, float], now: float, clocks: Sequence[PageClock] = CLOCKS
) -> float:
    """How long until the next one runs out."""
    return max(0.0, min(_seconds_left(one, finished, now) for one in clocks))


def clock_periods(clock: PageClock, nights: Sequence[str], now: datetime) -> list[TimePeriod]:
    """The periods of a clock that have a night, the newest first."""
    today, yesterday = now.strftime("%Y%m%d"), (now - _LATE_DATA).strftime("%Y%m%d")
    found: dict[TimePeriod, None] = {}
    for interval in clock.intervals:
        if interval is PeriodInterval.ALL:
            found |= {period.all_nights_period(list(nights)): None} if nights else {}
        elif clock.current:
            here = (period.period_containing(interval, day) for day in (today, yesterday))
            found |= {one: None for one in here if any(map(one.covers, nights))}
        else:
            found |= dict.fromkeys(
                period.period_containing(interval, night) for night in nights[::-1]
            )
    return list(found)


def _seconds_left(clock: PageClock, finished: Mapping[str, float], now: float) -> float:
    last = finished.get(clock.name)
    if last is None or last > now:
        # A time that is yet to come is no time: the clock of the machine was put back
        return 0.0
    return clock.interval_seconds - (now - last)


LOCK_NAME = "watch-timeseries"
STATE_FILE_NAME = "clocks.json"
PERIODS_PER_STEP = 8
"""So many periods are drawn before an urgent clock is looked at again."""
RETRY_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class PageScheduler:
    """Which clocks are done, and what is left of those that are not."""

    def __init__(self, top: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = top / STATE_FILE_NAME
        self._clock = clock
        self._pending: dict[str, list[TimePeriod]] = {}
        self.finished: dict[str, float] = _read_finished(self._path)
        self.error = ""
        """Why the last step came to nothing; '' where it did not."""

    def step(self) -> RenderResult | None:
        """Draw a few periods of the most urgent clock; None where nothing is to be done now."""
        seconds = self._clock()
        clocks = due_clocks(self.finished, seconds)
        if not clocks:
            return None
        clock, now = clocks[0], datetime.fromtimestamp(seconds, UTC)
        nights = freshness.read_night_fingerprints()
        if clock.name not in self._pending:
            self._pending[clock.name] = clock_periods(clock, list(nights), now)
        left = self._pending[clock.name]
        some, self._pending[clock.name] = left[:PERIODS_PER_STEP], left[PERIODS_PER_STEP:]
        done = render.render_periods(some, panel.load_panels(), nights, now=now)
        if not self._pending[clock.name]:
            del self._pending[clock.name]
            self.finished[clock.name] = seconds
        self._save_state("")
        return done

    def step_logged(self) -> RenderResult | None:
        """As `step`; what prevents it is logged and kept, and it is tried again later."""
        try:
            return self.step()
        except (KpfnbError, OSError) as error:
            self._pending.clear()
            _logger.warning("the pages are not up to date: %s", error)
            self.error = str(error)
        with suppress(OSError):
            # On a full disk the clocks stay as they were noted last
            self._save_state(self.error)
        return None

    def wait_seconds(self) -> float:
        """How long until there is something to do."""
        if self.error:
            return RETRY_SECONDS
        return seconds_until_due(self.finished, self._clock())

    def _save_state(self, error: str) -> None:
        self.error = error
        state: dict[str, Any] = {"finished": self.finished, "error": error}
        atomic.write_json(self._path, state)


def update_due_pages() -> list[RenderResult]:
    """Do what is due now. `AlreadyRunningError` where a service is at it; errors as `production.produce`."""
    with locks.acquire_lock(LOCK_NAME):
        keeper = PageScheduler(site.site_folder())
        done = []
        while made := keeper.step():
            done.append(made)
        return done


def serve_pages(stop: threading.Event) -> None:
    """Keep the pages up to date until `stop` is set, which ends it after the periods in hand.

    Raises
    ------
    AlreadyRunningError : another one is at it
    """
    with locks.acquire_lock(LOCK_NAME):
        keeper = PageScheduler(site.site_folder())
        while not stop.is_set():
            made = keeper.step_logged()
            if made is None:
                stop.wait(keeper.wait_seconds())
            elif made.periods:
                _logger.log(logging.WARNING if made.failed else logging.INFO, "%s", made)


def _read_finished(path: Path) -> dict[str, float]:
    try:
        return {str(name): float(at) for name, at in atomic.read_json(path)["finished"].items()}
    except (FileNotFoundError, InvalidInputError, KeyError, TypeError, ValueError, AttributeError):
        # Everything is looked at once; what is up to date is not drawn again
        return {}
