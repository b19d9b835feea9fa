"""The history of a queue, as its witnesses recorded it, and the rules that it must obey.

This module knows only what the queue promises, not how it works.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus

ATTEMPTS = 3
DOOMED = ("poison", "broken")
"""Beginnings of the names of items that no worker can do."""


@dataclass
class History:
    """Attributes
    ----------
    loaded : all items that were ever loaded
    final : all items as the queue holds them in the end
    events : the queue's own account of how attempts ended
    claims : (item, token), as workers got them
    accepted : (item, token) of each report `done` that the queue accepted, as reported to workers
    effects : (item, token) of each durable effect, as tasks made them
    requeued : items that a person has requeued
    """

    loaded: Sequence[str]
    final: Sequence[QueueItem]
    events: Sequence[AttemptEvent]
    claims: Sequence[tuple[str, int]] = ()
    accepted: Sequence[tuple[str, int]] = ()
    effects: Sequence[tuple[str, int]] = ()
    requeued: set[str] = field(default_factory=set)


def violations(history: History) -> list[str]:
    """Every violated rule, as a text."""
    return [
        *_lost(history),
        *_committed_twice(history),
        *_fenced(history),
        *_without_effect(history),
        *_counted(history),
    ]


def _lost(history: History) -> Iterable[str]:
    states = {item.name: item for item in history.final}
    for name in history.loaded:
        if name not in states:
            yield f"{name}: lost, the queue does not know it any more"
            continue
        item, doomed = states[name], name.startswith(DOOMED)
        if item.state is not (QueueItemStatus.PARKED if doomed else QueueItemStatus.DONE):
            yield f"{name}: ended as {item.state}"
        if doomed and not item.error:
            yield f"{name}: parked without its error"


def _committed_twice(history: History) -> Iterable[str]:
    for witness, commits in (
        (
            "the queue",
            [(e.item, e.token) for e in history.events if e.ending is AttemptOutcome.DONE],
        ),
        ("its workers", history.accepted),
    ):
        for name, count in Counter(name for name, _ in commits).items():
            if count > 1:
                yield f"{name}: committed {count} times, says {witness}"
    committed = {
        event.item: event.token for event in history.events if event.ending is AttemptOutcome.DONE
    }
    for name, token in history.accepted:
        if committed.get(name) != token:
            yield f"{name}: a worker was told {token} is committed; it is {committed.get(name)}"


def _fenced(history: History) -> Iterable[str]:
    for (name, token), count in Counter(history.claims).items():
        if count > 1:
            yield f"{name}: token {token} was given {count} times"
    latest: dict[str, int] = {}
    finished: set[str] = set()
    for event in history.events:
        if event.token <= latest.get(event.item, 0):
            yield f"{event.item}: {event.ending} with token {event.token}, no larger than before"
        if event.item in finished:
            yield f"{event.item}: {event.ending} after it was done"
        latest[event.item] = event.token
        if event.ending is AttemptOutcome.DONE:
            finished.add(event.item)
    for name, token in history.claims:
        if name in finished and token > latest[name]:
            yield f"{name}: claimed ({token}) after it was done"


def _without_effect(history: History) -> Iterable[str]:
    effects = set(history.effects)
    for event in history.events:
        if event.ending is AttemptOutcome.DONE and (event.item, event.token) not in effects:
            yield f"{event.item}: done without its effect"


def _counted(history: History) -> Iterable[str]:
    """Parked after three attempts, neither earlier nor later; a returned item does not count."""
    tries: dict[str, list[AttemptEvent]] = defaultdict(list)
    for event in history.events:
        if event.ending is not AttemptOutcome.RETURNED:
            tries[event.item].append(event)
    for name, events in tries.items():
        if name not in history.requeued and len(events) > ATTEMPTS:
            yield f"{name}: tried {len(events)} times"
    for name in history.loaded:
        if name.startswith(DOOMED) and len(tries[name]) != ATTEMPTS:
            yield f"{name}: parked after {len(tries[name])} attempts"
