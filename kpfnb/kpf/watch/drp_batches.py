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

from kpfnb import fitsheader, locks
from kpfnb.kpf import drp, drpbatch, junk, leftovers, survey
from kpfnb.kpf.drpbatch import Job
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.options import Options
from kpfnb.kpf.reprocessing import Fate as ItemFate
from kpfnb.kpf.reprocessing import Item
from kpfnb.kpf.safekeeping import STATE_DIR
from kpfnb.kpf.standing import Rules, Standing, State
from kpfnb.settings import Settings
from kpfnb.supervision import Patience
from kpfnb.watching.kind import Ended, Fate, Task

logger = logging.getLogger(__name__)

LIST_SIZE = 20
LOG_DAYS = 14
PRUNE_EVERY = 100


class Lists:
    """Runs the DRP on lists, up to `at_once` of them at a time.

    A `drp_command` that is not usable is a `BadSettings`.
    """

    def __init__(self, here: Settings, folder: Path, *, at_once: int, nice: int = 0) -> None:
        drp.command(here, "LIST", 1)
        self._here = here
        self._state = here.kpf_root / STATE_DIR
        self._options = {
            force: Options(
                ncpus=1,
                nice=nice,
                force=force,
                patience=Patience(silence_seconds=here.watch_overdue_seconds),
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
    def turn(self) -> Iterator[None]:
        """Alone with the DRP on this tree; what a killed run left is brought to its end first."""
        with locks.hold("reprocess", folder=self._state):
            with Index(survey.index_path(self._here)) as index:
                for note in leftovers.settle(rules(self._here), index):
                    logger.warning("%s", note)
            yield

    def handle(self, tasks: Sequence[Task]) -> list[Ended]:
        """Process these L0 files as far as their products are not good."""
        slot = self._slots.get()
        try:
            with Index(survey.index_path(self._here)) as index:
                return self._process(tasks, index, slot)
        finally:
            self._slots.put(slot)

    def _process(self, tasks: Sequence[Task], index: Index, slot: int) -> list[Ended]:
        asked = rules(self._here)
        by_obsid = {ObsID.parse(task.path): task for task in tasks}
        standings = asked.look(by_obsid, index)
        ends = ends_without_work(asked.root, by_obsid, standings)
        todo = [s for s in standings.values() if by_obsid[s.obsid].path not in ends]
        for force in (False, True):
            some = [s for s in todo if by_obsid[s.obsid].renewed is force]
            if some:
                job = self._job(asked, index, slot, force=force)
                number = next(self._numbers)
                batch, items = drpbatch.process(job, number, some, report=lambda made: None)
                ends |= {end.path: end for end in _ended(by_obsid, items, batch.stop)}
                if number % PRUNE_EVERY == 1:
                    prune(self._folder.parent)
        return list(ends.values())

    def _job(self, asked: Rules, index: Index, slot: int, *, force: bool) -> Job:
        self._folder.mkdir(parents=True, exist_ok=True)
        return Job(
            settings=self._here,
            rules=asked,
            options=self._options[force],
            index=index,
            folder=self._folder,
            old=None,
            lock=leftovers.lock(self._state, f"watch-{slot}"),
            mark=leftovers.mark(self._state, f"watch-{slot}"),
            started=self._started,
        )


def rules(here: Settings) -> Rules:
    """What a watcher asks of the products: all levels, of any version, of all but junk."""
    return Rules(here.kpf_root, KPF.products, "", junk.read(here.junk_path).obsids)


def ends_without_work(
    root: Path, tasks: Mapping[ObsID, Task], standings: Mapping[ObsID, Standing]
) -> dict[Path, Ended]:
    """Those for which the DRP can't, or need not, do anything."""
    ends = {}
    for obsid, task in tasks.items():
        standing = standings[obsid]
        if standing.state is State.NO_L0:
            ends[task.path] = Ended(task.path, Fate.GONE)
        elif standing.state is State.BAD_L0:
            ends[task.path] = Ended(task.path, Fate.FAILED, standing.reason)
        elif standing.state is State.JUNK:
            ends[task.path] = Ended(task.path, Fate.DONE, "junk: not processed")
        elif is_good(root, standing, task):
            ends[task.path] = Ended(task.path, Fate.DONE)
    return ends


def is_good(root: Path, standing: Standing, task: Task) -> bool:
    """Whether the products are good; those of an L0 that was renewed must be newer than that.

    rsync keeps modification times, so an L0 that came anew may look older than the products of its
    former self. The time of its inode's last change can't be set by anybody.
    """
    paths = [standing.obsid.path(root, level) for level in standing.expected]
    if standing.state is not State.DONE or any(map(fitsheader.defect, paths)):
        return False
    try:
        renewed = task.path.stat().st_ctime_ns if task.renewed else 0
        return all(path.stat().st_mtime_ns > renewed for path in paths)
    except FileNotFoundError:
        return False


def prune(folder: Path) -> None:
    """Remove the DRP's lists and logs that are older than two weeks."""
    oldest = time.time() - LOG_DAYS * 86_400
    for file in folder.glob("*/batch-*"):
        # Somebody else may tidy up too
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _ended(tasks: Mapping[ObsID, Task], items: Iterable[Item], stop: str) -> Iterator[Ended]:
    """What became of each; a full disk (`stop`) is nobody's fault."""
    for item in items:
        path = tasks[ObsID(item.name)].path
        said = item.excerpt.splitlines()[-1:]
        if item.fate is ItemFate.DONE:
            yield Ended(path, Fate.DONE)
        elif item.fate is ItemFate.UNREACHED or stop:
            yield Ended(path, Fate.POSTPONED, stop or item.reason)
        elif not path.exists():
            yield Ended(path, Fate.GONE)
        else:
            yield Ended(path, Fate.FAILED, ": ".join([item.reason, *said]))
