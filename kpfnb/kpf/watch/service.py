"""A watcher as a service: alone on its tree, with a log; told to stop, it ends well."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kpfnb.core import locks, logs, settings
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.core.settings import Settings
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.handler import WatchHandler
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.kpf.watch.watcher import Watcher

LOG_NAME = "watcher.log"
LOG_BYTES = 10_000_000


def load_policy(
    here: Settings, *, since: str = "", polling: bool | None = None, once: bool = False
) -> WatchPolicy:
    """The pace of the settings.

    Parameters
    ----------
    since : files of folders named before it that are there at the first start are left alone
    polling : instead of the system's events; the setting if None
    once : handle what is there, and leave
    """
    return WatchPolicy(
        quiet_seconds=here.watch_quiet_seconds,
        rescan_seconds=here.watch_rescan_seconds,
        attempts=here.watch_attempts,
        retry_seconds=here.watch_retry_seconds,
        polling=here.watch_polling if polling is None else polling,
        since=since,
        once=once,
    )


def serve_watcher(kind: WatchHandler, pace: WatchPolicy) -> WatcherReport:
    """Watch until SIGTERM or Ctrl-C, and finish what runs then; a second signal ends it at once.

    With `WatchPolicy.once` it ends by itself. In a thread signals are left alone.

    Raises
    ------
    AlreadyRunningError : a watcher of this kind is at work on the tree or in the work directory
    InvalidSettingsError : the work directory can't be written
    """
    here = settings.load_settings()
    folder = status.watcher_dir(here.work_dir, kind.name)
    with locks.acquire_lock(f"watch-{kind.name}"), _lock_tree(here, kind):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettingsError(
                f"can't make {folder}: {error.strerror}",
                "make the work directory writable, or set KPFNB_WORK_DIR",
            ) from error
        handler = logs.add_file_handler(folder / LOG_NAME, max_bytes=LOG_BYTES)
        try:
            watcher = Watcher(kind, folder, pace)
            with _stop_on_signals(watcher):
                watcher.run()
        finally:
            logs.remove_handler(handler)
    return watcher.counters.report


@contextmanager
def _lock_tree(here: Settings, kind: WatchHandler) -> Iterator[None]:
    """Hold a lock in the tree, where every work directory sees it; a read-only tree has none."""
    name = f"watch-{kind.name}"
    if os.access(kind.lock_dir if kind.lock_dir.is_dir() else kind.root, os.W_OK):
        with locks.acquire_lock(name, folder=kind.lock_dir):
            yield
    else:
        tree = hashlib.sha256(os.fsencode(os.path.realpath(kind.root))).hexdigest()[:8]
        with locks.acquire_lock(f"{name}-{tree}", folder=here.locks_dir):
            yield


@contextmanager
def _stop_on_signals(watcher: Watcher) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.default_int_handler)
        watcher.stop()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
