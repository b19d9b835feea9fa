"""A watcher as a service: alone on its tree, with a log; told to stop, it ends well."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kpfnb import locks, log, settings
from kpfnb.errors import BadSettings
from kpfnb.settings import Settings
from kpfnb.watching import status
from kpfnb.watching.arrivals import Pace
from kpfnb.watching.kind import Kind
from kpfnb.watching.status import Status
from kpfnb.watching.watcher import Watcher

LOG_NAME = "watcher.log"
LOG_BYTES = 10_000_000


def pace(
    here: Settings, *, since: str = "", polling: bool | None = None, once: bool = False
) -> Pace:
    """The pace of the settings.

    Parameters
    ----------
    since : files of folders named before it that are there at the first start are left alone
    polling : instead of the system's events; the setting if None
    once : handle what is there, and leave
    """
    return Pace(
        quiet_seconds=here.watch_quiet_seconds,
        rescan_seconds=here.watch_rescan_seconds,
        attempts=here.watch_attempts,
        retry_seconds=here.watch_retry_seconds,
        polling=here.watch_polling if polling is None else polling,
        since=since,
        once=once,
    )


def run(kind: Kind, pace: Pace) -> Status:
    """Watch until SIGTERM or Ctrl-C, and finish what runs then; a second signal ends it at once.

    With `Pace.once` it ends by itself. In a thread signals are left alone.

    Raises
    ------
    Busy : a watcher of this kind is at work on the tree or in the work directory
    BadSettings : the work directory can't be written
    """
    here = settings.load()
    folder = status.folder(here.work_dir, kind.name)
    with locks.hold(f"watch-{kind.name}"), _only_one_on_tree(here, kind):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSettings(
                f"can't make {folder}: {error.strerror}",
                "make the work directory writable, or set KPFNB_WORK_DIR",
            ) from error
        handler = log.attach(folder / LOG_NAME, most_bytes=LOG_BYTES)
        try:
            watcher = Watcher(kind, folder, pace)
            with _signals(watcher):
                watcher.run()
        finally:
            log.detach(handler)
    return watcher.tally.now


@contextmanager
def _only_one_on_tree(here: Settings, kind: Kind) -> Iterator[None]:
    """Hold a lock in the tree, where every work directory sees it; a read-only tree has none."""
    name = f"watch-{kind.name}"
    if os.access(kind.state if kind.state.is_dir() else kind.root, os.W_OK):
        with locks.hold(name, folder=kind.state):
            yield
    else:
        tree = hashlib.sha256(os.fsencode(os.path.realpath(kind.root))).hexdigest()[:8]
        with locks.hold(f"{name}-{tree}", folder=here.locks_dir):
            yield


@contextmanager
def _signals(watcher: Watcher) -> Iterator[None]:
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
