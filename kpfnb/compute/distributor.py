"""Giving items to the workers of a crew, and watching over them."""

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
"""Quick items go to a worker together, as many as are done in about this time."""
MAX_BATCH_SIZE = 1000
WATCH_SECONDS = 0.5
WAIT_SECONDS = 0.2
START_SECONDS = 5.0
"""A worker that is started anew has told its nanny where it is within this time."""

SPEED_MEMORY = 0.5


def batch_size(seconds_per_item: float | None, left: int, slots: int) -> int:
    """How many items go together: few enough that every worker has work to the end."""
    if seconds_per_item is None:
        return 1
    quick = int(BATCH_SECONDS / max(seconds_per_item, 1e-6))
    return max(1, min(quick, math.ceil(left / (4 * slots)), MAX_BATCH_SIZE))


class Distributor:
    """Works through a ledger with a crew; few tasks are under way at any time."""

    def __init__(
        self,
        crew: WorkerCluster,
        function: Callable[[Any], Any],
        ledger: ItemTracker,
        limits: ItemLimits,
        bar: ProgressBar,
    ) -> None:
        self.cluster = crew
        self.function = function
        self.tracker = ledger
        self.limits = limits
        self.bar = bar
        if limits.stops_items:
            crew.require_nannies()
        self.load_limiter = crew.load_limiter(limits.max_load)
        self.batches = PendingBatches(crew.client)
        self._seconds_per_item: float | None = None
        self._max_concurrency = limits.max_concurrency() if crew.is_local else sys.maxsize
        self._slots = self._count_slots()
        self._watched = time.monotonic()

    def distribute_items(self) -> None:
        """Go on until every item has ended."""
        try:
            while self.tracker.remaining:
                try:
                    self._step()
                except OSError:  # all of Dask's errors of communication are
                    time.sleep(WAIT_SECONDS)
                    if not self.batches.lost_scheduler():
                        raise
                    self._reconnect()
        except KeyboardInterrupt:
            with suppress(OSError):  # a scheduler that is gone has no work to stop
                self._abandon()
            raise

    def _step(self) -> None:
        self._fill()
        self._collect()
        self._watch()
        self.bar.update(done=self.tracker.done, failed=self.tracker.failed, note=self._note())

    def _abandon(self) -> None:
        """Stop what is in work, hanging or not."""
        ours = {
            name: address
            for address, sight in self._worker_statuses().items()
            for name in sight.seconds
        }
        busy = {name: ours[name] for name in self.batches if name in ours}
        # Of a batch of quick items nobody knows which one is in work
        batches = [self.batches[name].indices for name in busy]
        self.tracker.stop(indices[0] for indices in batches if len(indices) == 1)
        self.batches.cancel_all()
        if busy:
            self.cluster.query_nannies(kill_worker, list(set(busy.values())))

    def _worker_statuses(self) -> dict[str, WorkerStatus]:
        """What all workers do, those too that are being started, if that takes no longer."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            sights = self.cluster.query_nannies(worker_status)
            if all(sights.values()) or time.monotonic() > deadline:
                return {address: sight for address, sight in sights.items() if sight}
            time.sleep(START_SECONDS / 100)

    def _reconnect(self) -> None:
        """Wait for the scheduler to answer again, as long as Dask tries; then give up."""
        client = self.cluster.client
        self.bar.update(note="the scheduler does not answer")
        while client.status == "connecting":
            time.sleep(WAIT_SECONDS)
        if client.status != "running":
            self.tracker.abandon("the Dask scheduler went away")
            return
        for task in self.batches.values():
            self.tracker.requeue(task.indices)
        self.batches.clear()

    def _count_slots(self) -> int:
        """How many items may be in work at once; workers come and go."""
        there = self.cluster.count_slots()
        return max(1, min(there, self.limits.workers or there, self._max_concurrency))

    def _fill(self) -> None:
        """Give out work until every worker has some; a batch of quick items also waits its turn."""
        while self.load_limiter.is_open() and not any(
            task.isolated for task in self.batches.values()
        ):
            size = batch_size(self._seconds_per_item, self.tracker.remaining, self._slots)
            ahead = size > 1 and not (
                self.limits.stops_items or self.load_limiter.limit or self.tracker.has_quarantined
            )
            if len(self.batches) >= self._slots * (2 if ahead else 1):
                return
            indices = self.tracker.take(size, time.monotonic())
            solo = None if indices or self.batches else self.tracker.take_isolated()
            if not indices and solo is None:
                return
            self._submit(indices if solo is None else [solo], solo=solo is not None)

    def _submit(self, indices: list[int], *, solo: bool) -> None:
        try:
            packed = pickle_batch(self.function, [self.tracker.items[index] for index in indices])
        except Exception as error:  # anything may be raised by an item's own pickling
            self._record_pickling_error(indices, error)
            return
        self.batches.submit(indices, packed, BATCH_SECONDS, self.limits.nice, isolated=solo)

    def _record_pickling_error(self, indices: Sequence[int], error: Exception) -> None:
        if len(indices) > 1:
            self.tracker.quarantine(indices)
            return
        text = f"it can't be sent to a worker: {format_exception(error)}"
        self._record(indices[0], ItemAttempt(error=text))

    def _collect(self) -> None:
        """Take in what has come back, waiting a moment for the first."""
        for task, attempts in self.batches.collect(WAIT_SECONDS):
            if attempts:
                self._record_results(task, attempts)
            else:
                self._record_loss(task)

    def _record_results(self, task: PendingBatch, attempts: list[ItemAttempt]) -> None:
        for index, attempt in zip(task.indices, attempts, strict=False):
            self._record(index, attempt)
        self.tracker.requeue(task.indices[len(attempts) :])
        mean = sum(attempt.seconds for attempt in attempts) / len(attempts)
        before = mean if self._seconds_per_item is None else self._seconds_per_item
        self._seconds_per_item = SPEED_MEMORY * before + (1 - SPEED_MEMORY) * mean

    def _record_loss(self, task: PendingBatch) -> None:
        """A task without a result: its worker died, or its values can't be read."""
        from distributed import KilledWorker

        # A worker less: what is given out now would wait on one that is busy, and share its fate
        self._slots = self._count_slots()
        if len(task.indices) > 1:
            self.tracker.quarantine(task.indices)
        elif isinstance(task.error, KilledWorker):
            deaths = task.error.allowed_failures + 1
            ended = self.tracker.record_death(
                task.indices[0], deaths=deaths, isolated=task.isolated
            )
            if ended:
                self.bar.report_failure(ended.key, ended.error)
        else:
            error = task.error or RuntimeError("its result was lost")
            self._record(task.indices[0], ItemAttempt(error=format_exception(error)))

    def _record(self, index: int, attempt: ItemAttempt) -> None:
        ended = self.tracker.record(index, attempt, time.monotonic())
        if ended and ended.error:
            self.bar.report_failure(ended.key, ended.error)

    def _watch(self) -> None:
        """See what is in work; stop items that take too long or too much memory."""
        now = time.monotonic()
        if now - self._watched < WATCH_SECONDS:
            return
        self._watched = now
        self._slots = self._count_slots()
        if not self.limits.stops_items:
            return
        memory = bool(self.limits.memory_bytes)
        for address, sight in self.cluster.query_nannies(worker_status, memory=memory).items():
            if sight is None:
                continue
            for name in self.batches.keys() & sight.seconds.keys():
                task = self.batches[name]
                task.seconds = sight.seconds[name]
                before = BATCH_SECONDS if len(task.indices) > 1 else 0.0
                why = self.limits.reason_to_stop(task.seconds - before, sight.memory_bytes)
                if why and not task.future.done():
                    self._stop_batch(name, address, why)

    def _stop_batch(self, name: str, address: str, why: str) -> None:
        task = self.batches.pop(name)
        # First forgotten, then killed: or the scheduler would start it again elsewhere
        task.future.cancel()
        self.cluster.query_nannies(kill_worker, [address])
        if len(task.indices) > 1:
            self.tracker.quarantine(task.indices)
            return
        self._record(task.indices[0], ItemAttempt(error=why, seconds=task.seconds))

    def _note(self) -> str:
        if not self.load_limiter.is_open():
            return self.load_limiter.reason
        first = next(iter(self.batches.values()), None)
        return self.tracker.keys[first.indices[0]] if first else ""
