"""Files that changed a moment ago, until they have been quiet for long enough.

Pure bookkeeping on a monotonic clock, so that a jump of the system's clock changes nothing.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from kpfnb.watching.kind import Stamp


class _Entry(NamedTuple):
    due: float
    stamp: Stamp


class Settling:
    """Paths with the moment at which each will have been quiet for long enough."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        # An entry that was put off leaves its old moment in the heap, where it is passed over
        self._moments: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, path: str, stamp: Stamp, due: float) -> None:
        """A file was seen to change; it is due at that moment unless it is noted again."""
        self._entries[path] = _Entry(due, stamp)
        heapq.heappush(self._moments, (due, path))

    def take_due(self, now: float) -> list[tuple[str, Stamp, float]]:
        """Path, stamp when noted, and moment of each that is due; they are not kept."""
        found = []
        while self._moments and self._moments[0][0] <= now:
            due, path = heapq.heappop(self._moments)
            entry = self._entries.get(path)
            if entry and entry.due == due:
                found.append((path, entry.stamp, due))
                del self._entries[path]
        return found

    def next_due(self) -> float | None:
        """The first moment at which one may be due."""
        return self._moments[0][0] if self._moments else None
