"""What a watcher does with its files: the handler's interface, and the threads that call it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import AlreadyRunningError, KpfnbError, ServiceUnavailableError

logger = logging.getLogger(__name__)

PostCall = Callable[[Callable[[], None]], None]
"""Makes the watcher's own thread call a function."""


class FileStamp(NamedTuple):
    """The state of a file; it changes when the file is written or touched."""

    size: int
    modified_ns: int


class WatchOutcome(StrEnum):
    """Outcome of handling a file."""

    DONE = "done"
    FAILED = "failed"
    """It is tried again a few times."""
    POSTPONED = "postponed"
    """The file is not the cause; it is tried again, and this attempt does not count."""
    GONE = "gone"
    """It does not exist any more."""


@dataclass(frozen=True)
class WatchTask:
    """A settled, complete file to handle.

    Attributes
    ----------
    attempt : 1 for the first
    renewed : it was handled before, and has changed or was touched since
    """

    path: Path
    attempt: int = 1
    renewed: bool = False


@dataclass(frozen=True)
class WatchResult:
    """The outcome of a task, with the reason unless it is done."""

    path: Path
    outcome: WatchOutcome
    reason: str = ""


@dataclass(frozen=True)
class WatchHandler:
    """What one watcher does.

    Attributes
    ----------
    name : of the watcher: process, quicklook, ingest
    root : the tree; only one watcher of this name works on it at a time
    lock_dir : the directory in the tree for locks; if it is not writable, they are elsewhere
    watched_dirs : the directories to watch, with their subdirectories; they may be created later
    is_wanted : whether a path is one of its files, by the name alone
    handle : handles files and returns the result of each. It is called in a thread, up to
        `max_calls` at a time. `AlreadyRunningError` and `ServiceUnavailableError` postpone all
        of the files.
    max_calls, batch_size : the limits of calls at a time, and of files in each
    lifetime : entered as long as the watcher runs
    session : entered while there is work; `AlreadyRunningError` postpones it
    touches_files : `handle` may touch the files itself
    stop : called when the watcher is to stop; a `handle` that only waits returns soon
    """

    name: str
    root: Path
    lock_dir: Path
    watched_dirs: tuple[Path, ...]
    is_wanted: Callable[[str], bool]
    handle: Callable[[Sequence[WatchTask]], Iterable[WatchResult]]
    max_calls: int = 1
    batch_size: int = 100
    lifetime: Callable[[], AbstractContextManager[object]] = nullcontext
    session: Callable[[], AbstractContextManager[object]] = nullcontext
    touches_files: bool = False
    stop: Callable[[], None] = lambda: None


ResultCallback = Callable[[Sequence[WatchTask], Sequence[WatchResult]], None]


class HandlerPool:
    """Calls `WatchHandler.handle` in threads, within the handler's session.

    Attributes
    ----------
    calls : the number of running calls
    """

    def __init__(
        self, handler: WatchHandler, *, post: PostCall, on_results: ResultCallback
    ) -> None:
        self.calls = 0
        self._handler = handler
        self._post = post
        self._on_results = on_results
        self._session = ExitStack()
        self._in_session = False

    @property
    def is_free(self) -> bool:
        """Whether another call may start."""
        return self.calls < self._handler.max_calls

    def next_batch_size(self, waiting: int) -> int:
        """The number of files for the next call, if this many are waiting."""
        free_calls = self._handler.max_calls - self.calls
        return min(self._handler.batch_size, math.ceil(waiting / free_calls))

    def start_session(self) -> None:
        """Enter the handler's session unless it is entered; it may be an `AlreadyRunningError`."""
        if not self._in_session:
            self._session.enter_context(self._handler.session())
            self._in_session = True

    def close_if_idle(self) -> None:
        """Leave the session if no call is running."""
        if self._in_session and not self.calls:
            self._session.close()
            self._in_session = False

    def start_batch(self, tasks: Sequence[WatchTask]) -> None:
        """Handle files in a thread; the results are posted."""
        self.calls += 1
        threading.Thread(target=self._handle, args=(tasks,), name="handle", daemon=True).start()

    def _handle(self, tasks: Sequence[WatchTask]) -> None:
        """Runs in the thread; any exception becomes the result of each file."""
        try:
            results = list(self._handler.handle(tasks))
        except (AlreadyRunningError, ServiceUnavailableError) as error:
            results = [WatchResult(task.path, WatchOutcome.POSTPONED, error.what) for task in tasks]
        except KpfnbError as error:
            results = [WatchResult(task.path, WatchOutcome.FAILED, error.what) for task in tasks]
        except Exception as error:
            logger.exception("%s of %d files", self._handler.name, len(tasks))
            reason = f"{type(error).__name__}: {error}"
            results = [WatchResult(task.path, WatchOutcome.FAILED, reason) for task in tasks]
        self._post(partial(self._finish_batch, tasks, results))

    def _finish_batch(self, tasks: Sequence[WatchTask], results: Sequence[WatchResult]) -> None:
        self.calls -= 1
        self._on_results(tasks, results)


def file_stamp(path: Path | str) -> FileStamp | None:
    """The stamp of a file; None if it does not exist."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return FileStamp(status.st_size, status.st_mtime_ns)
