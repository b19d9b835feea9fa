"""What the queue knows of items, claims and reports."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kpfnb.core.errors import InvalidInputError, InvalidParameterError

# Lists of items: arguments, standard input, files.

STANDARD_INPUT = "-"


def read_items(arguments: Iterable[str], file: Path | None = None) -> list[str]:
    """The items that arguments name, `-` standing for standard input, then those in a file."""
    found: list[str] = []
    for argument in arguments:
        found += parse_item_lines(sys.stdin) if argument == STANDARD_INPUT else [argument]
    if file:
        try:
            found += parse_item_lines(file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"can't read the items in {file}: {error}", "one item a line"
            ) from None
    return found


def parse_item_lines(text: Iterable[str]) -> Iterator[str]:
    """One item a line; empty lines and those that begin with # are left out."""
    for line in text:
        item = line.strip()
        if item and not item.startswith("#"):
            yield item


# What names queues and items may have.

QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_ITEM_LENGTH = 1000


def check_name(name: str) -> str:
    """The name of a queue; `InvalidParameterError` for an impossible one."""
    if not QUEUE_NAME.fullmatch(name):
        raise InvalidParameterError(
            f"queue {name!r} is no name", "use letters, digits, dots, dashes and underscores"
        )
    return name


def check_item(name: str) -> str:
    """The name of an item, without space around it; `InvalidInputError` for an impossible one."""
    name = name.strip()
    if not name or len(name) > MAX_ITEM_LENGTH or not name.isprintable():
        raise InvalidInputError(
            f"{name[:80]!r} can't be an item",
            f"an item is one line of at most {MAX_ITEM_LENGTH} characters",
        )
    return name


class QueueItemStatus(StrEnum):
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
        return self in (QueueItemStatus.WAITING, QueueItemStatus.RUNNING, QueueItemStatus.FAILED)


class Priority(StrEnum):
    """Of waiting items all of a higher priority come first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class AttemptOutcome(StrEnum):
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
class AttemptReport:
    """How a worker's attempt ended: done, failed or returned.

    final : another attempt could not end better; what failed so is parked at once
    """

    claim: Claim
    ending: AttemptOutcome
    result: Any = None
    error: str = ""
    log: str = ""
    seconds: float = 0
    final: bool = False


@dataclass(frozen=True)
class ClaimResponse:
    """The queue's answer to a worker.

    Attributes
    ----------
    verdicts : for each report the item's state now; None where the report was refused
    wait_seconds : until a lease ends or an item is to be retried; None where there is neither
    bell : by which `Queue.wait` knows what came since
    retries : the number of items that will be tried again later
    """

    report_statuses: tuple[QueueItemStatus | None, ...]
    claims: tuple[Claim, ...]
    wait_seconds: float | None
    wakeup_id: str
    is_draining: bool
    retries: int


@dataclass(frozen=True)
class QueueItem:
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
    state: QueueItemStatus
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
    def from_fields(
        cls, name: str, fields: Mapping[str, str], until: float | None = None
    ) -> QueueItem:
        """From what the server holds; `until` in ms. Of an item without fields only: it is done."""
        seconds = fields.get("seconds")
        return cls(
            name,
            QueueItemStatus(fields.get("state", QueueItemStatus.DONE)),
            Priority(fields.get("priority", Priority.NORMAL)),
            int(fields.get("attempts", 0)),
            fields.get("worker", ""),
            from_milliseconds(fields.get("loaded")),
            from_milliseconds(fields.get("since")),
            from_milliseconds(until),
            float(seconds) if seconds else None,
            json.loads(fields.get("result", "null")),
            fields.get("error", ""),
            fields.get("log", ""),
            fields.get("note", ""),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        times = {name: to_iso(getattr(self, name)) for name in ("loaded", "since", "until")}
        return {**asdict(self), **times}


@dataclass(frozen=True)
class AttemptEvent:
    """The end of one attempt."""

    item: str
    ending: AttemptOutcome
    worker: str
    attempt: int
    token: int
    begun: datetime
    ended: datetime
    why: str

    @classmethod
    def from_entry(cls, identity: str, fields: Mapping[str, str]) -> AttemptEvent:
        """From an entry of the stream, whose id begins with the time in ms."""
        begun, ended = (
            from_milliseconds(fields["begun"]),
            from_milliseconds(identity.partition("-")[0]),
        )
        assert begun and ended
        return cls(
            fields["item"],
            AttemptOutcome(fields["ending"]),
            fields["worker"],
            int(fields["attempt"]),
            int(fields["token"]),
            begun,
            ended,
            fields["why"],
        )


def from_milliseconds(milliseconds: str | float | None) -> datetime | None:
    """The time, UTC, from milliseconds since 1970."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)


def to_iso(time: datetime | None) -> str | None:
    """ISO 8601 with Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None
