"""The scheduler that keeps the pages up to date, as a service or once.

Every interval has its own clock. After every few periods the most urgent clock has its turn, so
that today's page does not wait for all days. The state is on disk: after a kill the scheduler
continues where it stopped.
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
from kpfnb.kpf.timeseries import render, site
from kpfnb.kpf.timeseries.period import (
    PeriodInterval,
    TimePeriod,
    all_nights_period,
    period_containing,
    read_night_fingerprints,
)
from kpfnb.kpf.timeseries.render import RenderResult
from kpfnb.kpf.tsdb.plots.panel import load_panels

_MINUTE, _HOUR = 60.0, 3600.0
_LATE_DATA = timedelta(days=1)
"""Observations before midnight are reduced and ingested after midnight."""

LOCK_NAME = "watch-timeseries"
STATE_FILE_NAME = "clocks.json"
PERIODS_PER_STEP = 8
"""The number of periods that are rendered before the clocks are checked again."""
RETRY_SECONDS = 60.0

logger = logging.getLogger(__name__)


class PageClock(NamedTuple):
    """The clock of some periods, which are updated again after `interval_seconds`.

    Attributes
    ----------
    current : only the present periods and those of the last day
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
"""The clocks, most urgent first."""


def due_clocks(
    finished: Mapping[str, float], now: float, clocks: Sequence[PageClock] = CLOCKS
) -> list[PageClock]:
    """The clocks that are due, most urgent first.

    finished : name of a clock to the time of its last update (seconds since 1970)
    """
    return [clock for clock in clocks if _seconds_left(clock, finished, now) <= 0]


def seconds_until_due(
    finished: Mapping[str, float], now: float, clocks: Sequence[PageClock] = CLOCKS
) -> float:
    """The time until the next clock is due."""
    return max(0.0, min(_seconds_left(clock, finished, now) for clock in clocks))


def clock_periods(clock: PageClock, nights: Sequence[str], now: datetime) -> list[TimePeriod]:
    """The periods of a clock that contain a night, newest first."""
    today, yesterday = now.strftime("%Y%m%d"), (now - _LATE_DATA).strftime("%Y%m%d")
    periods: dict[TimePeriod, None] = {}
    for interval in clock.intervals:
        if interval is PeriodInterval.ALL:
            periods |= {all_nights_period(list(nights)): None} if nights else {}
        elif clock.current:
            current = (period_containing(interval, day) for day in (today, yesterday))
            periods |= {
                candidate: None for candidate in current if any(map(candidate.covers, nights))
            }
        else:
            periods |= dict.fromkeys(period_containing(interval, night) for night in nights[::-1])
    return list(periods)


def _seconds_left(clock: PageClock, finished: Mapping[str, float], now: float) -> float:
    last = finished.get(clock.name)
    if last is None or last > now:
        # A time in the future is not valid: the system clock was set back
        return 0.0
    return clock.interval_seconds - (now - last)


class PageScheduler:
    """Renders the pages that are due: remembers finished clocks and pending periods."""

    def __init__(self, top: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = top / STATE_FILE_NAME
        self._clock = clock
        self._pending: dict[str, list[TimePeriod]] = {}
        self.finished: dict[str, float] = _read_finished(self._path)
        self.error = ""
        """Why the last step failed; '' if it succeeded."""

    def step(self) -> RenderResult | None:
        """Render a few periods of the most urgent clock; None if no clock is due."""
        seconds = self._clock()
        clocks = due_clocks(self.finished, seconds)
        if not clocks:
            return None
        clock, now = clocks[0], datetime.fromtimestamp(seconds, UTC)
        nights = read_night_fingerprints()
        if clock.name not in self._pending:
            self._pending[clock.name] = clock_periods(clock, list(nights), now)
        pending = self._pending[clock.name]
        batch, self._pending[clock.name] = pending[:PERIODS_PER_STEP], pending[PERIODS_PER_STEP:]
        result = render.render_periods(batch, load_panels(), nights, now=now)
        if not self._pending[clock.name]:
            del self._pending[clock.name]
            self.finished[clock.name] = seconds
        self._save_state("")
        return result

    def step_logged(self) -> RenderResult | None:
        """Like `step`, but an error is logged and recorded, and the step is repeated later."""
        try:
            return self.step()
        except (KpfnbError, OSError) as error:
            self._pending.clear()
            logger.warning("the pages are not up to date: %s", error)
            self.error = str(error)
        with suppress(OSError):
            # On a full disk the last saved state remains
            self._save_state(self.error)
        return None

    def wait_seconds(self) -> float:
        """The time until the next step."""
        if self.error:
            return RETRY_SECONDS
        return seconds_until_due(self.finished, self._clock())

    def _save_state(self, error: str) -> None:
        self.error = error
        state: dict[str, Any] = {"finished": self.finished, "error": error}
        atomic.write_json(self._path, state)


def update_due_pages() -> list[RenderResult]:
    """Update all pages that are due now.

    Raises
    ------
    AlreadyRunningError : a service keeps the pages up to date
    InvalidParameterError, InvalidInputError : as for `render.render_interval`
    """
    with locks.acquire_lock(LOCK_NAME):
        scheduler = PageScheduler(site.site_folder())
        results = []
        while result := scheduler.step():
            results.append(result)
        return results


def serve_pages(stop: threading.Event) -> None:
    """Keep the pages up to date until `stop` is set; the current step is completed first.

    Raises
    ------
    AlreadyRunningError : another process keeps the pages up to date
    """
    with locks.acquire_lock(LOCK_NAME):
        scheduler = PageScheduler(site.site_folder())
        while not stop.is_set():
            result = scheduler.step_logged()
            if result is None:
                stop.wait(scheduler.wait_seconds())
            elif result.periods:
                logger.log(logging.WARNING if result.failed else logging.INFO, "%s", result)


def _read_finished(path: Path) -> dict[str, float]:
    try:
        return {
            str(name): float(seconds)
            for name, seconds in atomic.read_json(path)["finished"].items()
        }
    except (FileNotFoundError, InvalidInputError, KeyError, TypeError, ValueError, AttributeError):
        # All periods are checked again; pages that are up to date are not rendered
        return {}
