"""Proof that the queue loses nothing and commits nothing twice, and a test of that proof."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus
from tests.queue.history import History, violations

KILLS = int(os.environ.get("KPFNB_QUEUE_KILLS", "300"))

THEN = datetime(2024, 1, 1, tzinfo=UTC)


def event(item: str, ending: AttemptOutcome, token: int) -> AttemptEvent:
    return AttemptEvent(item, ending, "w", 1, token, THEN, THEN, "")


def sound() -> History:
    events = [
        event("a", AttemptOutcome.LOST, 1),
        event("poison", AttemptOutcome.FAILED, 2),
        event("a", AttemptOutcome.RETURNED, 3),
        event("poison", AttemptOutcome.LOST, 4),
        event("a", AttemptOutcome.DONE, 5),
        event("poison", AttemptOutcome.FAILED, 6),
    ]
    return History(
        loaded=["a", "poison"],
        final=[
            QueueItem("a", QueueItemStatus.DONE),
            QueueItem("poison", QueueItemStatus.PARKED, error="killed"),
        ],
        events=events,
        claims=[(event.item, event.token) for event in events],
        accepted=[("a", 5)],
        effects=[("a", 1), ("a", 5)],
    )


FAULTS: dict[str, Callable[[History], object]] = {
    "does not know it": lambda h: h.final.pop(0),
    "ended as waiting": lambda h: h.final.__setitem__(0, QueueItem("a", QueueItemStatus.WAITING)),
    "ended as done": lambda h: h.final.__setitem__(1, QueueItem("poison", QueueItemStatus.DONE)),
    "parked without its error": lambda h: h.final.__setitem__(
        1, QueueItem("poison", QueueItemStatus.PARKED)
    ),
    "committed 2 times, says the queue": lambda h: h.events.append(
        event("a", AttemptOutcome.DONE, 7)
    ),
    "committed 2 times, says its workers": lambda h: h.accepted.append(("a", 1)),
    "it is 5": lambda h: h.accepted.__setitem__(0, ("a", 3)),
    "was given 2 times": lambda h: h.claims.append(("a", 1)),
    "no larger than before": lambda h: h.events.insert(5, event("poison", AttemptOutcome.LOST, 4)),
    "after it was done": lambda h: h.events.append(event("a", AttemptOutcome.LOST, 7)),
    "claimed (7) after it was done": lambda h: h.claims.append(("a", 7)),
    "done without its effect": lambda h: h.effects.pop(),
    "tried 4 times": lambda h: h.events.append(event("poison", AttemptOutcome.LOST, 7)),
    "parked after 2 attempts": lambda h: h.events.pop(1),
}


def test_a_sound_history_passes() -> None:
    assert violations(sound()) == []


@pytest.mark.parametrize("message", FAULTS)
def test_each_fault_is_found(message: str) -> None:
    history = deepcopy(replace(sound()))
    FAULTS[message](history)
    assert any(message in violation for violation in violations(history)), violations(history)


@pytest.mark.slow
def test_nothing_is_lost_or_committed_twice_when_processes_are_killed(tmp_path: Path) -> None:
    completed = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "tests.queue.chaos"),
            *(f"--kills={KILLS}", str(tmp_path)),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    print(completed.stdout)
    assert completed.returncode == 0, completed.stdout + completed.stderr
