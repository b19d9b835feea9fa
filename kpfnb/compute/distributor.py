"""Distribution of items to the workers of a cluster, and supervision of the workers."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from kpfnb.compute.batches import (
    ItemAttempt,
    PendingBatch,
    PendingBatches,
    WorkerStatus,
    format_exception,
    kill_worker,
    pickle_batch,
    worker_status,
)
from kpfnb.compute.clusters import WorkerCluster
from kpfnb.compute.item_tracker import ItemTracker
from kpfnb.compute.resources import ItemLimits
from kpfnb.core.progress import ProgressBar

BATCH_SECONDS = 0.2
"""Quick items are sent together, as many as take about this time."""
MAX_BATCH_SIZE = 1000
WATCH_SECONDS = 0.5
WAIT_SECONDS = 0.2
START_SECONDS = 5.0
"""A restarted worker has reported to its nanny within this time."""

SPEED_MEMORY = 0.5


def batch_size(seconds_per_item: float | None, remaining: int, slots: int) -> int:
    """How many items are sent together: few enough that all workers stay busy to the end."""
    if seconds_per_item is None:
        return 1
    quick = int(BATCH_SECONDS / max(seconds_per_item, 1e-6))
    return max(1, min(quick, math.ceil(remaining / (4 * slots)), MAX_BATCH_SIZE))


class Distributor:
    """Gives the items of a tracker to a cluster; few batches are pending at any time."""

    def __init__(
        self,
        cluster: WorkerCluster,
        function: Callable[[Any], Any],
        tracker: ItemTracker,
        limits: ItemLimits,
        bar: ProgressBar,
    ) -> None:
        self.cluster = cluster
        self.function = function
        self.tracker = tracker
        self.limits = limits
        self.bar = bar
        if limits.stops_items:
            cluster.require_nannies()
        self.load_limiter = cluster.load_limiter(limits.max_load)
        self.batches = PendingBatches(cluster.client)
        self._seconds_per_item: float | None = None
        self._max_concurrency = limits.max_concurrency() if cluster.is_local else sys.maxsize
        self._slots = self._count_slots()
        self._watched = time.monotonic()

    def distribute_items(self) -> None:
        """Work until every item has ended."""
        try:
            while self.tracker.remaining:
                try:
                    self._step()
                except OSError:  # every communication error of Dask is one
                    time.sleep(WAIT_SECONDS)
                    if not self.batches.lost_scheduler():
                        raise
                    self._reconnect()
        except KeyboardInterrupt:
            with suppress(OSError):  # a scheduler that has ended has no work to stop
                self._abandon()
            raise

    def _step(self) -> None:
        self._fill()
        self._collect()
        self._watch()
        self.bar.update(done=self.tracker.done, failed=self.tracker.failed, note=self._note())

    def _abandon(self) -> None:
        """Stop the running batches, even if they hang."""
        addresses = {
            name: address
            for address, status in self._worker_statuses().items()
            for name in status.seconds
        }
        busy = {name: addresses[name] for name in self.batches if name in addresses}
        # Which item of a batch of quick ones is running is not known
        batches = [self.batches[name].indices for name in busy]
        self.tracker.stop(indices[0] for indices in batches if len(indices) == 1)
        self.batches.cancel_all()
        if busy:
            self.cluster.query_nannies(kill_worker, list(set(busy.values())))

    def _worker_statuses(self) -> dict[str, WorkerStatus]:
        """What all workers are doing; workers that are starting get a few seconds."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            statuses = self.cluster.query_nannies(worker_status)
            if all(statuses.values()) or time.monotonic() > deadline:
                return {address: status for address, status in statuses.items() if status}
            time.sleep(START_SECONDS / 100)

    def _reconnect(self) -> None:
        """Wait for the scheduler while Dask tries to reconnect; then give up."""
        client = self.cluster.client
        self.bar.update(note="the scheduler does not answer")
        while client.status == "connecting":
            time.sleep(WAIT_SECONDS)
        if client.status != "running":
            self.tracker.abandon("the connection to the Dask scheduler was lost")
            return
        for batch in self.batches.values():
            self.tracker.requeue(batch.indices)
        self.batches.clear()

    def _count_slots(self) -> int:
        """How many items may run in parallel; the number of workers changes."""
        available = self.cluster.count_slots()
        return max(1, min(available, self.limits.workers or available, self._max_concurrency))

    def _fill(self) -> None:
        """Submit batches until every worker has one; of quick items, a second batch waits."""
        while self.load_limiter.is_open() and not any(
            batch.isolated for batch in self.batches.values()
        ):
            size = batch_size(self._seconds_per_item, self.tracker.remaining, self._slots)
            submit_ahead = size > 1 and not (
                self.limits.stops_items or self.load_limiter.limit or self.tracker.has_quarantined
            )
            if len(self.batches) >= self._slots * (2 if submit_ahead else 1):
                return
            indices = self.tracker.take(size, time.monotonic())
            isolated = None if indices or self.batches else self.tracker.take_isolated()
            if not indices and isolated is None:
                return
            self._submit(indices if isolated is None else [isolated], isolated=isolated is not None)

    def _submit(self, indices: list[int], *, isolated: bool) -> None:
        try:
            pickled = pickle_batch(self.function, [self.tracker.items[index] for index in indices])
        except Exception as error:  # anything may be raised by an item's own pickling
            self._record_pickling_error(indices, error)
            return
        self.batches.submit(indices, pickled, BATCH_SECONDS, self.limits.nice, isolated=isolated)

    def _record_pickling_error(self, indices: Sequence[int], error: Exception) -> None:
        if len(indices) > 1:
            self.tracker.quarantine(indices)
            return
        text = f"it can't be sent to a worker: {format_exception(error)}"
        self._record(indices[0], ItemAttempt(error=text))

    def _collect(self) -> None:
        """Record the batches that have ended; waits a moment for the first."""
        for batch, attempts in self.batches.collect(WAIT_SECONDS):
            if attempts:
                self._record_results(batch, attempts)
            else:
                self._record_loss(batch)

    def _record_results(self, batch: PendingBatch, attempts: list[ItemAttempt]) -> None:
        for index, attempt in zip(batch.indices, attempts, strict=False):
            self._record(index, attempt)
        self.tracker.requeue(batch.indices[len(attempts) :])
        mean = sum(attempt.seconds for attempt in attempts) / len(attempts)
        previous = mean if self._seconds_per_item is None else self._seconds_per_item
        self._seconds_per_item = SPEED_MEMORY * previous + (1 - SPEED_MEMORY) * mean

    def _record_loss(self, batch: PendingBatch) -> None:
        """Handle a batch without a result: its worker died, or its values can't be unpickled."""
        from distributed import KilledWorker

        # One worker less: a further batch would wait behind a busy one, and end with it
        self._slots = self._count_slots()
        if len(batch.indices) > 1:
            self.tracker.quarantine(batch.indices)
        elif isinstance(batch.error, KilledWorker):
            deaths = batch.error.allowed_failures + 1
            outcome = self.tracker.record_death(
                batch.indices[0], deaths=deaths, isolated=batch.isolated
            )
            if outcome:
                self.bar.report_failure(outcome.key, outcome.error)
        else:
            error = batch.error or RuntimeError("its result was lost")
            self._record(batch.indices[0], ItemAttempt(error=format_exception(error)))

    def _record(self, index: int, attempt: ItemAttempt) -> None:
        outcome = self.tracker.record(index, attempt, time.monotonic())
        if outcome and outcome.error:
            self.bar.report_failure(outcome.key, outcome.error)

    def _watch(self) -> None:
        """Check the running batches; stop items that take too long or too much memory."""
        now = time.monotonic()
        if now - self._watched < WATCH_SECONDS:
            return
        self._watched = now
        self._slots = self._count_slots()
        if not self.limits.stops_items:
            return
        memory = bool(self.limits.memory_bytes)
        for address, status in self.cluster.query_nannies(worker_status, memory=memory).items():
            if status is None:
                continue
            for name in self.batches.keys() & status.seconds.keys():
                batch = self.batches[name]
                batch.seconds = status.seconds[name]
                earlier_items = BATCH_SECONDS if len(batch.indices) > 1 else 0.0
                why = self.limits.reason_to_stop(batch.seconds - earlier_items, status.memory_bytes)
                if why and not batch.future.done():
                    self._stop_batch(name, address, why)

    def _stop_batch(self, name: str, address: str, why: str) -> None:
        batch = self.batches.pop(name)
        # Cancelled before the worker is killed, or the scheduler would start it again elsewhere
        batch.future.cancel()
        self.cluster.query_nannies(kill_worker, [address])
        if len(batch.indices) > 1:
            self.tracker.quarantine(batch.indices)
            return
        self._record(batch.indices[0], ItemAttempt(error=why, seconds=batch.seconds))

    def _note(self) -> str:
        if not self.load_limiter.is_open():
            return self.load_limiter.reason
        first = next(iter(self.batches.values()), None)
        return self.tracker.keys[first.indices[0]] if first else ""
