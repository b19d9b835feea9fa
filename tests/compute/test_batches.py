"""Tasks that are under way on real workers."""

from __future__ import annotations

import time

import pytest

from kpfnb.compute import batches, clusters
from kpfnb.compute.batches import ItemAttempt, PendingBatch, PendingBatches
from tests.compute import functions
from tests.waiting import wait_for

BUDGET_SECONDS = 0.2


def submit(tasks: PendingBatches, number: int) -> None:
    packed = batches.pickle_batch(functions.hold_the_lock, [number])
    tasks.submit([number], packed, BUDGET_SECONDS, 0, isolated=False)


@pytest.mark.timeout(120)
def test_a_hanging_task_does_not_delay_a_finished_result() -> None:
    """It is on the worker that hangs: once that is killed, it is made again elsewhere."""
    with clusters.open_cluster(workers=1) as cluster:
        tasks = PendingBatches(cluster.client)
        submit(tasks, 1)
        [first] = tasks.values()
        # Before the worker hangs: it could not report the end of the first any more
        wait_for(lambda: first.future.done())
        submit(tasks, 5)
        _, hanging = tasks.values()
        wait_for(lambda: any("-2" in name for name in seen_by(cluster)))
        began = time.monotonic()
        collected = tasks.collect(1.0)
        assert time.monotonic() - began < 60
        assert collected == []
        hanging.future.cancel()
        del tasks[next(name for name, task in tasks.items() if task is hanging)]
        cluster.query_nannies(batches.kill_worker)
        taken: list[tuple[PendingBatch, list[ItemAttempt] | None]] = []
        wait_for(lambda: taken.extend(tasks.collect(0.2)) or bool(taken))
        [(task, attempts)] = taken
        assert task is first
        assert attempts
        assert attempts[0].value == 1
        assert not tasks


def seen_by(cluster: clusters.WorkerCluster) -> set[str]:
    statuses = cluster.query_nannies(batches.worker_status).values()
    return {name for status in statuses if status for name in status.seconds}
