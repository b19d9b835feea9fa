"""How much may be uploaded in a day (UTC), whoever uploads, and whatever is killed.

Before an upload its bytes are reserved; afterwards what was uploaded is counted in their place. An
upload that was killed is never told of. Its reservation counts in full: of a file that was cut off
nothing is at the destination, but its bytes were uploaded, and a worker that was given up for dead
may be uploading still; to count less could exceed the quota. It is not lost for ever: it takes room
on its day, and on the next one unless the unit was tried again before; what one killed upload costs
is the size of a dataset, little beside what a day has.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from kpfnb.adap.archive.uploads import Days, Uploads
from kpfnb.errors import BadParameter


class Reservation(NamedTuple):
    """Room of a day for some files of a unit; `size` is 0 where nothing was reserved."""

    unit: str
    ticket: str
    names: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class Quota:
    """What is uploaded to one account, by day.

    Attributes
    ----------
    uploads : where it is counted
    daily : bytes a day; 0 for no limit
    """

    uploads: Uploads
    daily: int = 0

    def reserve(self, unit: str, sizes: dict[str, int]) -> Reservation:
        """Reserve today's room for files of a unit: those that fit, in their order.

        `BadParameter` where a file is larger than a whole day's quota: it would wait for ever.
        """
        if self.daily and (large := [name for name, size in sizes.items() if size > self.daily]):
            raise BadParameter(
                f"quota: {unit}/{large[0]} has {sizes[large[0]]} bytes, a day has {self.daily}",
                "set a larger quota",
            )
        ticket, now = uuid.uuid4().hex, self.uploads.now()

        def take(days: Days) -> Reservation:
            _write_off(days, unit, ticket, now)
            left = self.daily - _used(days, now) if self.daily else sum(sizes.values())
            chosen = []
            for name, size in sizes.items():
                if size <= left:
                    chosen.append(name)
                    left -= size
            size = sum(sizes[name] for name in chosen)
            if size:
                _day_of(days, now)["reserved"][unit] = [size, ticket]
            return Reservation(unit, ticket, tuple(chosen), size)

        return self.uploads.change(take)

    def settle(self, reserved: Reservation, uploaded: int, count: int) -> None:
        """Count what was uploaded today (bytes, files), in place of what was reserved.

        Not where another worker has the unit by now: then the reservation itself was counted.
        """
        own = [reserved.size, reserved.ticket]
        now = self.uploads.now()

        def put(days: Days) -> None:
            held = [day for day in days.values() if day["reserved"].get(reserved.unit) == own]
            for day in held:
                del day["reserved"][reserved.unit]
            if held or not reserved.size:
                today = _day_of(days, now)
                today["bytes"] += uploaded
                today["files"] += count

        self.uploads.change(put)

    def used(self) -> int:
        """Bytes of today, those that are reserved among them."""
        return _used(self.days(), self.uploads.now())

    def days(self) -> Days:
        """What was uploaded on each day: `bytes`, `files` and what is `reserved`, by unit."""
        return self.uploads.read()

    def seconds_to_reset(self) -> float:
        """Until the next day begins."""
        now = self.uploads.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()


def _write_off(days: Days, unit: str, ticket: str, now: datetime) -> None:
    """Count what an attempt before this one had reserved for a unit: it will never tell."""
    for name, day in list(days.items()):
        # Its own is there where the server's answer was lost, and it is asked again
        size, holder = day["reserved"].pop(unit, (0, ticket))
        if holder != ticket:
            (_day_of(days, now) if name in _open(now) else day)["bytes"] += size


def _used(days: Days, now: datetime) -> int:
    """Bytes of today, and all that may be on its way."""
    on_its_way = (days.get(name, _blank())["reserved"].values() for name in _open(now))
    today = days.get(_name(now), _blank())["bytes"]
    return int(today) + sum(size for reserved in on_its_way for size, _ in reserved)


def _open(now: datetime) -> tuple[str, str]:
    """The days whose reservations take room today: an upload goes over one midnight, not two."""
    return _name(now), _name(now - timedelta(days=1))


def _day_of(days: Days, now: datetime) -> dict[str, Any]:
    return days.setdefault(_name(now), _blank())


def _name(now: datetime) -> str:
    return now.strftime("%Y-%m-%d")


def _blank() -> dict[str, Any]:
    return {"bytes": 0, "files": 0, "reserved": {}}
