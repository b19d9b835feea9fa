"""A watcher as a service: the only one on its tree, with a log, stopped by signals."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from kpfnb.core import locks, logs
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.core.settings import Settings, load_settings
from kpfnb.core.signals import handle_signals
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.handler import WatchHandler
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.kpf.watch.watcher import Watcher

LOG_NAME = "watcher.log"
LOG_BYTES = 10_000_000


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
    """Watch until SIGTERM or Ctrl-C, then finish the files in work; a second signal aborts.

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
        log_handler = logs.add_file_handler(folder / LOG_NAME, max_bytes=LOG_BYTES)
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
