"""The batches of items that are under way on Dask workers."""

from __future__ import annotations

import queue
import uuid
from dataclasses import dataclass
from typing import Any

from kpfnb.compute import worker
from kpfnb.compute.worker import Attempt


@dataclass
class Task:
    """Items that one worker is given together."""

    indices: list[int]
    future: Any
    solo: bool = False
    """Nothing else is in work beside it."""
    seconds: float = 0.0
    """How long it was in work when last looked at."""
    error: BaseException | None = None
    """Why there is no result."""


class Tasks(dict[str, Task]):
    """Tasks by their name, from being submitted until they are taken in or forgotten."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._prefix = f"kpfnb-{uuid.uuid4().hex[:8]}"
        self._number = 0
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def submit(
        self, indices: list[int], packed: bytes, budget_seconds: float, nice: int, *, solo: bool
    ) -> None:
        """Give items to whichever worker Dask chooses; see `worker.run_batch`."""
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        future = self._client.submit(
            worker.run_batch, name, packed, budget_seconds, nice, key=name, pure=False
        )
        self[name] = Task(indices, future, solo)
        future.add_done_callback(lambda done: self._ended.put(done.key))

    def take_in(self, wait_seconds: float) -> list[tuple[Task, list[Attempt] | None]]:
        """The tasks that have ended, with their results if they have any.

        Waits so long for the first. A ConnectionError if the scheduler has forgotten its tasks.
        """
        # A task that was stopped is not known any more
        names = [name for name in self._names(wait_seconds) if name in self]
        if any(self[name].future.cancelled() for name in names):
            raise ConnectionResetError("the scheduler has forgotten its tasks")
        results = self._fetch(names)
        for name in names:
            if name not in results:
                self[name].error = self[name].error or self[name].future.exception()
        return [(self.pop(name), results.get(name)) for name in names]

    def cancel(self) -> None:
        """Let Dask forget them all; what a worker is doing goes on."""
        self._client.cancel([task.future for task in self.values()], force=True)

    def lost_contact(self) -> bool:
        """True where the scheduler went away: then Dask forgets all tasks."""
        forgotten = any(task.future.cancelled() for task in self.values())
        return forgotten or self._client.status != "running"

    def _names(self, wait_seconds: float) -> list[str]:
        names = []
        try:
            names.append(self._ended.get(timeout=wait_seconds))
            while True:
                names.append(self._ended.get_nowait())
        except queue.Empty:
            return names

    def _fetch(self, names: list[str]) -> dict[str, list[Attempt]]:
        """The results of those that have one."""
        if not names:
            return {}
        try:
            found = self._client.gather({name: self[name].future for name in names}, errors="skip")
        except Exception as error:  # anything may be raised by a value's own unpickling
            if self._client.status != "running":
                raise
            if len(names) > 1:
                parts = [self._fetch([name]) for name in names]
                return {name: result for part in parts for name, result in part.items()}
            self[names[0]].error = error
            return {}
        return {name: result for name, result in found.items() if result is not None}
