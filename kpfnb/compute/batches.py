"""The batches of items that are under way on Dask workers."""

from __future__ import annotations

import asyncio
import queue
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from kpfnb.compute import worker
from kpfnb.compute.worker import Attempt

Fetch = Future[list[Any]]


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
    """Tasks by their name, from being submitted until they are taken in or forgotten.

    A result stays on its worker until it is fetched. Where that worker has begun something that
    hangs, the fetch hangs too: so nobody waits for one fetch, and each result has its own.
    """

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._prefix = f"kpfnb-{uuid.uuid4().hex[:8]}"
        self._number = 0
        self._events: queue.SimpleQueue[tuple[str, Fetch | None]] = queue.SimpleQueue()
        """The names of tasks that have ended; with the fetch, once that has ended."""

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
        future.add_done_callback(lambda done: self._events.put((done.key, None)))

    def take_in(self, wait_seconds: float) -> list[tuple[Task, list[Attempt] | None]]:
        """The tasks that have ended, with their results if they have any.

        Waits so long for the first. A ConnectionError if the scheduler has forgotten its tasks.
        """
        found: list[tuple[Task, list[Attempt] | None]] = []
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                # Once there is something, only what has come already is added
                left = 0.0 if found else max(deadline - time.monotonic(), 0.0)
                name, fetch = self._events.get(timeout=left) if left else self._events.get_nowait()
            except queue.Empty:
                return found
            # A task that was stopped is not known any more
            if name not in self:
                continue
            if self[name].future.cancelled():
                raise ConnectionResetError("the scheduler has forgotten its tasks")
            if fetch is None:
                self._fetch(name)
            else:
                result = self._result(self[name], fetch)
                found.append((self.pop(name), result))

    def cancel(self) -> None:
        """Let Dask forget them all; what a worker is doing goes on."""
        self._client.cancel([task.future for task in self.values()], force=True)

    def lost_contact(self) -> bool:
        """True where the scheduler went away: then Dask forgets all tasks."""
        forgotten = any(task.future.cancelled() for task in self.values())
        return forgotten or self._client.status != "running"

    def _fetch(self, name: str) -> None:
        """Begin to fetch a result; an event tells when it is here."""
        result = self._client.gather([self[name].future], errors="skip", asynchronous=True)
        fetch = asyncio.run_coroutine_threadsafe(result, self._client.loop.asyncio_loop)
        fetch.add_done_callback(lambda done: self._events.put((name, done)))

    def _result(self, task: Task, fetch: Fetch) -> list[Attempt] | None:
        """What was fetched; None where there is nothing, and `task.error` says why."""
        try:
            [result] = fetch.result() or [None]
        except Exception as error:  # anything may be raised by a value's own unpickling
            if self._client.status != "running":
                raise ConnectionResetError("the scheduler went away") from error
            task.error = error
            return None
        if result is None:
            task.error = task.future.exception()
        return result
