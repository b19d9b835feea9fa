"""A watcher's counts, as they go into its status."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kpfnb.watching import status
from kpfnb.watching.arrivals import Arrivals
from kpfnb.watching.kind import Kind
from kpfnb.watching.memory import Memory, Row, State
from kpfnb.watching.status import Life, Status

logger = logging.getLogger(__name__)

MOST_NAMED = 50
LATENCIES = 1000


class Tally:
    """Counts what happens, and writes the status.

    Attributes
    ----------
    trouble : what keeps the watcher from working just now; '' where nothing does
    latencies : seconds from settled to started, of the latest files
    next_write : when (monotonic) the status is due
    """

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        memory: Memory,
        arrivals: Arrivals,
        mode: Callable[[], str],
        *,
        attempts: int,
    ) -> None:
        self.trouble = ""
        self.latencies: list[float] = []
        self.next_write = 0.0
        self._memory = memory
        self._arrivals = arrivals
        self._mode = mode
        self._attempts = attempts
        self._status = Status(
            name=kind.name,
            root=str(kind.root),
            folder=str(folder),
            pid=os.getpid(),
            host=socket.gethostname(),
            since=status.utc(),
        )

    def error(self, text: str) -> None:
        """Something went wrong."""
        logger.warning("%s: %s", self._status.name, text)
        self._status = replace(self._status, last_error=f"{status.utc()} {text}")

    def scanned(self, unread: Sequence[str]) -> None:
        """The whole tree was looked at, but for what could not be read."""
        some = tuple(unread[:MOST_NAMED])
        self._status = replace(self._status, scanned=status.utc(), unread=some)

    def started(self, paths: Sequence[str]) -> None:
        """These were handed out."""
        now = time.monotonic()
        settled = [self._arrivals.settled_at.pop(path, now) for path in paths]
        self.latencies = [*self.latencies, *(now - moment for moment in settled)][-LATENCIES:]
        logger.info("%s: %d handed out, the first %s", self._status.name, len(paths), paths[0])
        self._status = replace(self._status, seen=self._status.seen + len(paths))

    def ended(self, rows: Iterable[Row]) -> None:
        """These were handled."""
        done = failed = 0
        for row in rows:
            done += row.state is State.DONE
            failed += row.state is State.FAILED
            if row.state is State.FAILED:
                self.error(f"{Path(row.path).name} (attempt {row.attempts}): {row.reason}")
        logger.info("%s: %d done, %d failed", self._status.name, done, failed)
        now = self._status
        self._status = replace(now, done=now.done + done, failed=now.failed + failed)

    def write(self, heartbeat_seconds: float, life: Life) -> None:
        """Write the status; that it can't be written is only logged, the work goes on."""
        self.next_write = time.monotonic() + heartbeat_seconds
        failed = self._memory.failed(MOST_NAMED)
        arrivals = self._arrivals
        self._status = replace(
            self._status,
            life=life,
            heartbeat=status.utc(),
            mode=self._mode(),
            given_up=self._memory.given_up(self._attempts),
            waiting=arrivals.waiting,
            in_work=tuple(sorted(Path(path).name for path in arrivals.in_work))[:MOST_NAMED],
            not_whole=tuple(islice(arrivals.not_whole.items(), MOST_NAMED)),
            failing=tuple((row.path, row.reason) for row in failed),
            trouble=self.trouble,
        )
        try:
            status.write(self._status)
        except OSError as error:
            logger.warning("the status can't be written: %s", error)

    @property
    def now(self) -> Status:
        """The status as it was written last."""
        return self._status
