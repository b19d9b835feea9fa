"""What is still to do: items waiting, items to try again, and how those that ended did."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kpfnb.compute.items import ItemOutcome, Outcomes
from kpfnb.compute.worker import Attempt
from kpfnb.outcomes import Outcome

DEATHS_BEFORE_SOLO = 2
"""After so many deaths of its workers an item is tried once more, with nothing beside it."""
LONGEST_BACKOFF_SECONDS = 30.0


def backoff_seconds(attempt: int) -> float:
    """How long to wait after the given attempt (1 is the first): 0.5, 1, 2, ... 30 s."""
    return min(LONGEST_BACKOFF_SECONDS, 0.5 * 2 ** (attempt - 1))


class Ledger:
    """The items of one call, by their index; earlier items are given out first.

    Parameters
    ----------
    items : what the function is called with, one at a time
    key : names an item
    retries : so many more attempts after a failed one
    """

    def __init__(self, items: Iterable[Any], key: Callable[[Any], str], retries: int = 0) -> None:
        self.items = list(items)
        self.keys = [key(item) for item in self.items]
        self.retries = retries
        self.done = 0
        """How many items have ended, well or not; what was never begun is not among them."""
        self.failed = 0
        self._ended: dict[int, ItemOutcome] = {}
        self._waiting = deque(range(len(self.items)))
        self._suspects: deque[int] = deque()
        self._solo: deque[int] = deque()
        self._later: list[tuple[float, int]] = []
        self._attempts: dict[int, int] = {}
        self._deaths: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.items)

    @property
    def left(self) -> int:
        """How many items have not ended."""
        return len(self.items) - len(self._ended)

    @property
    def has_suspects(self) -> bool:
        """True where the next item to be taken may kill its worker."""
        return bool(self._suspects)

    def take(self, limit: int, now: float) -> list[int]:
        """The next items to start, at most `limit`; [] if none is ready at `now` (monotonic s).

        An item suspected to kill its worker is given out alone.
        """
        if self._suspects:
            return [self._suspects.popleft()]
        taken: list[int] = []
        while len(taken) < limit and self._later and self._later[0][0] <= now:
            taken.append(heapq.heappop(self._later)[1])
        while len(taken) < limit and self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def take_solo(self) -> int | None:
        """When nothing is in work: an item that must have nothing beside it, if nothing else is."""
        if self._suspects or self._later or self._waiting or not self._solo:
            return None
        return self._solo.popleft()

    def put_back(self, indices: Sequence[int]) -> None:
        """Items that were taken and not begun go to the front again."""
        self._waiting.extendleft(reversed(indices))

    def record(self, index: int, attempt: Attempt, now: float) -> ItemOutcome | None:
        """Note how an attempt went; the item's outcome, or None if it is to be tried again."""
        self._attempts[index] = self._attempts.get(index, 0) + 1
        if attempt.error and self._attempts[index] <= self.retries:
            due = now + backoff_seconds(self._attempts[index])
            heapq.heappush(self._later, (due, index))
            return None
        return self._end(index, Outcome.FAILED if attempt.error else Outcome.SUCCEEDED, attempt)

    def set_apart(self, indices: Sequence[int]) -> None:
        """Items of which one did harm: each is to be tried alone."""
        self._suspects.extend(indices)

    def record_death(
        self, index: int, *, deaths: int = 1, solo: bool = False
    ) -> ItemOutcome | None:
        """A worker died with this item, which has failed if it was `solo`, with nothing beside it.

        Otherwise it may have been another's fault (the machine's, an item's on the same worker):
        it is tried again, and in the end alone.
        """
        self._deaths[index] = self._deaths.get(index, 0) + deaths
        if not solo:
            often = self._deaths[index] >= DEATHS_BEFORE_SOLO
            (self._solo if often else self._suspects).append(index)
            return None
        self._attempts[index] = self._attempts.get(index, 0) + self._deaths[index]
        error = f"its worker process died {self._deaths[index]} times"
        return self._end(index, Outcome.FAILED, Attempt(error=error))

    def stop(self, running: Iterable[int] = ()) -> None:
        """End all that is left: `running` was stopped in the work, the rest is skipped."""
        for index in self._open(running):
            self._attempts[index] = self._attempts.get(index, 0) + 1
            self._end(index, Outcome.FAILED, Attempt(error="stopped by Ctrl-C while in work"))
        for index in self._open(range(len(self.items))):
            self._end(index, Outcome.SKIPPED, Attempt(error="not done: stopped by Ctrl-C"))

    def give_up(self, why: str) -> None:
        """End all that is left as failed."""
        for index in self._open(range(len(self.items))):
            self._end(index, Outcome.FAILED, Attempt(error=why))

    def outcomes(self, *, interrupted: bool = False) -> Outcomes:
        """The outcomes of all items; every item must have ended."""
        parts = [self._ended[index] for index in range(len(self.items))]
        return Outcomes(parts, interrupted=interrupted)

    def _open(self, indices: Iterable[int]) -> list[int]:
        return [index for index in indices if index not in self._ended]

    def _end(self, index: int, outcome: Outcome, attempt: Attempt) -> ItemOutcome:
        ended = ItemOutcome(
            key=self.keys[index],
            item=self.items[index],
            outcome=outcome,
            value=attempt.value,
            error=attempt.error,
            seconds=attempt.seconds,
            attempts=self._attempts.get(index, 0),
            traceback=attempt.traceback,
        )
        self._ended[index] = ended
        self.done += outcome is not Outcome.SKIPPED
        self.failed += outcome is Outcome.FAILED
        return ended
