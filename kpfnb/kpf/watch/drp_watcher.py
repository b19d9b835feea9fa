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

from kpfnb.compute import programs
from kpfnb.compute.programs import ProductSnapshot, SupervisionLimits
from kpfnb.core import locks
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.evaluation import ObservationCheck
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products, recovery
from kpfnb.kpf.reprocess.recovery import STATE_DIR
from kpfnb.kpf.watch import drp_batches
from kpfnb.kpf.watch.handler import WatchOutcome, WatchResult, WatchTask

logger = logging.getLogger(__name__)

LOG_NAME = "drp.log"
MAX_LOG_BYTES = 100_000_000
MAX_OLD_LOGS = 5
CHECK_SECONDS = 2.0
STARTUP_SECONDS = 30.0
"""The DRP is at work on its directory so long after its start; what came before is not taken up."""
SETTLED_SECONDS = 300.0
"""One that ran for so long is started again at once; one that did not, later and later."""
MAX_RESTART_SECONDS = 300.0


class _StopRequested(Exception):
    """We were told to stop."""


class DrpWatcherProcess:
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
        self.last_end = ""
        self._command = command
        self._log = folder / LOG_NAME
        self._nice = nice
        self._lock = lock
        self._stopping = threading.Event()

    @property
    def ready_starts(self) -> int:
        """How many of its starts have had the time to begin."""
        return self.starts - (time.monotonic() < self.started + STARTUP_SECONDS)

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
                self.last_end = str(self._supervise())
            except _StopRequested:
                return
            except OSError as error:
                self.last_end = f"{error.strerror}: {error.filename}"
            pause = restart_delay(pause, time.monotonic() - self.started)
            logger.warning(
                "the DRP's watcher: %s; it is started again in %.0f s", self.last_end, pause
            )
            self._stopping.wait(pause)

    def _supervise(self) -> programs.SupervisedExit:
        return programs.supervise_program(
            self._command,
            log=self._log,
            take_snapshot=self._snapshot,
            expected=1,
            limits=SupervisionLimits(silence_seconds=float("inf")),
            nice=self._nice,
            lock=self._lock,
        )

    def _snapshot(self) -> ProductSnapshot:
        if self._stopping.is_set():
            raise _StopRequested
        rotate_log(self._log, MAX_LOG_BYTES)
        return ProductSnapshot(0, 0)


class DrpWatcherHandler:
    """Sees to it that the L0 files that arrive get products from the daemon.

    A `drp_watch_command` that is not usable is a `InvalidSettingsError`.
    """

    def __init__(self, here: Settings, folder: Path, *, ncpus: int, nice: int, calls: int) -> None:
        self._here = here
        self._state = here.kpf_root / STATE_DIR
        command = drp.build_command(
            here, here.kpf_root / KPF.raw, ncpus, setting="drp_watch_command"
        )
        lock = recovery.drp_lock(self._state, "daemon")
        self._daemon = DrpWatcherProcess(command, folder, nice=nice, lock=lock)
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(calls):
            self._slots.put(slot)

    @contextmanager
    def lifetime(self) -> Iterator[None]:
        """Alone with the DRP on this tree, the daemon running."""
        with locks.acquire_lock("reprocess", folder=self._state):
            recovery.quarantine_partial_products(self._state)
            with self._daemon.running():
                yield

    def handle(self, tasks: Sequence[WatchTask]) -> list[WatchResult]:
        """Wait until each has its products, or is overdue."""
        slot = self._slots.get()
        try:
            with HeaderIndex(evaluation.index_path(self._here)) as index:
                return self._await(
                    tasks, index, recovery.marker_path(self._state, f"daemon-{slot}")
                )
        finally:
            self._slots.put(slot)

    def _await(
        self, tasks: Sequence[WatchTask], index: HeaderIndex, mark: Path
    ) -> list[WatchResult]:
        asked = drp_batches.watch_rules(self._here)
        left = {ObsID.parse(task.path): task for task in tasks}
        ends: dict[Path, WatchResult] = {}
        deadline = time.monotonic() + self._here.watch_overdue_seconds
        touch_raw_files([task for task in tasks if task.attempt > 1])
        new_products.write_marker(mark, _product_paths(asked.root, left))
        begun, at_first = self._daemon.ready_starts, self._daemon.starts
        while True:
            if (now := self._daemon.ready_starts) > begun:
                if begun:
                    # Another one was at work before, and may have been cut off
                    new_products.quarantine_suspects(mark)
                    new_products.write_marker(mark, _product_paths(asked.root, left))
                begun = now
                touch_raw_files(left.values())
            standings = asked.check_observations(left, index)
            ends |= drp_batches.resolve_without_drp(asked.root, left, standings)
            left = {obsid: task for obsid, task in left.items() if task.path not in ends}
            if not left or time.monotonic() > deadline:
                break
            time.sleep(CHECK_SECONDS)
        new_products.clear_marker(mark)
        why = self._daemon.last_end if self._daemon.starts > at_first else ""
        return [
            *ends.values(),
            *(_overdue_result(task, standings[o], why) for o, task in left.items()),
        ]


def restart_delay(pause: float, lasted: float) -> float:
    """Seconds until the next start of a daemon that lasted so long, after a pause of so long."""
    return 1.0 if lasted >= SETTLED_SECONDS else min(2 * pause, MAX_RESTART_SECONDS)


def touch_raw_files(tasks: Iterable[WatchTask]) -> None:
    """Have the daemon look at these L0 files again; one that is gone is not made."""
    for task in tasks:
        with suppress(FileNotFoundError):
            os.utime(task.path)


def rotate_log(log: Path, most_bytes: int) -> None:
    """Keep a log that a running program appends to below a size, and its former parts.

    It is copied and cut, for the program has it open; a line written in between is lost. Where it
    can't be copied (a full disk is why, as a rule) it is cut all the same.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    for number in range(MAX_OLD_LOGS - 1, 0, -1):
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


def _product_paths(root: Path, obsids: Mapping[ObsID, WatchTask]) -> Iterator[Path]:
    return (obsid.path(root, level) for obsid in obsids for level in KPF.products)


def _overdue_result(task: WatchTask, standing: ObservationCheck, why: str) -> WatchResult:
    """why : how the daemon ended meanwhile; '' where it did not"""
    told = f"; the DRP's watcher {why}" if why else ""
    return WatchResult(task.path, WatchOutcome.FAILED, f"overdue: {standing.reason}{told}")
