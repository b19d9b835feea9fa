"""The threads in which files are handled: so many calls at a time, and a border around each."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from kpfnb.errors import Busy, KpfnbError, ServiceUnavailable
from kpfnb.watching.kind import Ended, Fate, Kind, Task
from kpfnb.watching.scout import Post

logger = logging.getLogger(__name__)

Told = Callable[[Sequence[Task], Sequence[Ended]], None]


class Hands:
    """Calls `Kind.handle` in threads, within the kind's turn.

    Attributes
    ----------
    calls : how many are running
    """

    def __init__(self, kind: Kind, *, post: Post, ended: Told) -> None:
        self.calls = 0
        self._kind = kind
        self._post = post
        self._ended = ended
        self._turn = ExitStack()
        self._in_turn = False

    @property
    def is_free(self) -> bool:
        """Whether another call may begin."""
        return self.calls < self._kind.at_once

    def share(self, waiting: int) -> int:
        """How many of those that wait the next call gets."""
        return min(self._kind.batch_size, math.ceil(waiting / (self._kind.at_once - self.calls)))

    def begin_turn(self) -> None:
        """Enter the kind's turn, if that is not done; `Busy` where it can't be now."""
        if not self._in_turn:
            self._turn.enter_context(self._kind.turn())
            self._in_turn = True

    def rest(self) -> None:
        """Leave the turn, where nothing runs."""
        if self._in_turn and not self.calls:
            self._turn.close()
            self._in_turn = False

    def start(self, tasks: Sequence[Task]) -> None:
        """Handle these in a thread; what became of them is posted."""
        self.calls += 1
        threading.Thread(target=self._handle, args=(tasks,), name="handle", daemon=True).start()

    def _handle(self, tasks: Sequence[Task]) -> None:
        """In a thread: the border of an item; whatever goes wrong is told of each file."""
        try:
            ends = list(self._kind.handle(tasks))
        except (Busy, ServiceUnavailable) as error:
            ends = [Ended(task.path, Fate.POSTPONED, error.what) for task in tasks]
        except KpfnbError as error:
            ends = [Ended(task.path, Fate.FAILED, error.what) for task in tasks]
        except Exception as error:
            logger.exception("%s of %d files", self._kind.name, len(tasks))
            told = f"{type(error).__name__}: {error}"
            ends = [Ended(task.path, Fate.FAILED, told) for task in tasks]
        self._post(partial(self._end, tasks, ends))

    def _end(self, tasks: Sequence[Task], ends: Sequence[Ended]) -> None:
        self.calls -= 1
        self._ended(tasks, ends)
