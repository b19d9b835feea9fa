"""L0 files as they arrive, given to the DRP in short lists, several lists at a time.

Each list is one start of the DRP with one process, so an observation that hangs holds up its own
list only. An L0 whose products are good is not given to the DRP, however often it is handed in.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from kpfnb.compute.programs import SupervisionLimits
from kpfnb.core import locks
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp, obsid_list
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import batch as drpbatch
from kpfnb.kpf.reprocess import recovery
from kpfnb.kpf.reprocess.batch import ReprocessJob
from kpfnb.kpf.reprocess.options import ReprocessOptions
from kpfnb.kpf.reprocess.recovery import STATE_DIR
from kpfnb.kpf.reprocess.result import ObservationOutcome as ItemFate
from kpfnb.kpf.reprocess.result import ReprocessItem
from kpfnb.kpf.watch.handler import WatchOutcome, WatchResult, WatchTask

logger = logging.getLogger(__name__)

BATCH_SIZE = 20
LOG_DAYS = 14
PRUNE_EVERY = 100


class DrpBatchHandler:
    """Runs the DRP on lists, up to `at_once` of them at a time.

    A `drp_command` that is not usable is a `InvalidSettingsError`.
    """

    def __init__(self, here: Settings, folder: Path, *, at_once: int, nice: int = 0) -> None:
        drp.build_command(here, "LIST", 1)
        self._here = here
        self._state = here.kpf_root / STATE_DIR
        self._options = {
            force: ReprocessOptions(
                ncpus=1,
                nice=nice,
                force=force,
                patience=SupervisionLimits(silence_seconds=here.watch_overdue_seconds),
            )
            for force in (False, True)
        }
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(at_once):
            self._slots.put(slot)
        self._numbers = itertools.count(1)
        self._started = time.time()
        moment = datetime.fromtimestamp(self._started, UTC).strftime("%Y%m%dT%H%M%SZ")
        self._folder = folder / f"{moment}-{secrets.token_hex(3)}"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Alone with the DRP on this tree; what a killed run left is brought to its end first."""
        with locks.acquire_lock("reprocess", folder=self._state):
            with HeaderIndex(evaluation.index_path(self._here)) as index:
                for note in recovery.recover_killed_runs(watch_rules(self._here), index):
                    logger.warning("%s", note)
            yield

    def handle(self, tasks: Sequence[WatchTask]) -> list[WatchResult]:
        """Process these L0 files as far as their products are not good."""
        slot = self._slots.get()
        try:
            with HeaderIndex(evaluation.index_path(self._here)) as index:
                return self._process_tasks(tasks, index, slot)
        finally:
            self._slots.put(slot)

    def _process_tasks(
        self, tasks: Sequence[WatchTask], index: HeaderIndex, slot: int
    ) -> list[WatchResult]:
        asked = watch_rules(self._here)
        by_obsid = {ObsID.parse(task.path): task for task in tasks}
        standings = asked.check_observations(by_obsid, index)
        ends = resolve_without_drp(asked.root, by_obsid, standings)
        todo = [s for s in standings.values() if by_obsid[s.obsid].path not in ends]
        for force in (False, True):
            some = [s for s in todo if by_obsid[s.obsid].renewed is force]
            if some:
                job = self._make_job(asked, index, slot, force=force)
                number = next(self._numbers)
                batch, items = drpbatch.run_batch(job, number, some, report=lambda made: None)
                ends |= {end.path: end for end in _to_results(by_obsid, items, batch.stop)}
                if number % PRUNE_EVERY == 1:
                    prune_logs(self._folder.parent)
        return list(ends.values())

    def _make_job(
        self, asked: CompletenessRules, index: HeaderIndex, slot: int, *, force: bool
    ) -> ReprocessJob:
        self._folder.mkdir(parents=True, exist_ok=True)
        return ReprocessJob(
            settings=self._here,
            rules=asked,
            options=self._options[force],
            index=index,
            folder=self._folder,
            backup=None,
            lock=recovery.drp_lock(self._state, f"watch-{slot}"),
            marker=recovery.marker_path(self._state, f"watch-{slot}"),
            started=self._started,
        )


def watch_rules(here: Settings) -> CompletenessRules:
    """What a watcher asks of the products: all levels, of any version, of all but junk."""
    return CompletenessRules(
        here.kpf_root, KPF.products, "", obsid_list.read_junk_list(here.junk_path).obsids
    )


def resolve_without_drp(
    root: Path, tasks: Mapping[ObsID, WatchTask], standings: Mapping[ObsID, ObservationCheck]
) -> dict[Path, WatchResult]:
    """Those for which the DRP can't, or need not, do anything."""
    ends = {}
    for obsid, task in tasks.items():
        standing = standings[obsid]
        if standing.status is ObservationStatus.NO_L0:
            ends[task.path] = WatchResult(task.path, WatchOutcome.GONE)
        elif standing.status is ObservationStatus.BAD_L0:
            ends[task.path] = WatchResult(task.path, WatchOutcome.FAILED, standing.reason)
        elif standing.status is ObservationStatus.JUNK:
            ends[task.path] = WatchResult(task.path, WatchOutcome.DONE, "junk: not processed")
        elif has_good_products(root, standing, task):
            ends[task.path] = WatchResult(task.path, WatchOutcome.DONE)
    return ends


def has_good_products(root: Path, standing: ObservationCheck, task: WatchTask) -> bool:
    """Whether the products are good; those of an L0 that was renewed must be newer than that.

    rsync keeps modification times, so an L0 that came anew may look older than the products of its
    former self. The time of its inode's last change can't be set by anybody.
    """
    paths = [standing.obsid.path(root, level) for level in standing.expected]
    if standing.status is not ObservationStatus.DONE or any(map(headers.find_defect, paths)):
        return False
    try:
        renewed = task.path.stat().st_ctime_ns if task.renewed else 0
        return all(path.stat().st_mtime_ns > renewed for path in paths)
    except FileNotFoundError:
        return False


def prune_logs(folder: Path) -> None:
    """Remove the DRP's lists and logs that are older than two weeks."""
    oldest = time.time() - LOG_DAYS * 86_400
    for file in folder.glob("*/batch-*"):
        # Somebody else may tidy up too
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _to_results(
    tasks: Mapping[ObsID, WatchTask], items: Iterable[ReprocessItem], stop: str
) -> Iterator[WatchResult]:
    """What became of each; a full disk (`stop`) is nobody's fault."""
    for item in items:
        path = tasks[ObsID(item.name)].path
        said = item.excerpt.splitlines()[-1:]
        if item.fate is ItemFate.DONE:
            yield WatchResult(path, WatchOutcome.DONE)
        elif item.fate is ItemFate.NOT_REACHED or stop:
            yield WatchResult(path, WatchOutcome.POSTPONED, stop or item.reason)
        elif not path.exists():
            yield WatchResult(path, WatchOutcome.GONE)
        else:
            yield WatchResult(path, WatchOutcome.FAILED, ": ".join([item.reason, *said]))
