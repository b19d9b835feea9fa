"""Giving items to the workers of a crew, and watching over them."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from kpfnb.compute import worker
from kpfnb.compute.clusters import Crew
from kpfnb.compute.ledger import Ledger
from kpfnb.compute.limits import Limits
from kpfnb.compute.tasks import Task, Tasks
from kpfnb.compute.worker import Attempt
from kpfnb.live import Bar

BATCH_SECONDS = 0.2
"""Quick items go to a worker together, as many as are done in about this time."""
LARGEST_BATCH = 1000
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
    return max(1, min(quick, math.ceil(left / (4 * slots)), LARGEST_BATCH))


class Spreader:
    """Works through a ledger with a crew; few tasks are under way at any time."""

    def __init__(
        self,
        crew: Crew,
        function: Callable[[Any], Any],
        ledger: Ledger,
        limits: Limits,
        bar: Bar,
    ) -> None:
        self.crew = crew
        self.function = function
        self.ledger = ledger
        self.limits = limits
        self.bar = bar
        limits.check_nannies(crew)
        self.gate = limits.gate(crew)
        self.tasks = Tasks(crew.client)
        self._seconds_per_item: float | None = None
        self._most = limits.most_at_once() if crew.is_local else sys.maxsize
        self._slots = self._count_slots()
        self._watched = time.monotonic()

    def work(self) -> None:
        """Go on until every item has ended."""
        try:
            while self.ledger.left:
                try:
                    self._step()
                except OSError:  # all of Dask's errors of communication are
                    time.sleep(WAIT_SECONDS)
                    if not self.tasks.lost_contact():
                        raise
                    self._contact_again()
        except KeyboardInterrupt:
            with suppress(OSError):  # a scheduler that is gone has no work to stop
                self._abandon()
            raise

    def _step(self) -> None:
        self._fill()
        self._collect()
        self._watch()
        self.bar.update(done=self.ledger.done, failed=self.ledger.failed, note=self._note())

    def _abandon(self) -> None:
        """Stop what is in work, hanging or not."""
        ours = {
            name: address for address, sight in self._sights().items() for name in sight.seconds
        }
        busy = {name: ours[name] for name in self.tasks if name in ours}
        # Of a batch of quick items nobody knows which one is in work
        batches = [self.tasks[name].indices for name in busy]
        self.ledger.stop(indices[0] for indices in batches if len(indices) == 1)
        self.tasks.cancel()
        if busy:
            self.crew.ask_nannies(worker.kill, list(set(busy.values())))

    def _sights(self) -> dict[str, worker.Sight]:
        """What all workers do, those too that are being started, if that takes no longer."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            sights = self.crew.ask_nannies(worker.look)
            if all(sights.values()) or time.monotonic() > deadline:
                return {address: sight for address, sight in sights.items() if sight}
            time.sleep(START_SECONDS / 100)

    def _contact_again(self) -> None:
        """Wait for the scheduler to answer again, as long as Dask tries; then give up."""
        client = self.crew.client
        self.bar.update(note="the scheduler does not answer")
        while client.status == "connecting":
            time.sleep(WAIT_SECONDS)
        if client.status != "running":
            self.ledger.give_up("the Dask scheduler went away")
            return
        for task in self.tasks.values():
            self.ledger.put_back(task.indices)
        self.tasks.clear()

    def _count_slots(self) -> int:
        """How many items may be in work at once; workers come and go."""
        there = self.crew.slots()
        return max(1, min(there, self.limits.workers or there, self._most))

    def _fill(self) -> None:
        """Give out work until every worker has some; a batch of quick items also waits its turn."""
        while self.gate.is_open() and not any(task.solo for task in self.tasks.values()):
            size = batch_size(self._seconds_per_item, self.ledger.left, self._slots)
            ahead = size > 1 and not (
                self.limits.stops_items or self.gate.limit or self.ledger.has_suspects
            )
            if len(self.tasks) >= self._slots * (2 if ahead else 1):
                return
            indices = self.ledger.take(size, time.monotonic())
            solo = None if indices or self.tasks else self.ledger.take_solo()
            if not indices and solo is None:
                return
            self._submit(indices if solo is None else [solo], solo=solo is not None)

    def _submit(self, indices: list[int], *, solo: bool) -> None:
        try:
            packed = worker.pack(self.function, [self.ledger.items[index] for index in indices])
        except Exception as error:  # anything may be raised by an item's own pickling
            self._pack_failed(indices, error)
            return
        self.tasks.submit(indices, packed, BATCH_SECONDS, self.limits.nice, solo=solo)

    def _pack_failed(self, indices: Sequence[int], error: Exception) -> None:
        if len(indices) > 1:
            self.ledger.set_apart(indices)
            return
        text = f"it can't be sent to a worker: {worker.describe(error)}"
        self._record(indices[0], Attempt(error=text))

    def _collect(self) -> None:
        """Take in what has come back, waiting a moment for the first."""
        for task, attempts in self.tasks.take_in(WAIT_SECONDS):
            if attempts:
                self._returned(task, attempts)
            else:
                self._lost(task)

    def _returned(self, task: Task, attempts: list[Attempt]) -> None:
        for index, attempt in zip(task.indices, attempts, strict=False):
            self._record(index, attempt)
        self.ledger.put_back(task.indices[len(attempts) :])
        mean = sum(attempt.seconds for attempt in attempts) / len(attempts)
        before = mean if self._seconds_per_item is None else self._seconds_per_item
        self._seconds_per_item = SPEED_MEMORY * before + (1 - SPEED_MEMORY) * mean

    def _lost(self, task: Task) -> None:
        """A task without a result: its worker died, or its values can't be read."""
        from distributed import KilledWorker

        # A worker less: what is given out now would wait on one that is busy, and share its fate
        self._slots = self._count_slots()
        if len(task.indices) > 1:
            self.ledger.set_apart(task.indices)
        elif isinstance(task.error, KilledWorker):
            deaths = task.error.allowed_failures + 1
            ended = self.ledger.record_death(task.indices[0], deaths=deaths, solo=task.solo)
            if ended:
                self.bar.failure(ended.key, ended.error)
        else:
            error = task.error or RuntimeError("its result was lost")
            self._record(task.indices[0], Attempt(error=worker.describe(error)))

    def _record(self, index: int, attempt: Attempt) -> None:
        ended = self.ledger.record(index, attempt, time.monotonic())
        if ended and ended.error:
            self.bar.failure(ended.key, ended.error)

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
        for address, sight in self.crew.ask_nannies(worker.look, memory=memory).items():
            if sight is None:
                continue
            for name in self.tasks.keys() & sight.seconds.keys():
                task = self.tasks[name]
                task.seconds = sight.seconds[name]
                before = BATCH_SECONDS if len(task.indices) > 1 else 0.0
                why = self.limits.reason_to_stop(task.seconds - before, sight.memory_bytes)
                if why and not task.future.done():
                    self._stop(name, address, why)

    def _stop(self, name: str, address: str, why: str) -> None:
        task = self.tasks.pop(name)
        # First forgotten, then killed: or the scheduler would start it again elsewhere
        task.future.cancel()
        self.crew.ask_nannies(worker.kill, [address])
        if len(task.indices) > 1:
            self.ledger.set_apart(task.indices)
            return
        self._record(task.indices[0], Attempt(error=why, seconds=task.seconds))

    def _note(self) -> str:
        if not self.gate.is_open():
            return self.gate.reason
        first = next(iter(self.tasks.values()), None)
        return self.ledger.keys[first.indices[0]] if first else ""
