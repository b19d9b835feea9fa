"""The pages kept up to date, for as long as a service runs or once.

Between any few periods the urgent clocks have their turn, so that today's page does not wait for
all the days. What was done is on disk: killed anywhere, it goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb import files, locks
from kpfnb.errors import BadInput, KpfnbError
from kpfnb.kpf.timeseries import freshness, production, schedule, site
from kpfnb.kpf.timeseries.period import Period
from kpfnb.kpf.timeseries.production import Production
from kpfnb.kpf.tsdb.plots import definitions

LOCK = "watch-timeseries"
STATE = "clocks.json"
BATCH = 8
"""So many periods are drawn before an urgent clock is looked at again."""
RETRY_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Keeper:
    """Which clocks are done, and what is left of those that are not."""

    def __init__(self, top: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = top / STATE
        self._clock = clock
        self._left: dict[str, list[Period]] = {}
        self.finished: dict[str, float] = _finished(self._path)
        self.error = ""
        """Why the last step came to nothing; '' where it did not."""

    def step(self) -> Production | None:
        """Draw a few periods of the most urgent clock; None where nothing is to be done now."""
        seconds = self._clock()
        clocks = schedule.due(self.finished, seconds)
        if not clocks:
            return None
        clock, now = clocks[0], datetime.fromtimestamp(seconds, UTC)
        nights = freshness.nights()
        if clock.name not in self._left:
            self._left[clock.name] = schedule.periods(clock, list(nights), now)
        left = self._left[clock.name]
        some, self._left[clock.name] = left[:BATCH], left[BATCH:]
        done = production.make(some, definitions.load(), nights, now=now)
        if not self._left[clock.name]:
            del self._left[clock.name]
            self.finished[clock.name] = seconds
        self._note("")
        return done

    def try_step(self) -> Production | None:
        """As `step`; what prevents it is logged and kept, and it is tried again later."""
        try:
            return self.step()
        except (KpfnbError, OSError) as error:
            self._left.clear()
            _log.warning("the pages are not up to date: %s", error)
            self.error = str(error)
        with suppress(OSError):
            # On a full disk the clocks stay as they were noted last
            self._note(self.error)
        return None

    def wait_seconds(self) -> float:
        """How long until there is something to do."""
        if self.error:
            return RETRY_SECONDS
        return schedule.wait_seconds(self.finished, self._clock())

    def _note(self, error: str) -> None:
        self.error = error
        state: dict[str, Any] = {"finished": self.finished, "error": error}
        files.write_json(self._path, state)


def run_once() -> list[Production]:
    """Do what is due now. `Busy` where a service is at it; errors as `production.produce`."""
    with locks.hold(LOCK):
        keeper = Keeper(site.folder())
        done = []
        while made := keeper.step():
            done.append(made)
        return done


def serve(stop: threading.Event) -> None:
    """Keep the pages up to date until `stop` is set, which ends it after the periods in hand.

    Raises
    ------
    Busy : another one is at it
    """
    with locks.hold(LOCK):
        keeper = Keeper(site.folder())
        while not stop.is_set():
            made = keeper.try_step()
            if made is None:
                stop.wait(keeper.wait_seconds())
            elif made.periods:
                _log.log(logging.WARNING if made.failed else logging.INFO, "%s", made)


def _finished(path: Path) -> dict[str, float]:
    try:
        return {str(name): float(at) for name, at in files.read_json(path)["finished"].items()}
    except (FileNotFoundError, BadInput, KeyError, TypeError, ValueError, AttributeError):
        # Everything is looked at once; what is up to date is not drawn again
        return {}
