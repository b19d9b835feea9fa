"""What the queue knows of items, claims and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where an item is in its life."""

    WAITING = "waiting"
    """For a worker."""
    RUNNING = "running"
    """Claimed; its lease is renewed by its worker."""
    FAILED = "failed"
    """The last attempt failed; it is tried again after a rest."""
    PARKED = "parked"
    """Given up after its last attempt, or by a person; waits for a person."""
    DONE = "done"
    """Its effect is durable."""
    CANCELLED = "cancelled"
    """By a person."""

    @property
    def is_open(self) -> bool:
        """True where a worker will deal with it."""
        return self in (State.WAITING, State.RUNNING, State.FAILED)


class Priority(StrEnum):
    """Of waiting items all of a higher priority come first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Ending(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"
    RETURNED = "returned"
    """Handed back by a worker that was told to leave; it does not count as an attempt."""
    LOST = "lost"
    """The worker's lease ran out."""
    PARKED = "parked"
    """A person parked the item meanwhile."""
    CANCELLED = "cancelled"
    """A person cancelled the item meanwhile."""


@dataclass(frozen=True)
class Claim:
    """The right to work on an item for as long as the lease is renewed.

    Attributes
    ----------
    token : fencing token: larger than that of any claim before it in this queue
    attempt : 1 for the first
    """

    item: str
    token: int
    attempt: int


@dataclass(frozen=True)
class Report:
    """How a worker's attempt ended: done, failed or returned.

    final : another attempt could not end better; what failed so is parked at once
    """

    claim: Claim
    ending: Ending
    result: Any = None
    error: str = ""
    log: str = ""
    seconds: float = 0
    final: bool = False


@dataclass(frozen=True)
class Turn:
    """The queue's answer to a worker.

    Attributes
    ----------
    verdicts : for each report the item's state now; None where the report was refused
    wait_seconds : until a lease ends or an item is to be retried; None where there is neither
    bell : by which `Queue.wait` knows what came since
    retries : the number of items that will be tried again later
    """

    verdicts: tuple[State | None, ...]
    claims: tuple[Claim, ...]
    wait_seconds: float | None
    bell: str
    draining: bool
    retries: int


@dataclass(frozen=True)
class Item:
    """All that is known of an item. Times are UTC.

    Attributes
    ----------
    since : when it came into its state
    until : end of the lease of a running item; the next attempt of a failed one
    seconds : how long the last attempt took that was reported
    log : the last words of the attempt that failed
    note : how far its task has said to be
    """

    name: str
    state: State
    priority: Priority = Priority.NORMAL
    attempts: int = 0
    worker: str = ""
    loaded: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    seconds: float | None = None
    result: Any = None
    error: str = ""
    log: str = ""
    note: str = ""

    @classmethod
    def read(cls, name: str, fields: Mapping[str, str], until: float | None = None) -> Item:
        """From what the server holds; `until` in ms. Of an item without fields only: it is done."""
        seconds = fields.get("seconds")
        return cls(
            name,
            State(fields.get("state", State.DONE)),
            Priority(fields.get("priority", Priority.NORMAL)),
            int(fields.get("attempts", 0)),
            fields.get("worker", ""),
            moment(fields.get("loaded")),
            moment(fields.get("since")),
            moment(until),
            float(seconds) if seconds else None,
            json.loads(fields.get("result", "null")),
            fields.get("error", ""),
            fields.get("log", ""),
            fields.get("note", ""),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        times = {name: stamp(getattr(self, name)) for name in ("loaded", "since", "until")}
        return {**asdict(self), **times}


@dataclass(frozen=True)
class Event:
    """The end of one attempt."""

    item: str
    ending: Ending
    worker: str
    attempt: int
    token: int
    begun: datetime
    ended: datetime
    why: str

    @classmethod
    def read(cls, identity: str, fields: Mapping[str, str]) -> Event:
        """From an entry of the stream, whose id begins with the time in ms."""
        begun, ended = moment(fields["begun"]), moment(identity.partition("-")[0])
        assert begun and ended
        return cls(
            fields["item"],
            Ending(fields["ending"]),
            fields["worker"],
            int(fields["attempt"]),
            int(fields["token"]),
            begun,
            ended,
            fields["why"],
        )


def moment(milliseconds: str | float | None) -> datetime | None:
    """The time, UTC, from milliseconds since 1970."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)


def stamp(time: datetime | None) -> str | None:
    """ISO 8601 with Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None
