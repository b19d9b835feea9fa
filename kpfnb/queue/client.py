"""One queue on the server: load items, move them, claim them, report on them, list them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from kpfnb.core.errors import InvalidInputError
from kpfnb.queue.connection import connect_to_server, translate_errors
from kpfnb.queue.lease import QueuePolicy, encode_report, load_policy
from kpfnb.queue.records import (
    AttemptEvent,
    AttemptReport,
    Claim,
    ClaimResponse,
    Priority,
    QueueItem,
    QueueItemStatus,
    check_item,
    check_name,
)
from kpfnb.queue.results import LoadResult, MoveAction, MoveResult, StatusChange, parse_changes

if TYPE_CHECKING:
    from redis import Redis

LAYOUT_VERSION = "1"
"""Version of the data on the server; another one is refused."""

QUEUES_KEY = "kpfnb:queues"
BATCH_SIZE = 500
MAX_WAIT_SECONDS = 10.0
MAX_NOTE_LENGTH = 200
REFUSED = "refused"
_MOVED_BY_PERSON = {"requeue": "retried", "park": "set aside", "cancel": "cancelled"}

T = TypeVar("T")


class Queue:
    """A queue by its name. Every call may raise `ServiceUnavailableError`, and may be repeated."""

    def __init__(
        self, name: str, *, client: Redis | None = None, policy: QueuePolicy | None = None
    ) -> None:
        self.name = check_name(name)
        self.policy = policy or load_policy()
        self.client = client or connect_to_server()
        """The connection to the server."""
        self._prefix = f"kpfnb:{{{name}}}:"
        self._scripts = {
            script: self.client.register_script(source)
            for script, source in _load_scripts().items()
        }
        with translate_errors():
            layout = self.client.get(self._key("layout")) or LAYOUT_VERSION
        if layout != LAYOUT_VERSION:
            raise InvalidInputError(
                f"queue {name} was created by another version of kpfnb (layout {layout})",
                "use that version until the queue is empty",
            )

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Load and move

    def load(
        self, items: Iterable[str], *, priority: Priority = Priority.NORMAL, dry_run: bool = False
    ) -> LoadResult:
        """Put items on the queue, each once; items that it knows already stay unchanged."""
        new, known_counts = [], Counter[QueueItemStatus]()
        names = list(dict.fromkeys(map(check_item, items)))
        self._register_queue(dry_run)
        for batch in _batched(names):
            befores = self._call_script("load", priority, int(dry_run), *batch)
            for name, before in zip(batch, befores, strict=True):
                if before:
                    known_counts[QueueItemStatus(before)] += 1
                else:
                    new.append(name)
        return LoadResult(tuple(new), known_counts)

    def move(
        self, action: MoveAction, items: Iterable[str], *, why: str = "", dry_run: bool = False
    ) -> MoveResult:
        """Move items as a person requests; items in an unsuitable state stay unchanged.

        `requeue` lets failed, parked, cancelled or done items wait again, as if new; `park` sets
        open ones aside; `cancel` takes them off the queue. The worker of a running item learns it
        at its next heartbeat, and can no longer commit the item.
        """
        why = why or f"{_MOVED_BY_PERSON[action]} by a person"
        changes: dict[str, StatusChange] = {}
        for batch in _batched(dict.fromkeys(items)):
            head = (action, int(dry_run), self.policy.keep_events, why)
            changes |= parse_changes(batch, self._call_script("move", *head, *batch))
        return MoveResult(changes)

    def drain(self, on: bool = True) -> None:
        """Give out no more items: workers finish their items and leave. With `on=False`, resume."""
        with translate_errors():
            if on:
                self.client.set(self._key("draining"), 1)
                self.client.xadd(self._key("bell"), {"drain": 1}, maxlen=1, approximate=False)
            else:
                self.client.delete(self._key("draining"))

    def rebuild(
        self,
        truth: Mapping[str, bool],
        *,
        priority: Priority = Priority.NORMAL,
        dry_run: bool = False,
    ) -> MoveResult:
        """Set the state of all items to what is on disk.

        Parameters
        ----------
        truth : items by name, and whether their products exist. Items with products become done;
            items without products that are unknown or done wait. Running items stay unchanged.
        """
        changes: dict[str, StatusChange] = {}
        self._register_queue(dry_run)
        for batch in _batched(truth.items()):
            pairs = [part for name, done in batch for part in (check_item(name), str(int(done)))]
            answer = self._call_script("rebuild", priority, int(dry_run), *pairs)
            changes |= parse_changes([name for name, _ in batch], answer)
        return MoveResult(changes)

    # Work

    def report_and_claim(
        self, worker: str, request: str, reports: Sequence[AttemptReport] = (), *, want: int = 1
    ) -> ClaimResponse:
        """Report finished attempts, and claim up to `want` items, in one step.

        Repeated with the same `request` (if the answer was lost) it gives the same claims again.
        """
        policy = self.policy
        encoded = [encode_report(report, policy, random.random()) for report in reports]
        statuses, claims, wait, wakeup_id, draining, retries = self._call_script(
            "report_and_claim",
            *(worker, request, want, _to_milliseconds(policy.lease_seconds), policy.attempts),
            # Not in ASCII: the server's reader refuses the escape of half a character
            *(policy.keep_done, policy.keep_events, json.dumps(encoded, ensure_ascii=False)),
        )
        return ClaimResponse(
            tuple(None if status == REFUSED else QueueItemStatus(status) for status in statuses),
            tuple(Claim(name, int(token), int(attempt)) for name, token, attempt in claims),
            None if int(wait) < 0 else int(wait) / 1000,
            wakeup_id,
            bool(draining),
            int(retries),
        )

    def wait_for_work(self, wakeup_id: str, seconds: float) -> None:
        """Wait for a wake-up message after `wakeup_id`, at most this long (and at most 10 s)."""
        milliseconds = _to_milliseconds(min(seconds, MAX_WAIT_SECONDS))
        if milliseconds > 0:
            with translate_errors():
                self.client.xread({self._key("bell"): wakeup_id}, block=milliseconds)

    def heartbeat(self, worker: str, claim: Claim, note: str = "") -> bool:
        """Renew the lease; False if the worker no longer holds it.

        note : progress of the item, kept with it; '' keeps the last note
        """
        lease = _to_milliseconds(self.policy.lease_seconds)
        text = note[:MAX_NOTE_LENGTH]
        return bool(self._call_script("heartbeat", worker, lease, claim.item, claim.token, text))

    def deregister(self, worker: str) -> None:
        """Tell the queue that a worker leaves."""
        self._call_script("deregister", worker)

    # Inspect

    def counts(self) -> dict[QueueItemStatus, int]:
        """The number of items in each state."""
        with self.client.pipeline() as pipe, translate_errors():
            for state in QueueItemStatus:
                pipe.zcard(self._state_key(state))
            return dict(zip(QueueItemStatus, pipe.execute(), strict=True))

    def names(self, state: QueueItemStatus) -> list[str]:
        """The items in a state, in the order in which they came into it."""
        with translate_errors():
            return self.client.zrange(self._state_key(state), 0, -1)

    def items(self, state: QueueItemStatus, *, limit: int = 1000) -> list[QueueItem]:
        """The latest items in a state, at most `limit`."""
        with translate_errors():
            scored = self.client.zrevrange(self._state_key(state), 0, limit - 1, withscores=True)
            with self.client.pipeline() as pipe:
                for name, _ in scored:
                    pipe.hgetall(self._key(f"item:{name}"))
                records = pipe.execute()
        has_end = state in (QueueItemStatus.RUNNING, QueueItemStatus.FAILED)
        return [
            QueueItem.from_fields(name, fields, score if has_end else None)
            for (name, score), fields in zip(reversed(scored), reversed(records), strict=True)
        ]

    def item(self, name: str) -> QueueItem:
        """One item; `InvalidInputError` if the queue does not know it."""
        with self.client.pipeline() as pipe, translate_errors():
            pipe.hgetall(self._key(f"item:{name}"))
            for state in QueueItemStatus:
                pipe.zscore(self._state_key(state), name)
            fields, *scores = pipe.execute()
        times = {
            state: score for state, score in zip(QueueItemStatus, scores, strict=True) if score
        }
        if not fields and not times:
            raise InvalidInputError(
                f"queue {self.name} has no item {name!r}", "see kpfnb queue status"
            )
        return QueueItem.from_fields(
            name, fields, times.get(QueueItemStatus.RUNNING) or times.get(QueueItemStatus.FAILED)
        )

    def events(self, *, limit: int = 10_000) -> list[AttemptEvent]:
        """The last attempts that ended, oldest first."""
        with translate_errors():
            entries = self.client.xrevrange(self._key("events"), count=limit)
        return [AttemptEvent.from_entry(identity, fields) for identity, fields in reversed(entries)]

    @property
    def is_draining(self) -> bool:
        """True while no items are given out."""
        with translate_errors():
            return bool(self.client.exists(self._key("draining")))

    def _register_queue(self, dry_run: bool) -> None:
        if dry_run:
            return
        with translate_errors():
            self.client.set(self._key("layout"), LAYOUT_VERSION, nx=True)
            self.client.sadd(QUEUES_KEY, self.name)

    def _call_script(self, script: str, *arguments: str | int) -> Any:
        with translate_errors():
            return self._scripts[script](keys=[self._prefix], args=arguments)

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _state_key(self, state: QueueItemStatus) -> str:
        return self._key(f"state:{state}")


def list_queues() -> list[str]:
    """The names of all queues on the server."""
    with connect_to_server() as client, translate_errors():
        return sorted(client.smembers(QUEUES_KEY))


def _batched(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    return iter(lambda: list(islice(rest, BATCH_SIZE)), [])


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@cache
def _load_scripts() -> dict[str, str]:
    folder = resources.files("kpfnb.queue") / "scripts"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    common = texts.pop("common.lua")
    return {name.removesuffix(".lua"): f"{common}\n{text}" for name, text in texts.items()}
