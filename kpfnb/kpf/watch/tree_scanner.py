"""Finds what no event told of: the whole tree again and again, and new folders a few times."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from kpfnb.watching import scanning
from kpfnb.watching.arrivals import Arrivals, Pace
from kpfnb.watching.kind import Kind, Stamp
from kpfnb.watching.memory import Memory, Row, State

logger = logging.getLogger(__name__)

SWEEPS_SECONDS = (0.2, 2.0, 10.0)
"""A new folder is looked at so long after it was told of: what was in it first is not told."""

MOST_WAITING = 20_000
"""A scan waits while so many files are on their way in."""

Post = Callable[[Callable[[], None]], None]
"""Has the watcher's own thread call something."""


class Scout:
    """Looks through the tree in a thread of its own.

    Parameters
    ----------
    memory_path : the thread has its own connection
    trouble : told what could not be looked at
    done : told of the end of each look at the whole tree, with what it had to leave out
    """

    def __init__(
        self,
        kind: Kind,
        memory_path: Path,
        arrivals: Arrivals,
        pace: Pace,
        *,
        post: Post,
        trouble: Callable[[str], None],
        done: Callable[[Sequence[str]], None],
    ) -> None:
        self.is_busy = False
        self.scans = 0
        self._kind = kind
        self._memory_path = memory_path
        self._arrivals = arrivals
        self._pace = pace
        self._post = post
        self._trouble = trouble
        self._done = done
        self._sweeps: list[tuple[float, str]] = []
        self._next_scan = 0.0
        self._stopping = threading.Event()

    @property
    def next_moment(self) -> float:
        """When (monotonic) there is something to look at."""
        scan = float("inf") if self.is_busy or self._is_enough else self._next_scan
        return min([scan, *(when for when, _ in self._sweeps)])

    def stop(self) -> None:
        """Look no further."""
        self._stopping.set()

    def hurry(self) -> None:
        """Look at the whole tree now: something may have been missed."""
        self._next_scan = time.monotonic()

    def sweep(self, folders: Iterable[str]) -> None:
        """Look at these new folders, a few times."""
        now = time.monotonic()
        self._sweeps += [(now + s, folder) for folder in folders for s in SWEEPS_SECONDS]

    def look(self, memory: Memory) -> None:
        """Look at what is due; new folders at once, the whole tree in the other thread."""
        now = time.monotonic()
        due = [folder for when, folder in self._sweeps if when <= now]
        self._sweeps = [(when, folder) for when, folder in self._sweeps if when > now]
        for folder in dict.fromkeys(due):
            self._walk(Path(folder), memory, self._arrivals.found, self._tell)
        if now >= self._next_scan and not self.is_busy and not self._is_enough:
            self.is_busy = True
            threading.Thread(target=self._scan, name="scan", daemon=True).start()

    @property
    def _is_enough(self) -> bool:
        return self._pace.once and self.scans > 0

    def _scan(self) -> None:
        """In the thread: the border of a look; whatever ends it early is told."""
        unread: list[str] = []
        try:
            with Memory(self._memory_path) as memory:
                first = not memory.fact("scanned")
                for top in self._kind.tops:
                    self._walk(top, memory, partial(self._offer, memory, first), unread.append)
                if not self._stopping.is_set():
                    memory.keep_fact("scanned", "yes")
        except Exception as error:
            logger.exception("the look at %s", self._kind.root)
            unread.append(f"the look ended early: {error}")
        self._post(partial(self._scanned, unread))

    def _walk(
        self,
        top: Path,
        memory: Memory,
        offer: Callable[[str, dict[str, Stamp]], None],
        trouble: Callable[[str], None],
    ) -> None:
        for folder, found in scanning.changed(top, self._kind.wanted, memory.known, trouble):
            if self._stopping.is_set():
                return
            offer(folder, found)

    def _offer(self, memory: Memory, first: bool, folder: str, found: dict[str, Stamp]) -> None:
        if first and Path(folder).name < self._pace.since:
            known = memory.known(folder)
            new = [(f"{folder}/{n}", s) for n, s in found.items() if n not in known]
            memory.put(Row(path, seen, State.KNOWN, 0, False) for path, seen in new)
            return
        while self._arrivals.waiting > MOST_WAITING and not self._stopping.wait(1):
            pass
        self._post(partial(self._arrivals.found, folder, found))

    def _tell(self, text: str) -> None:
        self._post(partial(self._trouble, text))

    def _scanned(self, unread: Sequence[str]) -> None:
        # The hour begins when the look has ended, however long it took
        self.is_busy = False
        self.scans += 1
        self._next_scan = time.monotonic() + self._pace.rescan_seconds
        for text in unread:
            self._trouble(text)
        self._done(unread)
