"""One queue on the server: load it, work on it, look at it, mend it."""

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
from kpfnb.queue import connection, results
from kpfnb.queue import lease as policies
from kpfnb.queue import lease as reporting
from kpfnb.queue.lease import QueuePolicy
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
from kpfnb.queue.results import LoadResult, MoveAction, MoveResult, StatusChange

if TYPE_CHECKING:
    from redis import Redis

LAYOUT_VERSION = "1"
"""Of the data on the server; a later one that is not understood is refused."""

QUEUES_KEY = "kpfnb:queues"
BATCH_SIZE = 500
MAX_WAIT_SECONDS = 10.0
MAX_NOTE_LENGTH = 200
REFUSED = "refused"

T = TypeVar("T")


class Queue:
    """A queue by its name. Every call may raise `ServiceUnavailableError`, and may be repeated."""

    def __init__(
        self, name: str, *, client: Redis | None = None, policy: QueuePolicy | None = None
    ) -> None:
        self.name = check_name(name)
        self.policy = policy or policies.load_policy()
        self._client = client or connection.connect_to_server()
        self._prefix = f"kpfnb:{{{name}}}:"
        self._scripts = {
            one: self._client.register_script(source) for one, source in _load_scripts().items()
        }
        with connection.translate_errors():
            layout = self._client.get(self._key("layout")) or LAYOUT_VERSION
        if layout != LAYOUT_VERSION:
            raise InvalidInputError(
                f"queue {name} was made by another version of kpfnb (layout {layout})",
                "use that version until the queue is empty",
            )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Load and mend

    def load(
        self, items: Iterable[str], *, priority: Priority = Priority.NORMAL, dry_run: bool = False
    ) -> LoadResult:
        """Put items onto the queue, each once: one that is known already is left as it is."""
        new, known = [], Counter[QueueItemStatus]()
        names = list(dict.fromkeys(map(check_item, items)))
        self._register_queue(dry_run)
        for batch in _batched(names):
            befores = self._call_script("load", priority, int(dry_run), *batch)
            for name, before in zip(batch, befores, strict=True):
                if before:
                    known[QueueItemStatus(before)] += 1
                else:
                    new.append(name)
        return LoadResult(tuple(new), known)

    def move(
        self, action: MoveAction, items: Iterable[str], *, why: str = "", dry_run: bool = False
    ) -> MoveResult:
        """Do what a person asks for with some items; those that it does not suit stay.

        `requeue` lets failed, parked, cancelled or done items wait again, as if new; `park` puts
        open ones aside; `cancel` takes them off the queue. The worker of a running one is told at
        its next heartbeat, and can't commit it any more.
        """
        why = why or f"{action}: by a person"
        made: dict[str, StatusChange] = {}
        for batch in _batched(dict.fromkeys(items)):
            head = (action, int(dry_run), self.policy.keep_events, why)
            made |= results.parse_changes(batch, self._call_script("move", *head, *batch))
        return MoveResult(made)

    def drain(self, on: bool = True) -> None:
        """Give out no more: workers finish what they hold, and leave. Or open it again."""
        with connection.translate_errors():
            if on:
                self._client.set(self._key("draining"), 1)
                self._client.xadd(self._key("bell"), {"drain": 1}, maxlen=1, approximate=False)
            else:
                self._client.delete(self._key("draining"))

    def rebuild(
        self,
        truth: Mapping[str, bool],
        *,
        priority: Priority = Priority.NORMAL,
        dry_run: bool = False,
    ) -> MoveResult:
        """Make the queue agree with what is on disk.

        truth : items by name, and whether their products are there. Those that are done there are
        done here; those that are not, and are unknown or done here, wait. Running ones are left.
        """
        made: dict[str, StatusChange] = {}
        self._register_queue(dry_run)
        for batch in _batched(truth.items()):
            pairs = [part for name, done in batch for part in (check_item(name), str(int(done)))]
            answer = self._call_script("rebuild", priority, int(dry_run), *pairs)
            made |= results.parse_changes([name for name, _ in batch], answer)
        return MoveResult(made)

    # Work

    def report_and_claim(
        self, worker: str, request: str, reports: Sequence[AttemptReport] = (), *, want: int = 1
    ) -> ClaimResponse:
        """Report what was ended, and claim up to `want` items, in one step.

        Repeated with the same `request` (the answer got lost) it gives the same claims again.
        """
        rules = self.policy
        written = [reporting.encode_report(report, rules, random.random()) for report in reports]
        verdicts, claims, wait, bell, draining, retries = self._call_script(
            "turn",
            *(worker, request, want, _to_milliseconds(rules.lease_seconds), rules.attempts),
            # Not in ASCII: the server's reader refuses the escape of half a character
            *(rules.keep_done, rules.keep_events, json.dumps(written, ensure_ascii=False)),
        )
        return ClaimResponse(
            tuple(None if one == REFUSED else QueueItemStatus(one) for one in verdicts),
            tuple(Claim(name, int(token), int(attempt)) for name, token, attempt in claims),
            None if int(wait) < 0 else int(wait) / 1000,
            bell,
            bool(draining),
            int(retries),
        )

    def wait_for_work(self, bell: str, seconds: float) -> None:
        """Wait till something has come since `bell`, for so long at most (and 10 s)."""
        milliseconds = _to_milliseconds(min(seconds, MAX_WAIT_SECONDS))
        if milliseconds > 0:
            with connection.translate_errors():
                self._client.xread({self._key("bell"): bell}, block=milliseconds)

    def heartbeat(self, worker: str, claim: Claim, note: str = "") -> bool:
        """Renew the lease; False where the item is another's, or nobody's, by now.

        note : how far it is, kept with the item; the last one stays where there is none
        """
        lease = _to_milliseconds(self.policy.lease_seconds)
        told = note[:MAX_NOTE_LENGTH]
        return bool(self._call_script("beat", worker, lease, claim.item, claim.token, told))

    def deregister(self, worker: str) -> None:
        """Say that a worker goes."""
        self._call_script("leave", worker)

    # Look

    def counts(self) -> dict[QueueItemStatus, int]:
        """How many items are in each state."""
        with self._client.pipeline() as pipe, connection.translate_errors():
            for state in QueueItemStatus:
                pipe.zcard(self._state_key(state))
            return dict(zip(QueueItemStatus, pipe.execute(), strict=True))

    def names(self, state: QueueItemStatus) -> list[str]:
        """The items in a state; those that came into it first come first."""
        with connection.translate_errors():
            return self._client.zrange(self._state_key(state), 0, -1)

    def items(self, state: QueueItemStatus, *, limit: int = 1000) -> list[QueueItem]:
        """Up to `limit` items in a state, the latest."""
        with connection.translate_errors():
            found = self._client.zrevrange(self._state_key(state), 0, limit - 1, withscores=True)
            with self._client.pipeline() as pipe:
                for name, _ in found:
                    pipe.hgetall(self._key(f"item:{name}"))
                known = pipe.execute()
        has_end = state in (QueueItemStatus.RUNNING, QueueItemStatus.FAILED)
        return [
            QueueItem.from_fields(name, fields, score if has_end else None)
            for (name, score), fields in zip(reversed(found), reversed(known), strict=True)
        ]

    def item(self, name: str) -> QueueItem:
        """One item; `InvalidInputError` where the queue does not know it."""
        with self._client.pipeline() as pipe, connection.translate_errors():
            pipe.hgetall(self._key(f"item:{name}"))
            for state in QueueItemStatus:
                pipe.zscore(self._state_key(state), name)
            fields, *scores = pipe.execute()
        found = {
            state: score for state, score in zip(QueueItemStatus, scores, strict=True) if score
        }
        if not fields and not found:
            raise InvalidInputError(
                f"queue {self.name} has no item {name!r}", "see kpfnb queue status"
            )
        return QueueItem.from_fields(
            name, fields, found.get(QueueItemStatus.RUNNING) or found.get(QueueItemStatus.FAILED)
        )

    def events(self, *, limit: int = 10_000) -> list[AttemptEvent]:
        """The ends of the last attempts, oldest first."""
        with connection.translate_errors():
            entries = self._client.xrevrange(self._key("events"), count=limit)
        return [AttemptEvent.from_entry(identity, fields) for identity, fields in reversed(entries)]

    @property
    def is_draining(self) -> bool:
        """True while nothing is given out."""
        with connection.translate_errors():
            return bool(self._client.exists(self._key("draining")))

    def _register_queue(self, dry_run: bool) -> None:
        if dry_run:
            return
        with connection.translate_errors():
            self._client.set(self._key("layout"), LAYOUT_VERSION, nx=True)
            self._client.sadd(QUEUES_KEY, self.name)

    def _call_script(self, script: str, *arguments: str | int) -> Any:
        with connection.translate_errors():
            return self._scripts[script](keys=[self._prefix], args=arguments)

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _state_key(self, state: QueueItemStatus) -> str:
        return self._key(f"state:{state}")


def list_queues() -> list[str]:
    """The names of all queues on the server."""
    with connection.connect_to_server() as client, connection.translate_errors():
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
