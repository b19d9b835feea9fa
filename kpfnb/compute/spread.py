"""Giving items to the workers of a crew, and watching over them."""

from __future__ import annotations

import math
import queue
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kpfnb.compute import worker
from kpfnb.compute.clusters import Crew
from kpfnb.compute.ledger import Ledger
from kpfnb.compute.limits import Limits
from kpfnb.compute.worker import Attempt
from kpfnb.live import Bar

BATCH_SECONDS = 0.2
"""Quick items go to a worker together, as many as are done in about this time."""
LARGEST_BATCH = 1000
WATCH_SECONDS = 0.5
WAIT_SECONDS = 0.2
SPEED_MEMORY = 0.5


@dataclass
class Task:
    """Items that one worker is given together."""

    indices: list[int]
    future: Any
    seconds: float = 0.0
    """How long it was in work when last looked at."""
    error: Exception | None = None
    """Why its result can't be read here."""


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
        self.tasks: dict[str, Task] = {}
        self._name = f"kpfnb-{uuid.uuid4().hex[:8]}"
        self._number = 0
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
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
                    if not self._lost_contact():
                        raise
                    self._contact_again()
        except KeyboardInterrupt:
            self._abandon()
            raise

    def _step(self) -> None:
        self._fill()
        self._collect()
        self._watch()
        self.bar.update(done=self.ledger.done, failed=self.ledger.failed, note=self._note())

    def _abandon(self) -> None:
        """Stop what is in work, hanging or not."""
        sights = self.crew.ask_nannies(worker.look)
        ours = {name: address for address, sight in sights.items() for name in sight.seconds}
        busy = {name: ours[name] for name in self.tasks if name in ours}
        # Of a batch of quick items nobody knows which one is in work
        batches = [self.tasks[name].indices for name in busy]
        self.ledger.stop(indices[0] for indices in batches if len(indices) == 1)
        self.crew.client.cancel([task.future for task in self.tasks.values()], force=True)
        if busy:
            self.crew.ask_nannies(worker.kill, list(set(busy.values())))

    def _lost_contact(self) -> bool:
        """True where the scheduler went away: then Dask forgets all tasks."""
        time.sleep(WAIT_SECONDS)
        forgotten = any(task.future.cancelled() for task in self.tasks.values())
        return forgotten or self.crew.client.status != "running"

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
            task.future.cancel()
            self.ledger.put_back(task.indices)
        self.tasks.clear()

    def _count_slots(self) -> int:
        """How many items may be in work at once; workers come and go."""
        there = self.crew.slots()
        return max(1, min(there, self.limits.workers or there, self._most))

    def _fill(self) -> None:
        """Give out work until every worker has some; a batch of quick items also waits its turn."""
        while self.gate.is_open():
            size = batch_size(self._seconds_per_item, self.ledger.left, self._slots)
            ahead = size > 1 and not self.limits.stops_items and not self.gate.limit
            if len(self.tasks) >= self._slots * (2 if ahead else 1):
                return
            indices = self.ledger.take(size, time.monotonic())
            if not indices:
                return
            self._submit(indices)

    def _submit(self, indices: list[int]) -> None:
        try:
            packed = worker.pack(self.function, [self.ledger.items[index] for index in indices])
        except Exception as error:  # anything may be raised by an item's own pickling
            self._pack_failed(indices, error)
            return
        self._number += 1
        name = f"{self._name}-{self._number}"
        future = self.crew.client.submit(
            worker.run_batch, name, packed, BATCH_SECONDS, self.limits.nice, key=name, pure=False
        )
        self.tasks[name] = Task(indices, future)
        future.add_done_callback(lambda done: self._ended.put(done.key))

    def _pack_failed(self, indices: Sequence[int], error: Exception) -> None:
        if len(indices) > 1:
            self.ledger.set_apart(indices)
            return
        text = f"it can't be sent to a worker: {worker.describe(error)}"
        self._record(indices[0], Attempt(error=text))

    def _collect(self) -> None:
        """Take in what has come back, waiting a moment for the first."""
        names = []
        try:
            names.append(self._ended.get(timeout=WAIT_SECONDS))
            while True:
                names.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        # A task that was stopped is not known any more
        names = [name for name in names if name in self.tasks]
        if any(self.tasks[name].future.cancelled() for name in names):
            raise ConnectionResetError("the scheduler forgot a task")
        results = self._fetch({name: self.tasks[name] for name in names}) if names else {}
        for name in names:
            task = self.tasks.pop(name)
            if name in results:
                self._returned(task, results[name])
            else:
                self._lost(task)

    def _fetch(self, tasks: dict[str, Task]) -> dict[str, list[Attempt]]:
        """The results of those tasks that have one."""
        futures = {name: task.future for name, task in tasks.items()}
        try:
            found = self.crew.client.gather(futures, errors="skip")
        except Exception as error:  # anything may be raised by a value's own unpickling
            if self.crew.client.status != "running":
                raise
            if len(tasks) > 1:
                parts = [self._fetch({name: task}) for name, task in tasks.items()]
                return {name: result for part in parts for name, result in part.items()}
            [task] = tasks.values()
            task.error = error
            return {}
        return {name: result for name, result in found.items() if result is not None}

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

        error = task.error or task.future.exception()
        if len(task.indices) > 1:
            self.ledger.set_apart(task.indices)
        elif isinstance(error, KilledWorker):
            ended = self.ledger.record_death(task.indices[0], error.allowed_failures + 1)
            if ended:
                self.bar.failure(ended.key, ended.error)
        else:
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
