"""What loading and moving did with items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kpfnb.outcomes import Outcome
from kpfnb.workqueue.records import State

Action = Literal["requeue", "park", "cancel"]
Change = tuple[State | None, State | None]
"""An item's state before (None: unknown) and after."""


@dataclass(frozen=True)
class Loaded:
    """What `load` did: the new items, and how many were known already, by their state."""

    new: tuple[str, ...]
    known: Mapping[State, int]

    def __str__(self) -> str:
        total = len(self.new) + sum(self.known.values())
        states = ", ".join(f"{count} {state}" for state, count in self.known.items())
        return f"{len(self.new)} of {total} new" + (f"; known already: {states}" if states else "")


@dataclass(frozen=True)
class Moved:
    """What a move did with each item."""

    changes: Mapping[str, Change]

    @property
    def moved(self) -> list[str]:
        """The items that are in another state now."""
        return [name for name, (before, after) in self.changes.items() if before is not after]

    @property
    def unknown(self) -> list[str]:
        """The names that the queue does not know."""
        return [name for name, (_, after) in self.changes.items() if after is None]

    @property
    def outcome(self) -> Outcome:
        """Rejected where no name is known, partial where some are not."""
        if not self.unknown:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if len(self.unknown) < len(self.changes) else Outcome.REJECTED

    def __str__(self) -> str:
        ways = Counter(
            f"{before or 'new'} → {after}"
            for before, after in self.changes.values()
            if before is not after
        )
        told = [f"{count} {way}" for way, count in ways.items()]
        stayed = Counter(f"{b} stay so" for b, a in self.changes.values() if b and b is a)
        told += [f"{count} {state}" for state, count in stayed.items()]
        if self.unknown:
            told.append(f"not on the queue: {', '.join(self.unknown)}")
        return "; ".join(told) or "no such item"


def read(names: Sequence[str], answer: Iterable[tuple[str, str]]) -> dict[str, Change]:
    """A script's answer: each name with its states before and after, empty for unknown."""
    return {
        name: (State(before) if before else None, State(after) if after else None)
        for name, (before, after) in zip(names, answer, strict=True)
    }
