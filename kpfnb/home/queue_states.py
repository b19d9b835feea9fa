"""The queues: how many items are in each state, and the items that failed or are set aside."""

from __future__ import annotations

from dataclasses import dataclass

from kpfnb.compute.services import valkey
from kpfnb.core import settings
from kpfnb.queue.client import Queue, list_queues
from kpfnb.queue.records import QueueItemStatus
from kpfnb.queue.status import PROBLEM_STATES, QueueProblem, describe_problem

MAX_PROBLEMS = 20
"""The latest items of a queue that are shown; the notebook of queues shows all."""


@dataclass(frozen=True)
class QueueState:
    """How many items of a queue are in each state, and its latest problems, parked ones first."""

    name: str
    counts: dict[QueueItemStatus, int]
    is_draining: bool
    problems: tuple[QueueProblem, ...] = ()

    @property
    def problem_count(self) -> int:
        """The number of items that failed or are parked."""
        return sum(self.counts[state] for state in PROBLEM_STATES)


def is_server_running() -> bool:
    """Whether there is a queue server: the one of the settings, or an embedded one that runs."""
    return settings.load_settings().redis_url is not None or valkey.server_status().running


def load_queues() -> tuple[QueueState, ...]:
    """The state of each queue of the server, which is not started for it.

    `KpfnbError` if the server does not answer.
    """
    if not is_server_running():
        return ()
    states = []
    for name in list_queues():
        with Queue(name) as queue:
            states.append(_load_queue(queue))
    return tuple(states)


def _load_queue(queue: Queue) -> QueueState:
    problems = [
        describe_problem(queue.name, item)
        for state in PROBLEM_STATES
        for item in reversed(queue.items(state, limit=MAX_PROBLEMS))
    ]
    return QueueState(queue.name, queue.counts(), queue.is_draining, tuple(problems[:MAX_PROBLEMS]))
