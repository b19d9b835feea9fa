"""The watchers by name: which files each wants, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kpfnb import settings
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.drpdaemon import ByDaemon
from kpfnb.kpf.drplists import LIST_SIZE, Lists
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook import Age, targets
from kpfnb.kpf.quicklook.selection import is_of_age
from kpfnb.kpf.safekeeping import STATE_DIR
from kpfnb.parameters import check_night
from kpfnb.settings import Settings
from kpfnb.watching import service, status
from kpfnb.watching.kind import Ended, Fate, Kind, Task
from kpfnb.watching.status import Status

DAEMON_CALLS = 32
"""L0 files given to a daemon are waited for in so many groups."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a watcher.

    Attributes
    ----------
    ncpus : work on so many files at once
    nice : added to the niceness of what it starts, 0 to 19
    levels : of quicklook: L0, 2D, L1, L2, master; none: all
    age : of quicklook: any, recent (less than a day old) or old
    """

    ncpus: int
    nice: int = 0
    levels: tuple[str, ...] = ()
    age: str = Age.ANY

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        if self.ncpus < 1:
            raise BadParameter(f"ncpus: {self.ncpus}", "it is 1 or more")
        if not 0 <= self.nice <= 19:
            raise BadParameter(f"nice: {self.nice}", "it is from 0 to 19")


def run(
    name: str,
    *,
    ncpus: int | None = None,
    nice: int = 0,
    levels: Sequence[str] = (),
    age: str = Age.ANY,
    since: str = "",
    polling: bool | None = None,
    once: bool = False,
) -> Status:
    """Run the watcher of that name; see `kpfnb.watching.service.run` and `.pace`.

    ncpus : the setting `workers` if None
    levels, age : see `Wish`

    Raises
    ------
    BadParameter, BadSettings : something that is asked for can't be
    Busy : see `kpfnb.watching.service.run`
    """
    here = settings.load()
    wish = Wish(here.workers if ncpus is None else ncpus, nice, tuple(levels), age)
    try:
        check_night(since)
    except ValueError as error:
        raise BadParameter(f"since: {since!r}", str(error)) from None
    return service.run(
        KINDS[name](here, wish), service.pace(here, since=since, polling=polling, once=once)
    )


def process(here: Settings, wish: Wish) -> Kind:
    """New L0 files through the DRP: by lists, or by its own watcher if a command for it is set."""
    folder = status.folder(here.work_dir, "process")
    own: dict[str, Any]
    if here.drp_watch_command:
        daemon = ByDaemon(here, folder, ncpus=wish.ncpus, nice=wish.nice, calls=DAEMON_CALLS)
        own = {"handle": daemon.handle, "life": daemon.life, "touches": True}
        own |= {"at_once": DAEMON_CALLS, "batch_size": 1000}
    else:
        lists = Lists(here, folder / "drp", at_once=wish.ncpus, nice=wish.nice)
        own = {"handle": lists.handle, "turn": lists.turn}
        own |= {"at_once": wish.ncpus, "batch_size": LIST_SIZE}
    return _kind("process", here, levels=[KPF.raw], **own)


def ingest(here: Settings, wish: Wish) -> Kind:
    """Files of all levels into the time-series database."""
    return _kind("ingest", here, levels=KPF.levels, handle=_ingest, batch_size=600)


def quicklook(here: Settings, wish: Wish) -> Kind:
    """Pictures, checks and pages of files of all levels, and of masters."""
    levels = wish.levels or targets.LEVELS
    return Kind(
        name="quicklook",
        root=here.kpf_root,
        state=here.kpf_root / STATE_DIR,
        tops=tuple(here.kpf_root / targets.folder(level) for level in levels),
        wanted=is_target(here.kpf_root, levels, wish.age),
        handle=partial(_quicklook, wish),
        batch_size=2 * wish.ncpus,
    )


KINDS: dict[str, Callable[[Settings, Wish], Kind]] = {
    "process": process,
    "quicklook": quicklook,
    "ingest": ingest,
}
"""Makes the watcher of each name. One is added by a function that returns its `Kind`."""


def is_file_of(root: Path, levels: Collection[str]) -> Callable[[str], bool]:
    """Whether a path is that of an observation's file, of one of these levels, in its place."""
    prefix = f"{root}/"

    def wanted(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        level, _, night = folder.removeprefix(prefix).partition("/")
        match = KPF.filename.fullmatch(name) if level in levels else None
        return bool(match and (match["night"], match["suffix"]) == (night, KPF.levels[level]))

    return wanted


def is_target(root: Path, levels: Collection[str], age: str) -> Callable[[str], bool]:
    """Whether a path is that of a file for quicklook, of one of these levels and of that age."""

    def wanted(path: str) -> bool:
        try:
            target = targets.of(Path(path))
        except BadInput:
            return False
        place = root / targets.folder(target.level) / target.night
        return target.level in levels and target.path.parent == place and is_of_age(path, age)

    return wanted


def _kind(name: str, here: Settings, *, levels: Collection[str], **own: Any) -> Kind:
    root = here.kpf_root
    return Kind(
        name=name,
        root=root,
        state=root / STATE_DIR,
        tops=tuple(root / level for level in levels),
        wanted=is_file_of(root, levels),
        **own,
    )


def _quicklook(wish: Wish, tasks: Sequence[Task]) -> Iterator[Ended]:
    from kpfnb.kpf import quicklook as work

    paths = [task.path for task in tasks]
    made = work.make(paths, workers=wish.ncpus, nice=wish.nice, progress=False)
    for task, item in zip(tasks, made.items, strict=True):
        yield _ended(task.path, item.reason, is_good=item.fate.is_good)


def _ingest(tasks: Sequence[Task]) -> Iterator[Ended]:
    from kpfnb.kpf.tsdb import ingest as work

    found = work.files([task.path for task in tasks])
    refused = {bad.path: bad.reason for night in found.nights for bad in night.refused}
    for task in tasks:
        reason = refused.get(str(task.path), "")
        yield _ended(task.path, reason, is_good=not reason)


def _ended(path: Path, reason: str, *, is_good: bool) -> Ended:
    """What became of a file; one that vanished while it was worked on did not fail."""
    if is_good:
        return Ended(path, Fate.DONE, reason)
    return Ended(path, Fate.FAILED if path.exists() else Fate.GONE, reason)
