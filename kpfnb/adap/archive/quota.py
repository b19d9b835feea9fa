"""How much may be uploaded in a day (UTC), by all workers together.

Bytes are reserved before an upload; afterwards what was uploaded is counted in their place. An
upload that is killed never reports, so its reservation counts in full: nothing of a file that was
cut off is at the destination, but its bytes were uploaded, and a worker that is taken for dead may
still upload; to count less could exceed the quota. The reservation ends: it counts on its day, and
on the next one unless the unit is tried again before. A killed upload costs at most the size of a
dataset, which is small compared with the quota of a day.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from kpfnb.core import atomic, clock, locks
from kpfnb.core.errors import InvalidParameterError
from kpfnb.queue import connection

LOCK_WAIT_SECONDS = 60
KEPT_DAYS = 60
"""The counts of older days are deleted; the plots show fewer days."""
KEY_PREFIX = "kpfnb:{uploads}:"

UploadDays = dict[str, dict[str, Any]]
"""The uploads of each day (2026-11-26, UTC)."""
T = TypeVar("T")


class UploadCounter(Protocol):
    """Counts the uploads of one account by day: in a file, or on the queue's server."""

    def now(self) -> datetime:
        """The time, UTC."""
        ...

    def read(self) -> UploadDays:
        """The present counts."""
        ...

    def change(self, function: Callable[[UploadDays], T]) -> T:
        """Let a function change the counts, and store them; it may be called more than once."""
        ...


@dataclass(frozen=True)
class FileUploadCounter:
    """Counts in a file: for all processes with the same work directory."""

    path: Path
    now: Callable[[], datetime] = clock.utc_now

    def read(self) -> UploadDays:
        """The present counts; none if there is no file."""
        return atomic.read_json(self.path) if self.path.is_file() else {}

    def change(self, function: Callable[[UploadDays], T]) -> T:
        """One process at a time."""
        with locks.acquire_lock(
            "uploads", wait_seconds=LOCK_WAIT_SECONDS, folder=self.path.parent / "locks"
        ):
            days = self.read()
            result = function(days)
            for day in _expired_days(days, self.now()):
                del days[day]
            atomic.write_json(self.path, days)
        return result


@dataclass(frozen=True)
class RedisUploadCounter:
    """Counts on the queue's server: for all workers, each with its own work directory.

    Each remote has a hash with a field for each day, which expires after the last upload. The
    server's clock gives the day: the clocks of the machines may differ around midnight.

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
        with connection.connect_to_server() as client, connection.translate_errors():
            seconds, _ = client.time()
        return datetime.fromtimestamp(seconds, UTC)

    def read(self) -> UploadDays:
        """The present counts."""
        with connection.connect_to_server() as client, connection.translate_errors():
            return _parse_days(client.hgetall(self._key))

    def change(self, function: Callable[[UploadDays], T]) -> T:
        """As one transaction: if another worker was faster, the function is called again."""
        today = self.now()

        def attempt(pipe: Any) -> T:
            days = _parse_days(pipe.hgetall(self._key))
            result = function(days)
            pipe.multi()
            pipe.delete(self._key)
            expired = _expired_days(days, today)
            current = {day: count for day, count in days.items() if day not in expired}
            if current:
                pipe.hset(self._key, mapping={day: json.dumps(current[day]) for day in current})
                pipe.expire(self._key, timedelta(days=KEPT_DAYS))
            return result

        with connection.connect_to_server() as client, connection.translate_errors():
            result: T = client.transaction(attempt, self._key, value_from_callable=True)
        return result

    @property
    def _key(self) -> str:
        return f"{KEY_PREFIX}{self.remote}"


def _parse_days(fields: dict[str, str]) -> UploadDays:
    return {day: json.loads(fields[day]) for day in sorted(fields)}


def _expired_days(days: Iterable[str], now: datetime) -> list[str]:
    first = (now - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%d")
    return [day for day in days if day < first]


class QuotaReservation(NamedTuple):
    """A part of a day's quota for files of a unit; `size` is 0 if nothing was reserved."""

    unit: str
    ticket: str
    names: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class UploadQuota:
    """The quota of one account, and what was uploaded by day.

    Attributes
    ----------
    uploads : counts the uploads
    daily : bytes a day; 0 for no limit
    """

    uploads: UploadCounter
    daily: int = 0

    def reserve(self, unit: str, sizes: dict[str, int]) -> QuotaReservation:
        """Reserve a part of today's quota for files of a unit: those that fit, in their order.

        `InvalidParameterError` if a file exceeds a whole day's quota: it would wait forever.
        """
        if self.daily and (large := [name for name, size in sizes.items() if size > self.daily]):
            raise InvalidParameterError(
                f"quota: {unit}/{large[0]} has {sizes[large[0]]} bytes, a day has {self.daily}",
                "set a larger quota",
            )
        ticket, now = uuid.uuid4().hex, self.uploads.now()

        def reserve_files(days: UploadDays) -> QuotaReservation:
            _count_lost(days, unit, ticket, now)
            left = self.daily - _used_bytes(days, now) if self.daily else sum(sizes.values())
            selected = []
            for name, size in sizes.items():
                if size <= left:
                    selected.append(name)
                    left -= size
            size = sum(sizes[name] for name in selected)
            if size:
                _day_of(days, now)["reserved"][unit] = [size, ticket]
            return QuotaReservation(unit, ticket, tuple(selected), size)

        return self.uploads.change(reserve_files)

    def commit(self, reserved: QuotaReservation, uploaded: int, count: int) -> None:
        """Count what was uploaded today (bytes, files), in place of what was reserved.

        Not if another worker has the unit by now: then the reservation itself was counted.
        """
        reservation = [reserved.size, reserved.ticket]
        now = self.uploads.now()

        def count_uploaded(days: UploadDays) -> None:
            unit = reserved.unit
            held = [day for day in days.values() if day["reserved"].get(unit) == reservation]
            for day in held:
                del day["reserved"][unit]
            if held or not reserved.size:
                today = _day_of(days, now)
                today["bytes"] += uploaded
                today["files"] += count

        self.uploads.change(count_uploaded)

    def used_bytes(self) -> int:
        """Today's bytes, including the reserved ones."""
        return _used_bytes(self.days(), self.uploads.now())

    def days(self) -> UploadDays:
        """The `bytes` and `files` uploaded on each day, and what is `reserved`, by unit."""
        return self.uploads.read()

    def seconds_to_reset(self) -> float:
        """The time until the next day begins."""
        now = self.uploads.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()


def _count_lost(days: UploadDays, unit: str, ticket: str, now: datetime) -> None:
    """Count what an earlier attempt had reserved for a unit: it will never report."""
    for name, day in list(days.items()):
        # The own reservation exists if the server's answer was lost, and it is asked again
        size, holder = day["reserved"].pop(unit, (0, ticket))
        if holder != ticket:
            (_day_of(days, now) if name in _open_days(now) else day)["bytes"] += size


def _used_bytes(days: UploadDays, now: datetime) -> int:
    """Today's bytes, and all that may still be uploaded."""
    reservations = (days.get(name, _empty_day())["reserved"].values() for name in _open_days(now))
    today = days.get(_day_name(now), _empty_day())["bytes"]
    return int(today) + sum(size for reserved in reservations for size, _ in reserved)


def _open_days(now: datetime) -> tuple[str, str]:
    """The days whose reservations count today: an upload passes one midnight at most."""
    return _day_name(now), _day_name(now - timedelta(days=1))


def _day_of(days: UploadDays, now: datetime) -> dict[str, Any]:
    return days.setdefault(_day_name(now), _empty_day())


def _day_name(now: datetime) -> str:
    return now.strftime("%Y-%m-%d")


def _empty_day() -> dict[str, Any]:
    return {"bytes": 0, "files": 0, "reserved": {}}
