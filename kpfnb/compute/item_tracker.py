"""The state of the items of one call, and their outcomes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from kpfnb.compute.batches import ItemAttempt
from kpfnb.core.result import Outcome, merge_outcomes

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMED_FAILURES = 10
DEATHS_BEFORE_ISOLATION = 2
"""After this many deaths of its workers an item is tried once more, with no other item running."""
MAX_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """How one item ended."""

    key: str
    """The name of the item, for people."""
    item: Any
    outcome: Outcome
    """Succeeded; failed; or skipped, if Ctrl-C came before it started."""
    value: Any = None
    """What the function returned; None unless it succeeded."""
    error: str = ""
    """The last exception's type and message, or why the item was stopped; '' on success."""
    seconds: float = 0.0
    """Wall-clock time of the last attempt."""
    attempts: int = 0
    """How often the function was called, stopped calls included."""
    traceback: str = ""
    """The last exception's traceback, as text."""


class MapResult(Sequence[ItemOutcome]):
    """The outcomes of all items, in the order of the items."""

    def __init__(self, parts: Sequence[ItemOutcome], *, interrupted: bool = False) -> None:
        self._parts = list(parts)
        self.interrupted = interrupted
        """True if Ctrl-C stopped the work."""

    @overload
    def __getitem__(self, index: int) -> ItemOutcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[ItemOutcome]: ...
    def __getitem__(self, index: int | slice) -> ItemOutcome | list[ItemOutcome]:
        return self._parts[index]

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[ItemOutcome]:
        return iter(self._parts)

    @property
    def outcome(self) -> Outcome:
        """The outcome of all items together: succeeded, partial or failed."""
        return merge_outcomes(part.outcome for part in self._parts)

    @property
    def failed(self) -> list[ItemOutcome]:
        """The items that did not succeed, items that never started included."""
        return [part for part in self._parts if not part.outcome.is_good]

    def values(self) -> list[Any]:
        """What the function returned for each item; None for items that did not succeed."""
        return [part.value for part in self._parts]

    def to_frame(self) -> pd.DataFrame:
        """One row for each item: key, outcome, error, seconds, attempts."""
        import pandas as pd

        columns = ["key", "outcome", "error", "seconds", "attempts"]
        rows = [
            [
                str(getattr(part, name)) if name == "outcome" else getattr(part, name)
                for name in columns
            ]
            for part in self._parts
        ]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        failed = [part for part in self._parts if part.outcome is Outcome.FAILED]
        skipped = sum(part.outcome is Outcome.SKIPPED for part in self._parts)
        counts = f"{len(self) - len(failed) - skipped} of {len(self)} done, {len(failed)} failed"
        if self.interrupted:
            counts = f"stopped by Ctrl-C: {counts}, {skipped} not started"
        lines = [f"  {part.key}: {part.error}" for part in failed[:MAX_NAMED_FAILURES]]
        if len(failed) > MAX_NAMED_FAILURES:
            lines.append(f"  and {len(failed) - MAX_NAMED_FAILURES} more")
        return "\n".join([counts, *lines])


def backoff_seconds(attempt: int) -> float:
    """The delay after an attempt (1 is the first): 0.5, 1, 2, ... 30 s."""
    return min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** (attempt - 1))


class ItemTracker:
    """The items of one call by their index; earlier items start first.

    Parameters
    ----------
    items : the function's argument for each call
    key : names an item
    retries : number of further attempts after a failed one
    """

    def __init__(self, items: Iterable[Any], key: Callable[[Any], str], retries: int = 0) -> None:
        self.items = list(items)
        self.keys = [key(item) for item in self.items]
        self.retries = retries
        self.done = 0
        """Number of items that have ended, failed ones included, skipped ones not."""
        self.failed = 0
        self._ended: dict[int, ItemOutcome] = {}
        self._waiting = deque(range(len(self.items)))
        self._quarantined: deque[int] = deque()
        self._isolated: deque[int] = deque()
        self._later: list[tuple[float, int]] = []
        self._attempts: dict[int, int] = {}
        self._deaths: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.items)

    @property
    def remaining(self) -> int:
        """Number of items that have not ended."""
        return len(self.items) - len(self._ended)

    @property
    def has_quarantined(self) -> bool:
        """True if the next item may kill its worker."""
        return bool(self._quarantined)

    def take(self, limit: int, now: float) -> list[int]:
        """The next items to start, at most `limit`; [] if none is ready at `now` (monotonic [s]).

        An item that may kill its worker is returned alone.
        """
        if self._quarantined:
            return [self._quarantined.popleft()]
        taken: list[int] = []
        while len(taken) < limit and self._later and self._later[0][0] <= now:
            taken.append(heapq.heappop(self._later)[1])
        while len(taken) < limit and self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def take_isolated(self) -> int | None:
        """An item that must run alone; None while others wait. Call it when nothing is running."""
        if self._quarantined or self._later or self._waiting or not self._isolated:
            return None
        return self._isolated.popleft()

    def requeue(self, indices: Sequence[int]) -> None:
        """Put items that were taken and not started back to the front.

        An item that must run alone still must.
        """
        for index in reversed(indices):
            is_isolated = self._deaths.get(index, 0) >= DEATHS_BEFORE_ISOLATION
            (self._isolated if is_isolated else self._waiting).appendleft(index)

    def record(self, index: int, attempt: ItemAttempt, now: float) -> ItemOutcome | None:
        """Record an attempt; returns the outcome of the item, or None if it is tried again."""
        self._attempts[index] = self._attempts.get(index, 0) + 1
        if attempt.error and self._attempts[index] <= self.retries:
            start = now + backoff_seconds(self._attempts[index])
            heapq.heappush(self._later, (start, index))
            return None
        return self._record_end(
            index, Outcome.FAILED if attempt.error else Outcome.SUCCEEDED, attempt
        )

    def quarantine(self, indices: Sequence[int]) -> None:
        """One of these items caused a failure: try each alone."""
        self._quarantined.extend(indices)

    def record_death(
        self, index: int, *, deaths: int = 1, isolated: bool = False
    ) -> ItemOutcome | None:
        """Record that a worker died with this item; it failed if no other was running (`isolated`).

        Otherwise the machine or another item may be the cause: the item is tried again, after
        several deaths it runs alone.
        """
        self._deaths[index] = self._deaths.get(index, 0) + deaths
        if not isolated:
            isolate = self._deaths[index] >= DEATHS_BEFORE_ISOLATION
            (self._isolated if isolate else self._quarantined).append(index)
            return None
        self._attempts[index] = self._attempts.get(index, 0) + self._deaths[index]
        error = f"its worker process died {self._deaths[index]} times"
        return self._record_end(index, Outcome.FAILED, ItemAttempt(error=error))

    def stop(self, running: Iterable[int] = ()) -> None:
        """End all remaining items: those in `running` were stopped, the others are skipped."""
        for index in self._open(running):
            self._attempts[index] = self._attempts.get(index, 0) + 1
            self._record_end(
                index, Outcome.FAILED, ItemAttempt(error="stopped by Ctrl-C while running")
            )
        for index in self._open(range(len(self.items))):
            self._record_end(
                index, Outcome.SKIPPED, ItemAttempt(error="not done: stopped by Ctrl-C")
            )

    def abandon(self, why: str) -> None:
        """End all remaining items as failed."""
        for index in self._open(range(len(self.items))):
            self._record_end(index, Outcome.FAILED, ItemAttempt(error=why))

    def result(self, *, interrupted: bool = False) -> MapResult:
        """The outcomes of all items, which must have ended."""
        parts = [self._ended[index] for index in range(len(self.items))]
        return MapResult(parts, interrupted=interrupted)

    def _open(self, indices: Iterable[int]) -> list[int]:
        return [index for index in indices if index not in self._ended]

    def _record_end(self, index: int, outcome: Outcome, attempt: ItemAttempt) -> ItemOutcome:
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
