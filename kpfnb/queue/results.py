"""What loading and moving did with items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.queue.records import AttemptOutcome, QueueItemStatus

# What workers did, as a result.


@dataclass(repr=False)
class WorkerSummary(OneLineRepr):
    """What a worker, or several of them, did: attempts by their ends."""

    attempts: Counter[AttemptOutcome] = field(default_factory=Counter)

    @property
    def outcome(self) -> Outcome:
        """Failed where every attempt did; those that were handed back or lost are not its own."""
        failed, done = self.attempts[AttemptOutcome.FAILED], self.attempts[AttemptOutcome.DONE]
        if not failed:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if done else Outcome.FAILED

    @property
    def reason(self) -> str:
        """How many attempts ended how."""
        told = ", ".join(f"{count} {ending}" for ending, count in sorted(self.attempts.items()))
        return told or "no work"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "attempts": {str(ending): self.attempts[ending] for ending in AttemptOutcome},
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


MoveAction = Literal["requeue", "park", "cancel"]
StatusChange = tuple[QueueItemStatus | None, QueueItemStatus | None]
"""An item's state before (None: unknown) and after."""


@dataclass(frozen=True)
class LoadResult:
    """What `load` did: the new items, and how many were known already, by their state."""

    new: tuple[str, ...]
    known: Mapping[QueueItemStatus, int]

    def __str__(self) -> str:
        total = len(self.new) + sum(self.known.values())
        states = ", ".join(f"{count} {state}" for state, count in self.known.items())
        return f"{len(self.new)} of {total} new" + (f"; known already: {states}" if states else "")


@dataclass(frozen=True)
class MoveResult:
    """What a move did with each item."""

    changes: Mapping[str, StatusChange]

    @property
    def moved_items(self) -> list[str]:
        """The items that are in another state now."""
        return [name for name, (before, after) in self.changes.items() if before is not after]

    @property
    def unknown_items(self) -> list[str]:
        """The names that the queue does not know."""
        return [name for name, (_, after) in self.changes.items() if after is None]

    @property
    def outcome(self) -> Outcome:
        """Rejected where no name is known, partial where some are not."""
        if not self.unknown_items:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if len(self.unknown_items) < len(self.changes) else Outcome.REJECTED

    def __str__(self) -> str:
        ways = Counter(
            f"{before or 'new'} → {after}"
            for before, after in self.changes.values()
            if before is not after
        )
        told = [f"{count} {way}" for way, count in ways.items()]
        stayed = Counter(f"{b} stay so" for b, a in self.changes.values() if b and b is a)
        told += [f"{count} {state}" for state, count in stayed.items()]
        if self.unknown_items:
            told.append(f"not on the queue: {', '.join(self.unknown_items)}")
        return "; ".join(told) or "no such item"


def parse_changes(
    names: Sequence[str], answer: Iterable[tuple[str, str]]
) -> dict[str, StatusChange]:
    """A script's answer: each name with its states before and after, empty for unknown."""
    return {
        name: (
            QueueItemStatus(before) if before else None,
            QueueItemStatus(after) if after else None,
        )
        for name, (before, after) in zip(names, answer, strict=True)
    }
