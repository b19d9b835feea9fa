"""Results of what is done with a queue: items loaded, items moved, attempts made by workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.queue.records import AttemptOutcome, QueueItemStatus

MoveAction = Literal["requeue", "park", "cancel"]
StatusChange = tuple[QueueItemStatus | None, QueueItemStatus | None]
"""An item's state before (None: unknown) and after."""


@dataclass(frozen=True)
class LoadResult:
    """The result of a load: the new items, and the number of known ones by state."""

    new: tuple[str, ...]
    known: Mapping[QueueItemStatus, int]

    def __str__(self) -> str:
        total = len(self.new) + sum(self.known.values())
        states = ", ".join(f"{count} {state}" for state, count in self.known.items())
        return f"{len(self.new)} of {total} new" + (f"; already known: {states}" if states else "")


@dataclass(frozen=True)
class MoveResult:
    """The result of a move: the state of each item before and after."""

    changes: Mapping[str, StatusChange]

    @property
    def moved_items(self) -> list[str]:
        """The items whose state changed."""
        return [name for name, (before, after) in self.changes.items() if before is not after]

    @property
    def unknown_items(self) -> list[str]:
        """The names that the queue does not know."""
        return [name for name, (_, after) in self.changes.items() if after is None]

    @property
    def outcome(self) -> Outcome:
        """Rejected if no name is known, partial if some are not."""
        if not self.unknown_items:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if len(self.unknown_items) < len(self.changes) else Outcome.REJECTED

    def __str__(self) -> str:
        changes = self.changes.values()
        moves = Counter(f"{b or 'new'} → {a}" for b, a in changes if b is not a)
        unchanged = Counter(f"{b} unchanged" for b, a in changes if b and b is a)
        parts = [f"{count} {text}" for text, count in (*moves.items(), *unchanged.items())]
        if self.unknown_items:
            parts.append(f"not on the queue: {', '.join(self.unknown_items)}")
        return "; ".join(parts) or "no such item"


def parse_changes(
    names: Sequence[str], answer: Iterable[tuple[str, str]]
) -> dict[str, StatusChange]:
    """The answer of a script: each name with its states before and after ('' for unknown)."""
    return {
        name: (
            QueueItemStatus(before) if before else None,
            QueueItemStatus(after) if after else None,
        )
        for name, (before, after) in zip(names, answer, strict=True)
    }


@dataclass(repr=False)
class WorkerSummary(OneLineRepr):
    """The attempts of one or more workers, by outcome."""

    attempts: Counter[AttemptOutcome] = field(default_factory=Counter)

    @property
    def outcome(self) -> Outcome:
        """Failed if every attempt did; attempts that were handed back or lost do not count."""
        failed, done = self.attempts[AttemptOutcome.FAILED], self.attempts[AttemptOutcome.DONE]
        if not failed:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if done else Outcome.FAILED

    @property
    def reason(self) -> str:
        """The number of attempts by outcome."""
        counts = sorted(self.attempts.items())
        return ", ".join(f"{count} {outcome}" for outcome, count in counts) or "no work"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "attempts": {str(outcome): self.attempts[outcome] for outcome in AttemptOutcome},
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"
