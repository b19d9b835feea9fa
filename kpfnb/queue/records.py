"""Records of the queue: items, claims, reports and responses, and the names that are allowed."""

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

from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidInputError, InvalidParameterError

STANDARD_INPUT = "-"
QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_ITEM_LENGTH = 1000


def read_items(arguments: Iterable[str], file: Path | None = None) -> list[str]:
    """Read the items in arguments (`-` means standard input), then those in a file."""
    items: list[str] = []
    for argument in arguments:
        items += parse_item_lines(sys.stdin) if argument == STANDARD_INPUT else [argument]
    if file:
        try:
            items += parse_item_lines(file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(
                f"can't read the items in {file}: {error}", "write one item per line"
            ) from None
    return items


def parse_item_lines(text: Iterable[str]) -> Iterator[str]:
    """One item per line; empty lines and those that begin with # are skipped."""
    for line in text:
        item = line.strip()
        if item and not item.startswith("#"):
            yield item


def check_name(name: str) -> str:
    """The name of a queue, unchanged; `InvalidParameterError` if it is not valid."""
    if not QUEUE_NAME.fullmatch(name):
        raise InvalidParameterError(
            f"queue {name!r} is not a valid name",
            "use letters, digits, dots, dashes and underscores",
        )
    return name


def check_item(name: str) -> str:
    """The name of an item, stripped of spaces; `InvalidInputError` if it is not valid."""
    name = name.strip()
    if not name or len(name) > MAX_ITEM_LENGTH or not name.isprintable():
        raise InvalidInputError(
            f"{name[:80]!r} can't be an item",
            f"an item is one line of at most {MAX_ITEM_LENGTH} characters",
        )
    return name


class QueueItemStatus(StrEnum):
    """The state of an item."""

    WAITING = "waiting"
    """Waits for a worker."""
    RUNNING = "running"
    """Claimed; its worker renews the lease."""
    FAILED = "failed"
    """The last attempt failed; it is tried again after a delay."""
    PARKED = "parked"
    """Set aside after its last attempt, or by a person; waits for a person."""
    DONE = "done"
    """Its effect is durable."""
    CANCELLED = "cancelled"
    """Taken off the queue by a person."""

    @property
    def is_open(self) -> bool:
        """True if a worker will work on it."""
        return self in (QueueItemStatus.WAITING, QueueItemStatus.RUNNING, QueueItemStatus.FAILED)


class Priority(StrEnum):
    """The priority of a waiting item: all items of a higher priority come first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"
    RETURNED = "returned"
    """Handed back by a worker that was asked to leave; it does not count as an attempt."""
    LOST = "lost"
    """The worker's lease ran out."""
    PARKED = "parked"
    """A person set the item aside during the attempt."""
    CANCELLED = "cancelled"
    """A person cancelled the item during the attempt."""


@dataclass(frozen=True)
class Claim:
    """The right to work on an item for as long as the lease is renewed.

    Attributes
    ----------
    token : fencing token, larger than the tokens of all earlier claims in this queue
    attempt : 1 for the first
    """

    item: str
    token: int
    attempt: int


@dataclass(frozen=True)
class AttemptReport:
    """A worker's report on one attempt: done, failed or returned.

    Attributes
    ----------
    final : another attempt could not end better: a failed item is parked immediately
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
    report_statuses : for each report the item's state now; None if the report was refused
    wait_seconds : until a lease ends or an item is to be retried; None if there is neither
    wakeup_id : the last wake-up message; `Queue.wait_for_work` waits for a later one
    retries : the number of items that will be retried later
    """

    report_statuses: tuple[QueueItemStatus | None, ...]
    claims: tuple[Claim, ...]
    wait_seconds: float | None
    wakeup_id: str
    is_draining: bool
    retries: int


@dataclass(frozen=True)
class QueueItem:
    """Everything known about an item. Times are UTC.

    Attributes
    ----------
    since : when it came into its state
    until : end of the lease of a running item; time of the next attempt of a failed one
    seconds : duration of the last attempt that was reported
    log : the end of the log of the attempt that failed
    note : the progress that its task has reported
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
        """From the fields on the server (`until` in ms); an item without fields is done."""
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
        times = {name: getattr(self, name) for name in ("loaded", "since", "until")}
        return {
            **asdict(self),
            **{name: format_utc(time) if time else None for name, time in times.items()},
        }


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
        """From an entry of the stream; its identifier begins with the time in ms."""
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
    """The UTC time from milliseconds since 1970."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
