"""The watchers by name: which files each wants, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook import FileAge, targets
from kpfnb.kpf.quicklook.selection import matches_age
from kpfnb.kpf.reprocess.recovery import STATE_DIR
from kpfnb.kpf.watch import service, status
from kpfnb.kpf.watch.drp_batches import BATCH_SIZE, DrpBatchHandler
from kpfnb.kpf.watch.drp_watcher import DrpWatcherHandler
from kpfnb.kpf.watch.handler import WatchHandler, WatchOutcome, WatchResult, WatchTask
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.notebook.parameters import check_night

MAX_DAEMON_CALLS = 32
"""L0 files given to a daemon are waited for in so many groups."""


@dataclass(frozen=True)
class WatcherOptions:
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
    age: str = FileAge.ANY

    def __post_init__(self) -> None:
        """Refuse what can't be."""
        if self.ncpus < 1:
            raise InvalidParameterError(f"ncpus: {self.ncpus}", "it is 1 or more")
        if not 0 <= self.nice <= 19:
            raise InvalidParameterError(f"nice: {self.nice}", "it is from 0 to 19")


def run_watcher(
    name: str,
    *,
    ncpus: int | None = None,
    nice: int = 0,
    levels: Sequence[str] = (),
    age: str = FileAge.ANY,
    since: str = "",
    polling: bool | None = None,
    once: bool = False,
) -> WatcherReport:
    """Run the watcher of that name; see `kpfnb.kpf.watch.service.serve_watcher` and `.pace`.

    ncpus : the setting `workers` if None
    levels, age : see `WatcherOptions`

    Raises
    ------
    InvalidParameterError, InvalidSettingsError : something that is asked for can't be
    AlreadyRunningError : see `kpfnb.kpf.watch.service.serve_watcher`
    """
    here = settings.load_settings()
    wish = WatcherOptions(here.workers if ncpus is None else ncpus, nice, tuple(levels), age)
    try:
        check_night(since)
    except ValueError as error:
        raise InvalidParameterError(f"since: {since!r}", str(error)) from None
    return service.serve_watcher(
        HANDLERS[name](here, wish),
        service.load_policy(here, since=since, polling=polling, once=once),
    )


def make_process_handler(here: Settings, wish: WatcherOptions) -> WatchHandler:
    """New L0 files through the DRP: by lists, or by its own watcher if a command for it is set."""
    folder = status.watcher_dir(here.work_dir, "process")
    own: dict[str, Any]
    if here.drp_watch_command:
        daemon = DrpWatcherHandler(
            here, folder, ncpus=wish.ncpus, nice=wish.nice, calls=MAX_DAEMON_CALLS
        )
        own = {"handle": daemon.handle, "life": daemon.lifetime, "touches": True}
        own |= {"at_once": MAX_DAEMON_CALLS, "batch_size": 1000}
    else:
        lists = DrpBatchHandler(here, folder / "drp", at_once=wish.ncpus, nice=wish.nice)
        own = {"handle": lists.handle, "turn": lists.session}
        own |= {"at_once": wish.ncpus, "batch_size": BATCH_SIZE}
    return _make_handler("process", here, levels=[KPF.raw], **own)


def make_ingest_handler(here: Settings, wish: WatcherOptions) -> WatchHandler:
    """Files of all levels into the time-series database."""
    return _make_handler("ingest", here, levels=KPF.levels, handle=_ingest_files, batch_size=600)


def make_quicklook_handler(here: Settings, wish: WatcherOptions) -> WatchHandler:
    """Pictures, checks and pages of files of all levels, and of masters."""
    levels = wish.levels or targets.LEVELS
    return WatchHandler(
        name="quicklook",
        root=here.kpf_root,
        lock_dir=here.kpf_root / STATE_DIR,
        watched_dirs=tuple(here.kpf_root / targets.level_folder(level) for level in levels),
        is_wanted=match_targets(here.kpf_root, levels, wish.age),
        handle=partial(_make_quicklooks, wish),
        batch_size=2 * wish.ncpus,
    )


HANDLERS: dict[str, Callable[[Settings, WatcherOptions], WatchHandler]] = {
    "process": make_process_handler,
    "quicklook": make_quicklook_handler,
    "ingest": make_ingest_handler,
}
"""Makes the watcher of each name. One is added by a function that returns its `Kind`."""


def match_levels(root: Path, levels: Collection[str]) -> Callable[[str], bool]:
    """Whether a path is that of an observation's file, of one of these levels, in its place."""
    prefix = f"{root}/"

    def wanted(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        level, _, night = folder.removeprefix(prefix).partition("/")
        match = KPF.filename_pattern.fullmatch(name) if level in levels else None
        return bool(match and (match["night"], match["suffix"]) == (night, KPF.levels[level]))

    return wanted


def match_targets(root: Path, levels: Collection[str], age: str) -> Callable[[str], bool]:
    """Whether a path is that of a file for quicklook, of one of these levels and of that age."""

    def wanted(path: str) -> bool:
        try:
            target = targets.QuicklookTarget.from_path(Path(path))
        except InvalidInputError:
            return False
        place = root / targets.level_folder(target.level) / target.night
        return target.level in levels and target.path.parent == place and matches_age(path, age)

    return wanted


def _make_handler(
    name: str, here: Settings, *, levels: Collection[str], **own: Any
) -> WatchHandler:
    root = here.kpf_root
    return WatchHandler(
        name=name,
        root=root,
        lock_dir=root / STATE_DIR,
        watched_dirs=tuple(root / level for level in levels),
        is_wanted=match_levels(root, levels),
        **own,
    )


def _make_quicklooks(wish: WatcherOptions, tasks: Sequence[WatchTask]) -> Iterator[WatchResult]:
    from kpfnb.kpf import quicklook

    paths = [task.path for task in tasks]
    options = quicklook.QuicklookOptions(workers=wish.ncpus, nice=wish.nice, progress=False)
    result = quicklook.process_files(paths, options)
    for task, item in zip(tasks, result.items, strict=True):
        yield _to_result(task.path, item.reason, is_good=item.outcome.is_good)


def _ingest_files(tasks: Sequence[WatchTask]) -> Iterator[WatchResult]:
    from kpfnb.kpf.tsdb import ingest

    found = ingest.ingest_files([task.path for task in tasks])
    refused = {bad.path: bad.reason for night in found.nights for bad in night.refused}
    for task in tasks:
        reason = refused.get(str(task.path), "")
        yield _to_result(task.path, reason, is_good=not reason)


def _to_result(path: Path, reason: str, *, is_good: bool) -> WatchResult:
    """What became of a file; one that vanished while it was worked on did not fail."""
    if is_good:
        return WatchResult(path, WatchOutcome.DONE, reason)
    return WatchResult(path, WatchOutcome.FAILED if path.exists() else WatchOutcome.GONE, reason)
