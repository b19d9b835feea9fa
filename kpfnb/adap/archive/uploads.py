"""Where the uploads of each day are counted: in a file of one machine, or on the queue's server.

Both are one thing to whoever counts: `read` gives the counts, `change` lets a function change them
while nobody else does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kpfnb import files, locks
from kpfnb.workqueue import connection

WAIT_SECONDS = 60
KEPT_DAYS = 60
"""The pictures show fewer."""
PREFIX = "kpfnb:{uploads}:"

Days = dict[str, dict[str, Any]]
"""By day (2026-11-26, UTC)."""
T = TypeVar("T")


class Uploads(Protocol):
    """The counts of one account."""

    def now(self) -> datetime:
        """The time, UTC."""
        ...

    def read(self) -> Days:
        """The counts as they are."""
        ...

    def change(self, function: Callable[[Days], T]) -> T:
        """Let a function change the counts, and keep them; it may be called more than once."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class InFile:
    """Counts in a file: for all processes that have the same work directory."""

    path: Path
    now: Callable[[], datetime] = _now

    def read(self) -> Days:
        """The counts as they are; none where there is no file."""
        return files.read_json(self.path) if self.path.is_file() else {}

    def change(self, function: Callable[[Days], T]) -> T:
        """One process at a time."""
        with locks.hold("uploads", wait_seconds=WAIT_SECONDS, folder=self.path.parent / "locks"):
            days = self.read()
            result = function(days)
            for day in _old(days, self.now()):
                del days[day]
            files.write_json(self.path, days)
        return result


@dataclass(frozen=True)
class OnServer:
    """Counts on the queue's server: for all workers, each with its own work directory.

    A hash of the remote's own with a field for each day. It expires after the last upload. The
    server's clock tells the day: those of the machines may differ about midnight.

    Attributes
    ----------
    remote : the name of the account
    """

    remote: str
    clock: Callable[[], datetime] | None = None

    def now(self) -> datetime:
        """The server's time."""
        if self.clock:
            return self.clock()
        with connection.connect() as client, connection.errors():
            seconds, _ = client.time()
        return datetime.fromtimestamp(seconds, UTC)

    def read(self) -> Days:
        """The counts as they are."""
        with connection.connect() as client, connection.errors():
            return _parsed(client.hgetall(self._key))

    def change(self, function: Callable[[Days], T]) -> T:
        """As one step: where somebody else was quicker, the function is called again."""
        today = self.now()

        def attempt(pipe: Any) -> T:
            days = _parsed(pipe.hgetall(self._key))
            result = function(days)
            pipe.multi()
            pipe.delete(self._key)
            kept = {day: count for day, count in days.items() if day not in _old(days, today)}
            if kept:
                pipe.hset(self._key, mapping={day: json.dumps(kept[day]) for day in kept})
                pipe.expire(self._key, timedelta(days=KEPT_DAYS))
            return result

        with connection.connect() as client, connection.errors():
            result: T = client.transaction(attempt, self._key, value_from_callable=True)
        return result

    @property
    def _key(self) -> str:
        return f"{PREFIX}{self.remote}"


def _parsed(fields: dict[str, str]) -> Days:
    return {day: json.loads(fields[day]) for day in sorted(fields)}


def _old(days: Iterable[str], now: datetime) -> list[str]:
    first = (now - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%d")
    return [day for day in days if day < first]
