"""Handler that uses the DRP's own watcher (`kpf --watch`), which it supervises.

The DRP is restarted when it ends, after longer and longer pauses if it ends at once; it never
outlives this process. L0 files without products are touched, because the DRP looks for that.
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
from kpfnb.kpf.files import drp, drp_log
from kpfnb.kpf.files.obsid import KPF, STATE_DIR, ObsID
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.attempts import AttemptSource
from kpfnb.kpf.progress.evaluation import ObservationCheck
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products, recovery
from kpfnb.kpf.reprocess.attempt_record import record_items
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessItem
from kpfnb.kpf.watch import drp_batches
from kpfnb.kpf.watch.handler import WatchOutcome, WatchResult, WatchTask

logger = logging.getLogger(__name__)

LOG_NAME = "drp.log"
MAX_LOG_BYTES = 100_000_000
MAX_OLD_LOGS = 5
CHECK_SECONDS = 2.0
STARTUP_SECONDS = 30.0
"""The DRP watches its directory this long after its start; it ignores files that came before."""
SETTLED_SECONDS = 300.0
"""A DRP that ran this long is restarted at once; otherwise the pauses get longer."""
MAX_RESTART_SECONDS = 300.0
STOPPING = "the watcher is stopping"


class _StopRequested(Exception):
    """Raised to leave a wait when the watcher is stopping."""


class DrpWatcherProcess:
    """The process of the DRP's own watcher; an unusable setting is an `InvalidSettingsError`.

    Attributes
    ----------
    starts : the number of starts
    started : time of the last start (monotonic)
    last_end : how it ended last; '' if it has not
    log : what it writes
    """

    def __init__(self, settings: Settings, folder: Path, *, ncpus: int, nice: int) -> None:
        self.starts = 0
        self.started = 0.0
        self.last_end = ""
        self._settings = settings
        # The DRP joins the directory and the patterns of file names as text
        target = f"{settings.kpf_root / KPF.raw}/"
        self._command = drp.build_command(settings, target, ncpus, setting="drp_watch_command")
        self.log = folder / LOG_NAME
        self._nice = nice
        self._lock = recovery.drp_lock(settings.kpf_root / STATE_DIR, "daemon")
        self._stopping = threading.Event()

    @property
    def ready_starts(self) -> int:
        """The number of starts after which the DRP has had the time to watch its directory."""
        return self.starts - (time.monotonic() < self.started + STARTUP_SECONDS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep it running within this block."""
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
            logger.warning("the DRP's watcher: %s; restart in %.0f s", self.last_end, pause)
            self._stopping.wait(pause)

    def _supervise(self) -> programs.SupervisedExit:
        return programs.supervise_program(
            self._command,
            log=self.log,
            take_snapshot=self._snapshot,
            expected=1,
            limits=SupervisionLimits(silence_seconds=float("inf")),
            nice=self._nice,
            lock=self._lock,
            directory=self._settings.drp_directory,
            environment=self._settings.drp_environment,
        )

    def _snapshot(self) -> ProductSnapshot:
        if self._stopping.is_set():
            raise _StopRequested
        rotate_log(self.log, MAX_LOG_BYTES)
        return ProductSnapshot(0, 0)


class DrpWatcherHandler:
    """Makes the DRP's watcher process arriving L0 files, and waits for their products.

    An unusable setting `drp_watch_command` is an `InvalidSettingsError`.
    """

    def __init__(
        self, settings: Settings, folder: Path, *, ncpus: int, nice: int, max_calls: int
    ) -> None:
        self._settings = settings
        self._state = settings.kpf_root / STATE_DIR
        self._process = DrpWatcherProcess(settings, folder, ncpus=ncpus, nice=nice)
        self._stopping = threading.Event()
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(max_calls):
            self._slots.put(slot)

    @contextmanager
    def lifetime(self) -> Iterator[None]:
        """Hold the lock on running the DRP on this tree, and keep its watcher running."""
        with locks.acquire_lock("reprocess", folder=self._state):
            recovery.quarantine_partial_products(self._state)
            with self._process.running():
                yield

    def stop(self) -> None:
        """Wait for no more products; safe in a signal handler."""
        self._stopping.set()

    def handle(self, tasks: Sequence[WatchTask]) -> list[WatchResult]:
        """Wait until each file has its products, or is overdue; `stop` postpones the others."""
        slot = self._slots.get()
        try:
            with HeaderIndex(evaluation.index_path(self._settings)) as index:
                marker = recovery.marker_path(self._state, f"daemon-{slot}")
                return self._await(tasks, index, marker)
        finally:
            self._slots.put(slot)

    def _await(
        self, tasks: Sequence[WatchTask], index: HeaderIndex, marker: Path
    ) -> list[WatchResult]:
        rules = drp_batches.watch_rules(self._settings)
        waiting = {ObsID.parse(task.path): task for task in tasks}
        results: dict[Path, WatchResult] = {}
        deadline = time.monotonic() + self._settings.watch_overdue_seconds
        touch_raw_files([task for task in tasks if task.attempt > 1])
        new_products.write_marker(marker, _product_paths(rules.root, waiting))
        ready_starts, first_starts = self._process.ready_starts, self._process.starts
        while True:
            if (new_starts := self._process.ready_starts) > ready_starts:
                if ready_starts:
                    # An earlier process may have been killed in the middle of a product
                    new_products.quarantine_suspects(marker)
                    new_products.write_marker(marker, _product_paths(rules.root, waiting))
                ready_starts = new_starts
                touch_raw_files(waiting.values())
            checks = rules.check_observations(waiting, index)
            results |= drp_batches.resolve_without_drp(rules.root, waiting, checks)
            waiting = {o: task for o, task in waiting.items() if task.path not in results}
            if not waiting or time.monotonic() > deadline:
                break
            if self._stopping.wait(CHECK_SECONDS):
                # The marker stays: the DRP is stopped too, perhaps in the middle of a product
                postponed = (WatchResult(t.path, WatchOutcome.POSTPONED, STOPPING) for t in tasks)
                return [results.get(result.path, result) for result in postponed]
        new_products.clear_marker(marker)
        last_end = self._process.last_end if self._process.starts > first_starts else ""
        overdue = [_overdue_result(task, checks[o], last_end) for o, task in waiting.items()]
        self._record(overdue, rules.root)
        return [*results.values(), *overdue]

    def _record(self, overdue: Sequence[WatchResult], root: Path) -> None:
        """Record the attempts at files whose products did not come."""
        excerpts = drp_log.log_excerpts(self._process.log, map(_name_of, overdue))
        items = [
            ReprocessItem(
                name,
                ObsID(name).night,
                ObservationOutcome.FAILED,
                result.reason,
                str(self._process.log),
                excerpts[name] if name in excerpts[name] else "",
            )
            for result in overdue
            for name in [_name_of(result)]
        ]
        if items:
            record_items(self._settings, root, AttemptSource.WATCHER, items, self._process.log)


def restart_delay(pause: float, run_seconds: float) -> float:
    """Seconds until the next start, from the last pause and the duration of the last run."""
    return 1.0 if run_seconds >= SETTLED_SECONDS else min(2 * pause, MAX_RESTART_SECONDS)


def touch_raw_files(tasks: Iterable[WatchTask]) -> None:
    """Touch L0 files, so that the DRP processes them; one that is gone is not created."""
    for task in tasks:
        with suppress(FileNotFoundError):
            os.utime(task.path)


def rotate_log(log: Path, max_bytes: int) -> None:
    """Limit the size of a log to which a running program appends, and keep its older parts.

    The program has the file open, so it is copied and truncated; a line written in between is lost.
    If it can't be copied (usually because the disk is full), it is truncated without a copy.
    """
    if not log.exists() or log.stat().st_size <= max_bytes:
        return
    for number in range(MAX_OLD_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    copy = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, copy)
    except OSError as error:
        logger.warning("part of %s is lost: %s", log, error)
        copy.unlink(missing_ok=True)
    os.truncate(log, 0)


def _product_paths(root: Path, obsids: Mapping[ObsID, WatchTask]) -> Iterator[Path]:
    return (obsid.path(root, level) for obsid in obsids for level in KPF.products)


def _name_of(result: WatchResult) -> str:
    return ObsID.parse(result.path).text


def _overdue_result(task: WatchTask, check: ObservationCheck, last_end: str) -> WatchResult:
    """The result of a file whose products are overdue.

    last_end : how the DRP's watcher ended while the file was waiting; '' if it did not
    """
    cause = f"; the DRP's watcher {last_end}" if last_end else ""
    return WatchResult(task.path, WatchOutcome.FAILED, f"overdue: {check.reason}{cause}")
