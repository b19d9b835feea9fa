"""The DRP's own watcher (`kpf --watch`) under supervision, and the L0 files that it should process.

It is started again when it ends, later and later where it ends at once; it never outlives us. L0
files that have no products after a while are touched, for that is what it looks at.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from kpfnb import locks, supervision
from kpfnb.kpf import drp, drplists, leftovers, survey, unfinished
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.safekeeping import STATE_DIR
from kpfnb.kpf.standing import Standing
from kpfnb.settings import Settings
from kpfnb.supervision import Patience, Sight
from kpfnb.watching.kind import Ended, Fate, Task

logger = logging.getLogger(__name__)

LOG_NAME = "drp.log"
LOG_BYTES = 100_000_000
LOGS_KEPT = 5
LOOK_SECONDS = 2.0
BEGIN_SECONDS = 30.0
"""The DRP is at work on its directory so long after its start; what came before is not taken up."""
SETTLED_SECONDS = 300.0
"""One that ran for so long is started again at once; one that did not, later and later."""
LONGEST_PAUSE_SECONDS = 300.0


class _Told(Exception):
    """We were told to stop."""


class Daemon:
    """The DRP's own watcher.

    Attributes
    ----------
    starts : how often it was started
    started : when that was the last time (monotonic)
    ended : how it ended last, '' where it has not
    """

    def __init__(self, command: Sequence[str], folder: Path, *, nice: int, lock: Path) -> None:
        self.starts = 0
        self.started = 0.0
        self.ended = ""
        self._command = command
        self._log = folder / LOG_NAME
        self._nice = nice
        self._lock = lock
        self._stopping = threading.Event()

    @property
    def begun(self) -> int:
        """How many of its starts have had the time to begin."""
        return self.starts - (time.monotonic() < self.started + BEGIN_SECONDS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs, or is about to be started again, within this block."""
        thread = threading.Thread(target=self._run, name="drp", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            self.started = time.monotonic()
            self.starts += 1
            try:
                self.ended = str(self._supervise())
            except _Told:
                return
            except OSError as error:
                self.ended = f"{error.strerror}: {error.filename}"
            pause = next_pause(pause, time.monotonic() - self.started)
            logger.warning(
                "the DRP's watcher: %s; it is started again in %.0f s", self.ended, pause
            )
            self._stopping.wait(pause)

    def _supervise(self) -> supervision.Ended:
        return supervision.run(
            self._command,
            log=self._log,
            look=self._look,
            expected=1,
            patience=Patience(silence_seconds=float("inf")),
            nice=self._nice,
            lock=self._lock,
        )

    def _look(self) -> Sight:
        if self._stopping.is_set():
            raise _Told
        rotate(self._log, LOG_BYTES)
        return Sight(0, 0)


class ByDaemon:
    """Sees to it that the L0 files that arrive get products from the daemon.

    A `drp_watch_command` that is not usable is a `BadSettings`.
    """

    def __init__(self, here: Settings, folder: Path, *, ncpus: int, nice: int, calls: int) -> None:
        self._here = here
        self._state = here.kpf_root / STATE_DIR
        command = drp.command(here, here.kpf_root / KPF.raw, ncpus, setting="drp_watch_command")
        lock = leftovers.lock(self._state, "daemon")
        self._daemon = Daemon(command, folder, nice=nice, lock=lock)
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(calls):
            self._slots.put(slot)

    @contextmanager
    def life(self) -> Iterator[None]:
        """Alone with the DRP on this tree, the daemon running."""
        with locks.hold("reprocess", folder=self._state):
            leftovers.finish(self._state)
            with self._daemon.running():
                yield

    def handle(self, tasks: Sequence[Task]) -> list[Ended]:
        """Wait until each has its products, or is overdue."""
        slot = self._slots.get()
        try:
            with Index(survey.index_path(self._here)) as index:
                return self._await(tasks, index, leftovers.mark(self._state, f"daemon-{slot}"))
        finally:
            self._slots.put(slot)

    def _await(self, tasks: Sequence[Task], index: Index, mark: Path) -> list[Ended]:
        asked = drplists.rules(self._here)
        left = {ObsID.parse(task.path): task for task in tasks}
        ends: dict[Path, Ended] = {}
        deadline = time.monotonic() + self._here.watch_overdue_seconds
        touch([task for task in tasks if task.attempt > 1])
        unfinished.mark(mark, _products(asked.root, left))
        begun, at_first = self._daemon.begun, self._daemon.starts
        while True:
            if (now := self._daemon.begun) > begun:
                if begun:
                    # Another one was at work before, and may have been cut off
                    unfinished.distrust(mark)
                    unfinished.mark(mark, _products(asked.root, left))
                begun = now
                touch(left.values())
            standings = asked.look(left, index)
            ends |= drplists.ends_without_work(asked.root, left, standings)
            left = {obsid: task for obsid, task in left.items() if task.path not in ends}
            if not left or time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        unfinished.clear(mark)
        why = self._daemon.ended if self._daemon.starts > at_first else ""
        return [*ends.values(), *(_overdue(task, standings[o], why) for o, task in left.items())]


def next_pause(pause: float, lasted: float) -> float:
    """Seconds until the next start of a daemon that lasted so long, after a pause of so long."""
    return 1.0 if lasted >= SETTLED_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)


def touch(tasks: Iterable[Task]) -> None:
    """Have the daemon look at these L0 files again; one that is gone is not made."""
    for task in tasks:
        with suppress(FileNotFoundError):
            os.utime(task.path)


def rotate(log: Path, most_bytes: int) -> None:
    """Keep a log that a running program appends to below a size, and its former parts.

    It is copied and cut, for the program has it open; a line written in between is lost. Where it
    can't be copied (a full disk is why, as a rule) it is cut all the same.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    copy = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, copy)
    except OSError as error:
        logger.warning("a part of %s is lost: %s", log, error)
        copy.unlink(missing_ok=True)
    os.truncate(log, 0)


def _products(root: Path, obsids: Mapping[ObsID, Task]) -> Iterator[Path]:
    return (obsid.path(root, level) for obsid in obsids for level in KPF.products)


def _overdue(task: Task, standing: Standing, why: str) -> Ended:
    """why : how the daemon ended meanwhile; '' where it did not"""
    told = f"; the DRP's watcher {why}" if why else ""
    return Ended(task.path, Fate.FAILED, f"overdue: {standing.reason}{told}")
