"""The watchers by name (the files that each handles, and how), and a watcher as a service.

A service is the only watcher on its tree, has a log, and is stopped by signals.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpfnb.core import locks, logs
from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, InvalidSettingsError
from kpfnb.core.settings import Settings, load_settings
from kpfnb.core.signals import handle_signals
from kpfnb.kpf.files.obsid import KPF, STATE_DIR
from kpfnb.kpf.quicklook import FileAge, targets
from kpfnb.kpf.quicklook.selection import matches_age
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.drp_batches import BATCH_SIZE, DrpBatchHandler
from kpfnb.kpf.watch.drp_watcher import DrpWatcherHandler
from kpfnb.kpf.watch.handler import WatchHandler, WatchOutcome, WatchResult, WatchTask
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.kpf.watch.watcher import Watcher

LOG_BYTES = 10_000_000

MAX_WATCHER_CALLS = 32
"""Groups of L0 files for whose products the DRP's own watcher is awaited at a time."""


def load_policy(
    settings: Settings, *, since: str = "", polling: bool | None = None, once: bool = False
) -> WatchPolicy:
    """The policy by the settings.

    Parameters
    ----------
    since : at the first start, present files in directories named before it are not handled
    polling : instead of events of the operating system; the setting if None
    once : handle the present files, and end
    """
    return WatchPolicy(
        quiet_seconds=settings.watch_quiet_seconds,
        rescan_seconds=settings.watch_rescan_seconds,
        attempts=settings.watch_attempts,
        retry_seconds=settings.watch_retry_seconds,
        polling=settings.watch_polling if polling is None else polling,
        since=since,
        once=once,
    )


def serve_watcher(handler: WatchHandler, policy: WatchPolicy) -> WatcherReport:
    """Watch until SIGTERM or Ctrl-C, then finish the current files; a second signal aborts.

    With `WatchPolicy.once` it ends by itself. In a thread it does not handle signals.

    Raises
    ------
    AlreadyRunningError : a watcher of this name is running on the tree or in the work directory
    InvalidSettingsError : the work directory can't be written
    """
    settings = load_settings()
    folder = status.watcher_dir(settings.work_dir, handler.name)
    with locks.acquire_lock(f"watch-{handler.name}"), _lock_tree(settings, handler):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettingsError(
                f"can't create {folder}: {error.strerror}",
                "make the work directory writable, or set KPFNB_WORK_DIR",
            ) from error
        log_handler = logs.add_file_handler(folder / status.LOG_NAME, max_bytes=LOG_BYTES)
        try:
            watcher = Watcher(handler, folder, policy)
            with _stop_on_signals(watcher):
                watcher.run()
        finally:
            logs.remove_handler(log_handler)
    return watcher.counters.report


@contextmanager
def _lock_tree(settings: Settings, handler: WatchHandler) -> Iterator[None]:
    """Hold a lock in the tree, which all work directories share, unless it is read-only."""
    name, lock_dir = f"watch-{handler.name}", handler.lock_dir
    if os.access(lock_dir if lock_dir.is_dir() else handler.root, os.W_OK):
        with locks.acquire_lock(name, folder=lock_dir):
            yield
    else:
        tree = hashlib.sha256(os.fsencode(os.path.realpath(handler.root))).hexdigest()[:8]
        with locks.acquire_lock(f"{name}-{tree}", folder=settings.locks_dir):
            yield


@contextmanager
def _stop_on_signals(watcher: Watcher) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)
        watcher.stop()

    with handle_signals(stop, *numbers):
        yield


@dataclass(frozen=True)
class WatcherOptions:
    """How a watcher works.

    Attributes
    ----------
    ncpus : files to handle at a time
    nice : added to the niceness of the programs that it starts, 0 to 19
    levels : for quicklook: L0, 2D, L1, L2, master; none means all
    age : for quicklook: any, recent (less than a day old) or old
    """

    ncpus: int
    nice: int = 0
    levels: tuple[str, ...] = ()
    age: str = FileAge.ANY

    def __post_init__(self) -> None:
        """Validate the values."""
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
    """Run the watcher of that name; see `serve_watcher` and `load_policy`.

    ncpus : the setting `workers` if None
    levels, age : see `WatcherOptions`

    Raises
    ------
    InvalidParameterError, InvalidSettingsError : an option or a setting is invalid
    AlreadyRunningError : see `serve_watcher`
    """
    settings = load_settings()
    workers = settings.workers if ncpus is None else ncpus
    options = WatcherOptions(workers, nice, tuple(levels), age)
    try:
        check_night(since)
    except ValueError as error:
        raise InvalidParameterError(f"since: {since!r}", str(error)) from None
    policy = load_policy(settings, since=since, polling=polling, once=once)
    return serve_watcher(HANDLERS[name](settings, options), policy)


def make_process_handler(settings: Settings, options: WatcherOptions) -> WatchHandler:
    """Process L0 files: in lists, or with the DRP's own watcher if its command is set."""
    root, folder = settings.kpf_root, status.watcher_dir(settings.work_dir, "process")
    ncpus, nice = options.ncpus, options.nice
    handler = partial(
        WatchHandler,
        name="process",
        root=root,
        lock_dir=root / STATE_DIR,
        watched_dirs=(root / KPF.raw,),
        is_wanted=match_levels(root, [KPF.raw]),
    )
    if settings.drp_watch_command:
        watcher = DrpWatcherHandler(
            settings, folder, ncpus=ncpus, nice=nice, max_calls=MAX_WATCHER_CALLS
        )
        return handler(
            handle=watcher.handle,
            lifetime=watcher.lifetime,
            stop=watcher.stop,
            touches_files=True,
            max_calls=MAX_WATCHER_CALLS,
            batch_size=1000,
        )
    batches = DrpBatchHandler(settings, folder / "drp", max_calls=ncpus, nice=nice)
    return handler(
        handle=batches.handle, session=batches.session, max_calls=ncpus, batch_size=BATCH_SIZE
    )


def make_ingest_handler(settings: Settings, options: WatcherOptions) -> WatchHandler:
    """Ingest files of all levels into the time-series database."""
    root = settings.kpf_root
    return WatchHandler(
        name="ingest",
        root=root,
        lock_dir=root / STATE_DIR,
        watched_dirs=tuple(root / level for level in KPF.levels),
        is_wanted=match_levels(root, KPF.levels),
        handle=_ingest_files,
        batch_size=600,
    )


def make_quicklook_handler(settings: Settings, options: WatcherOptions) -> WatchHandler:
    """Make plots, checks and pages of files of all levels, and of masters."""
    root = settings.kpf_root
    levels = options.levels or targets.LEVELS
    return WatchHandler(
        name="quicklook",
        root=root,
        lock_dir=root / STATE_DIR,
        watched_dirs=tuple(root / targets.level_folder(level) for level in levels),
        is_wanted=match_targets(root, levels, options.age),
        handle=partial(_make_quicklooks, options),
        batch_size=2 * options.ncpus,
    )


HANDLERS: dict[str, Callable[[Settings, WatcherOptions], WatchHandler]] = {
    "process": make_process_handler,
    "quicklook": make_quicklook_handler,
    "ingest": make_ingest_handler,
}
"""Functions that make the handler of each watcher."""


def match_levels(root: Path, levels: Collection[str]) -> Callable[[str], bool]:
    """A function that says whether a path is an observation's file of these levels."""
    prefix = f"{root}/"

    def is_wanted(path: str) -> bool:
        directory, _, name = path.rpartition("/")
        level, _, night = directory.removeprefix(prefix).partition("/")
        match = KPF.filename_pattern.fullmatch(name) if level in levels else None
        return bool(match and (match["night"], match["suffix"]) == (night, KPF.levels[level]))

    return is_wanted


def match_targets(root: Path, levels: Collection[str], age: str) -> Callable[[str], bool]:
    """A function that says whether a path is a file for quicklook of these levels and age."""

    def is_wanted(path: str) -> bool:
        try:
            target = targets.QuicklookTarget.from_path(Path(path))
        except InvalidInputError:
            return False
        directory = root / targets.level_folder(target.level) / target.night
        is_in_place = target.path.parent == directory
        return target.level in levels and is_in_place and matches_age(path, age)

    return is_wanted


def _make_quicklooks(options: WatcherOptions, tasks: Sequence[WatchTask]) -> Iterator[WatchResult]:
    from kpfnb.kpf import quicklook

    paths = [task.path for task in tasks]
    quicklook_options = quicklook.QuicklookOptions(
        workers=options.ncpus, nice=options.nice, progress=False
    )
    result = quicklook.process_files(paths, quicklook_options)
    for task, item in zip(tasks, result.items, strict=True):
        yield _to_result(task.path, item.reason, is_good=item.outcome.is_good)


def _ingest_files(tasks: Sequence[WatchTask]) -> Iterator[WatchResult]:
    from kpfnb.kpf.tsdb import ingest

    result = ingest.ingest_files([task.path for task in tasks])
    rejected = {file.path: file.reason for night in result.nights for file in night.refused}
    for task in tasks:
        reason = rejected.get(str(task.path), "")
        yield _to_result(task.path, reason, is_good=not reason)


def _to_result(path: Path, reason: str, *, is_good: bool) -> WatchResult:
    """The result of a file; one that was removed while it was handled did not fail."""
    if is_good:
        return WatchResult(path, WatchOutcome.DONE, reason)
    return WatchResult(path, WatchOutcome.FAILED if path.exists() else WatchOutcome.GONE, reason)
