"""Handler that gives arriving L0 files to the DRP in short lists, several lists at a time.

Each list is one start of the DRP with one process, so an observation that hangs delays only its own
list. An L0 with good products is not given to the DRP, however often it arrives.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from kpfnb.core import locks
from kpfnb.core.clock import file_stamp
from kpfnb.core.fits.headers import find_defect
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp, exposure
from kpfnb.kpf.files.obsid import KPF, STATE_DIR, ObsID
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.attempts import AttemptSource
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import recovery
from kpfnb.kpf.reprocess.batch import ReprocessJob, run_batch
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessItem
from kpfnb.kpf.watch.handler import WatchOutcome, WatchResult, WatchTask

logger = logging.getLogger(__name__)

BATCH_SIZE = 20
LOG_DAYS = 14
PRUNE_EVERY = 100


class DrpBatchHandler:
    """Runs the DRP on lists, up to `max_calls` of them at a time.

    An unusable setting `drp_command` is an `InvalidSettingsError`.
    """

    def __init__(self, settings: Settings, folder: Path, *, max_calls: int, nice: int = 0) -> None:
        drp.build_command(settings, "LIST", 1)
        self._settings = settings
        self._state = settings.kpf_root / STATE_DIR
        timeout = settings.watch_overdue_seconds
        self._options = {
            force: ReprocessOptions(ncpus=1, nice=nice, force=force, silence_seconds=timeout)
            for force in (False, True)
        }
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(max_calls):
            self._slots.put(slot)
        self._numbers = itertools.count(1)
        self._started = time.time()
        self._folder = folder / f"{file_stamp(self._started)}-{secrets.token_hex(3)}"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the lock on running the DRP on this tree; first recover killed runs."""
        with locks.acquire_lock("reprocess", folder=self._state):
            with HeaderIndex(evaluation.index_path(self._settings)) as index:
                for note in recovery.recover_killed_runs(watch_rules(self._settings), index):
                    logger.warning("%s", note)
            yield

    def handle(self, tasks: Sequence[WatchTask]) -> list[WatchResult]:
        """Process the L0 files whose products are not good."""
        slot = self._slots.get()
        try:
            with HeaderIndex(evaluation.index_path(self._settings)) as index:
                return self._process_tasks(tasks, index, slot)
        finally:
            self._slots.put(slot)

    def _process_tasks(
        self, tasks: Sequence[WatchTask], index: HeaderIndex, slot: int
    ) -> list[WatchResult]:
        rules = watch_rules(self._settings)
        by_obsid = {ObsID.parse(task.path): task for task in tasks}
        checks = rules.check_observations(by_obsid, index)
        results = resolve_without_drp(rules.root, by_obsid, checks)
        todo = [check for check in checks.values() if by_obsid[check.obsid].path not in results]
        for force in (False, True):
            batch_checks = [check for check in todo if by_obsid[check.obsid].renewed is force]
            if batch_checks:
                job = self._make_job(rules, index, slot, force=force)
                number = next(self._numbers)
                batch, items = run_batch(job, number, batch_checks, report=lambda count: None)
                results |= {r.path: r for r in _to_results(by_obsid, items, batch.stop)}
                if number % PRUNE_EVERY == 1:
                    prune_logs(self._folder.parent)
        return list(results.values())

    def _make_job(
        self, rules: CompletenessRules, index: HeaderIndex, slot: int, *, force: bool
    ) -> ReprocessJob:
        self._folder.mkdir(parents=True, exist_ok=True)
        return ReprocessJob(
            settings=self._settings,
            rules=rules,
            options=self._options[force],
            index=index,
            folder=self._folder,
            backup=None,
            lock=recovery.drp_lock(self._state, f"watch-{slot}"),
            marker=recovery.marker_path(self._state, f"watch-{slot}"),
            started=self._started,
            source=AttemptSource.WATCHER,
        )


def watch_rules(settings: Settings) -> CompletenessRules:
    """The rules of a watcher: all levels, any version, no junk."""
    junk = exposure.read_junk_list(settings.junk_path)
    return CompletenessRules(settings.kpf_root, KPF.products, "", junk.obsids)


def resolve_without_drp(
    root: Path, tasks: Mapping[ObsID, WatchTask], checks: Mapping[ObsID, ObservationCheck]
) -> dict[Path, WatchResult]:
    """The results of files for which the DRP can't do anything, or need not."""
    results = {}
    for obsid, task in tasks.items():
        check = checks[obsid]
        if check.status is ObservationStatus.NO_L0:
            results[task.path] = WatchResult(task.path, WatchOutcome.GONE)
        elif check.status is ObservationStatus.BAD_L0:
            results[task.path] = WatchResult(task.path, WatchOutcome.FAILED, check.reason)
        elif check.status is ObservationStatus.JUNK:
            results[task.path] = WatchResult(task.path, WatchOutcome.DONE, "junk: not processed")
        elif has_good_products(root, check, task):
            results[task.path] = WatchResult(task.path, WatchOutcome.DONE)
    return results


def has_good_products(root: Path, check: ObservationCheck, task: WatchTask) -> bool:
    """Whether the products are good; those of a renewed L0 must be newer than its renewal.

    rsync keeps modification times, so an L0 that arrives again may look older than the products of
    its earlier state. The time of its inode's last change can't be set by any program.
    """
    paths = [check.obsid.path(root, level) for level in check.expected]
    if check.status is not ObservationStatus.DONE or any(map(find_defect, paths)):
        return False
    try:
        renewed_ns = task.path.stat().st_ctime_ns if task.renewed else 0
        return all(path.stat().st_mtime_ns > renewed_ns for path in paths)
    except FileNotFoundError:
        return False


def prune_logs(folder: Path) -> None:
    """Remove lists and logs of the DRP that are older than two weeks."""
    oldest = time.time() - LOG_DAYS * 86_400
    for file in folder.glob("*/batch-*"):
        # Another process may remove them at the same time
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _to_results(
    tasks: Mapping[ObsID, WatchTask], items: Iterable[ReprocessItem], stop: str
) -> Iterator[WatchResult]:
    """The result of each file; a full disk (`stop`) postpones them."""
    for item in items:
        path = tasks[ObsID(item.name)].path
        if item.outcome is ObservationOutcome.DONE:
            yield WatchResult(path, WatchOutcome.DONE)
        elif item.outcome is ObservationOutcome.NOT_REACHED or stop:
            yield WatchResult(path, WatchOutcome.POSTPONED, stop or item.reason)
        elif not path.exists():
            yield WatchResult(path, WatchOutcome.GONE)
        else:
            last_line = item.excerpt.splitlines()[-1:]
            yield WatchResult(path, WatchOutcome.FAILED, ": ".join([item.reason, *last_line]))
