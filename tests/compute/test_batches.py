"""Tasks that are under way on real workers."""

from __future__ import annotations

import time

import pytest

from kpfnb.compute import clusters, worker
from kpfnb.compute.tasks import Task, Tasks
from kpfnb.compute.worker import Attempt
from tests.compute import functions
from tests.compute.test_compute import wait_for

BUDGET_SECONDS = 0.2


def submit(tasks: Tasks, number: int) -> None:
    packed = worker.pack(functions.hold_the_lock, [number])
    tasks.submit([number], packed, BUDGET_SECONDS, 0, solo=False)


@pytest.mark.timeout(120)
def test_a_result_behind_a_hanging_task_keeps_nobody_waiting() -> None:
    """It is on the worker that hangs: once that is killed, it is made again elsewhere."""
    with clusters.crew(workers=1) as crew:
        tasks = Tasks(crew.client)
        submit(tasks, 1)
        submit(tasks, 5)
        first, hanging = tasks.values()
        wait_for(lambda: first.future.done())
        wait_for(lambda: any("-2" in name for name in seen_by(crew)))
        began = time.monotonic()
        found = tasks.take_in(1.0)
        assert time.monotonic() - began < 60
        assert found == []
        hanging.future.cancel()
        del tasks[next(name for name, task in tasks.items() if task is hanging)]
        crew.ask_nannies(worker.kill)
        taken: list[tuple[Task, list[Attempt] | None]] = []
        wait_for(lambda: taken.extend(tasks.take_in(0.2)) or bool(taken))
        [(task, attempts)] = taken
        assert task is first
        assert attempts
        assert attempts[0].value == 1
        assert not tasks


def seen_by(crew: clusters.Crew) -> set[str]:
    sights = crew.ask_nannies(worker.look).values()
    return {name for sight in sights if sight for name in sight.seconds}
