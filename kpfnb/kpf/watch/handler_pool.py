"""The threads in which files are handled: so many calls at a time, and a border around each."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from kpfnb.core.errors import AlreadyRunningError, KpfnbError, ServiceUnavailableError
from kpfnb.kpf.watch.handler import WatchHandler, WatchOutcome, WatchResult, WatchTask
from kpfnb.kpf.watch.tree_scanner import PostCall

logger = logging.getLogger(__name__)

ResultCallback = Callable[[Sequence[WatchTask], Sequence[WatchResult]], None]


class HandlerPool:
    """Calls `Kind.handle` in threads, within the kind's turn.

    Attributes
    ----------
    calls : how many are running
    """

    def __init__(self, kind: WatchHandler, *, post: PostCall, ended: ResultCallback) -> None:
        self.calls = 0
        self._kind = kind
        self._post = post
        self._ended = ended
        self._turn = ExitStack()
        self._in_turn = False

    @property
    def is_free(self) -> bool:
        """Whether another call may begin."""
        return self.calls < self._kind.max_calls

    def next_batch_size(self, waiting: int) -> int:
        """How many of those that wait the next call gets."""
        return min(self._kind.batch_size, math.ceil(waiting / (self._kind.max_calls - self.calls)))

    def start_session(self) -> None:
        """Enter the kind's turn, if that is not done; `AlreadyRunningError` where it can't be now."""
        if not self._in_turn:
            self._turn.enter_context(self._kind.session())
            self._in_turn = True

    def close_if_idle(self) -> None:
        """Leave the turn, where nothing runs."""
        if self._in_turn and not self.calls:
            self._turn.close()
            self._in_turn = False

    def start_batch(self, tasks: Sequence[WatchTask]) -> None:
        """Handle these in a thread; what became of them is posted."""
        self.calls += 1
        threading.Thread(target=self._handle, args=(tasks,), name="handle", daemon=True).start()

    def _handle(self, tasks: Sequence[WatchTask]) -> None:
        """In a thread: the border of an item; whatever goes wrong is told of each file."""
        try:
            ends = list(self._kind.handle(tasks))
        except (AlreadyRunningError, ServiceUnavailableError) as error:
            ends = [WatchResult(task.path, WatchOutcome.POSTPONED, error.what) for task in tasks]
        except KpfnbError as error:
            ends = [WatchResult(task.path, WatchOutcome.FAILED, error.what) for task in tasks]
        except Exception as error:
            logger.exception("%s of %d files", self._kind.name, len(tasks))
            told = f"{type(error).__name__}: {error}"
            ends = [WatchResult(task.path, WatchOutcome.FAILED, told) for task in tasks]
        self._post(partial(self._finish_batch, tasks, ends))

    def _finish_batch(self, tasks: Sequence[WatchTask], ends: Sequence[WatchResult]) -> None:
        self.calls -= 1
        self._ended(tasks, ends)
