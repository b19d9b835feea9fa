"""What workers did, as a result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from kpfnb.outcomes import Outcome
from kpfnb.result import Brief
from kpfnb.workqueue.records import Ending


@dataclass(repr=False)
class Worked(Brief):
    """What a worker, or several of them, did: attempts by their ends."""

    endings: Counter[Ending] = field(default_factory=Counter)

    @property
    def outcome(self) -> Outcome:
        """Failed where every attempt did; those that were handed back or lost are not its own."""
        failed, done = self.endings[Ending.FAILED], self.endings[Ending.DONE]
        if not failed:
            return Outcome.SUCCEEDED
        return Outcome.PARTIAL if done else Outcome.FAILED

    @property
    def reason(self) -> str:
        """How many attempts ended how."""
        told = ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))
        return told or "no work"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "attempts": {str(ending): self.endings[ending] for ending in Ending},
        }

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"
