"""How much may be uploaded in a day (UTC): kept in a file, so that a killed run counts too.

Before an upload its bytes are reserved; afterwards what was uploaded is counted instead. Where a
run was killed between the two, the next one for the same unit counts what came through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb import files, locks
from kpfnb.errors import BadParameter

WAIT_SECONDS = 60


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Quota:
    """What is uploaded to one delivery, by day.

    Attributes
    ----------
    path : the file of the counts
    daily : bytes a day; 0 for no limit
    now : the time, UTC
    """

    path: Path
    daily: int = 0
    now: Callable[[], datetime] = _now

    def reserve(self, unit: str, sizes: dict[str, int]) -> list[str]:
        """Reserve today's room for files of a unit; those that fit, in their order.

        `BadParameter` where a file is larger than a whole day's quota: it would wait for ever.
        """
        if self.daily and (large := [name for name, size in sizes.items() if size > self.daily]):
            raise BadParameter(
                f"quota: {unit}/{large[0]} has {sizes[large[0]]} bytes, a day has {self.daily}",
                "set a larger quota",
            )
        with self._open() as days:
            self._settle_old(days, unit, sum(sizes.values()))
            left = self.daily - _used(self._today(days)) if self.daily else sum(sizes.values())
            chosen = []
            for name, size in sizes.items():
                if size <= left:
                    chosen.append(name)
                    left -= size
            reserved = sum(sizes[name] for name in chosen)
            if reserved:
                self._today(days)["reserved"][unit] = [reserved, sum(sizes.values())]
        return chosen

    def settle(self, unit: str, uploaded: int, count: int) -> None:
        """Count what was uploaded, in place of what was reserved."""
        with self._open() as days:
            for day in days.values():
                day["reserved"].pop(unit, None)
            today = self._today(days)
            today["bytes"] += uploaded
            today["files"] += count

    def used(self) -> int:
        """Bytes of today, those that are reserved among them."""
        return _used(self.days().get(self._day(), _blank()))

    def days(self) -> dict[str, dict[str, Any]]:
        """What was uploaded on each day: `bytes`, `files` and what is `reserved`, by unit."""
        return files.read_json(self.path) if self.path.is_file() else {}

    def seconds_to_reset(self) -> float:
        """Until the next day begins."""
        now = self.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()

    def _settle_old(self, days: dict[str, Any], unit: str, left: int) -> None:
        """Count what a killed run has uploaded of a unit: what is not left of what it had to do."""
        for day in days.values():
            if unit in day["reserved"]:
                reserved, todo = day["reserved"].pop(unit)
                day["bytes"] += min(max(todo - left, 0), reserved)

    def _today(self, days: dict[str, Any]) -> dict[str, Any]:
        today: dict[str, Any] = days.setdefault(self._day(), _blank())
        return today

    def _day(self) -> str:
        return self.now().strftime("%Y-%m-%d")

    @contextmanager
    def _open(self) -> Iterator[dict[str, Any]]:
        """The counts, written again at the end of the block; one process at a time."""
        folder = self.path.parent / "locks"
        with locks.hold("uploads", wait_seconds=WAIT_SECONDS, folder=folder):
            days = self.days()
            yield days
            files.write_json(self.path, days)


def _blank() -> dict[str, Any]:
    return {"bytes": 0, "files": 0, "reserved": {}}


def _used(day: dict[str, Any]) -> int:
    return int(day["bytes"]) + sum(reserved for reserved, _ in day["reserved"].values())
