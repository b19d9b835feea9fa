"""The batches of items that are under way on Dask workers."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.compute import processes

# What runs on a worker: one attempt at an item, a batch of them, and what a nanny is asked.

IN_WORK_SUFFIX = ".in-work"


@dataclass(frozen=True, slots=True)
class ItemAttempt:
    """One call of the function with one item."""

    value: Any = None
    error: str = ""
    """'' where the call returned."""
    traceback: str = ""
    seconds: float = 0.0


def call_item(function: Callable[[Any], Any], item: Any) -> ItemAttempt:
    """Call the function; whatever it raises becomes part of the outcome, except Ctrl-C."""
    started = time.perf_counter()
    try:
        value = function(item)
    except (Exception, SystemExit) as error:  # the item's border: recorded, never lost
        text = "".join(traceback.format_exception(error))
        return ItemAttempt(None, format_exception(error), text, time.perf_counter() - started)
    return ItemAttempt(value, seconds=time.perf_counter() - started)


def format_exception(error: BaseException) -> str:
    """An exception's type and message, for people."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def pickle_batch(function: Callable[[Any], Any], items: Sequence[Any]) -> bytes:
    """A batch as Dask's own pickler writes it; raises what that raises on what it can't."""
    from distributed.protocol import pickle

    return pickle.dumps((function, list(items)))


def run_batch(name: str, packed: bytes, budget_seconds: float, nice: int) -> list[ItemAttempt]:
    """Attempt the items of a batch one after another until `budget_seconds` are over.

    At least one is attempted. The list may be shorter than the batch: the rest was not begun.
    """
    from distributed import get_worker
    from distributed.protocol import pickle

    function, items = pickle.loads(packed)
    results: list[ItemAttempt] = []
    started = time.perf_counter()
    with _mark_in_work(Path(get_worker().local_directory, name + IN_WORK_SUFFIX)):
        for item in items:
            results.append(_ensure_picklable(_call_nicely(function, item, nice)))
            if time.perf_counter() - started > budget_seconds:
                break
    return results


@contextmanager
def _mark_in_work(path: Path) -> Iterator[None]:
    """A file that is there while its batch is in work, and holds when that began (monotonic s)."""
    path.write_text(str(time.monotonic()), encoding="ascii")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _call_nicely(function: Callable[[Any], Any], item: Any, nice: int) -> ItemAttempt:
    if not nice:
        return call_item(function, item)
    results: list[ItemAttempt] = []

    def call() -> None:
        # Niceness can't be taken back without privilege. On Linux it belongs to the thread, and
        # the thread's children inherit it: with this thread it is gone.
        os.nice(nice)
        results.append(call_item(function, item))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return results[0]


def _ensure_picklable(result: ItemAttempt) -> ItemAttempt:
    from distributed.protocol import pickle

    try:
        # With buffers out of band, arrays are not copied for the check
        pickle.dumps(result.value, buffer_callback=lambda buffer: None)
    except Exception as error:  # anything may be raised by a value's own pickling
        text = f"its value can't be sent back: {format_exception(error)}"
        return ItemAttempt(None, text, "".join(traceback.format_exception(error)), result.seconds)
    return result


def is_worker_process() -> bool:
    """True in a worker's process: work within an item does not spread again."""
    return os.environ.get(processes.PID_TAG) == str(os.getpid())


class WorkerStatus(NamedTuple):
    """What a nanny sees of its worker."""

    seconds: dict[str, float]
    """The names of the batches in work, and for how long."""
    memory_bytes: int
    """Resident memory of the worker and all its children; 0 if not asked for."""


def worker_status(dask_worker: Any, *, memory: bool = False) -> WorkerStatus | None:
    """Run in a nanny: what its worker does. The worker need not answer, it may hang.

    None where the nanny does not know its worker: it is being started, and may have work already.
    """
    if not dask_worker.pid or not dask_worker.worker_dir:
        return None
    now = time.monotonic()
    seconds = {}
    for path in Path(dask_worker.worker_dir).glob("*" + IN_WORK_SUFFIX):
        # Just being written, or just taken away, it does not matter yet
        with suppress(OSError, ValueError):
            seconds[path.stem] = now - float(path.read_text(encoding="ascii"))
    return WorkerStatus(seconds, _tree_bytes(dask_worker.pid) if memory else 0)


def _tree_bytes(pid: int) -> int:
    import psutil

    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
    return total


def kill_worker(dask_worker: Any) -> None:
    """Run in a nanny: kill its worker, whatever that does; the reaper takes the children."""
    if dask_worker.pid:
        os.kill(dask_worker.pid, signal.SIGKILL)


Fetch = Future[list[Any]]


@dataclass
class PendingBatch:
    """Items that one worker is given together."""

    indices: list[int]
    future: Any
    isolated: bool = False
    """Nothing else is in work beside it."""
    seconds: float = 0.0
    """How long it was in work when last looked at."""
    error: BaseException | None = None
    """Why there is no result."""


class PendingBatches(dict[str, PendingBatch]):
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
        self, indices: list[int], packed: bytes, budget_seconds: float, nice: int, *, isolated: bool
    ) -> None:
        """Give items to whichever worker Dask chooses; see `worker.run_batch`."""
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        future = self._client.submit(
            run_batch, name, packed, budget_seconds, nice, key=name, pure=False
        )
        self[name] = PendingBatch(indices, future, isolated)
        future.add_done_callback(lambda done: self._events.put((done.key, None)))

    def collect(self, wait_seconds: float) -> list[tuple[PendingBatch, list[ItemAttempt] | None]]:
        """The tasks that have ended, with their results if they have any.

        Waits so long for the first. A ConnectionError if the scheduler has forgotten its tasks.
        """
        found: list[tuple[PendingBatch, list[ItemAttempt] | None]] = []
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

    def cancel_all(self) -> None:
        """Let Dask forget them all; what a worker is doing goes on."""
        self._client.cancel([task.future for task in self.values()], force=True)

    def lost_scheduler(self) -> bool:
        """True where the scheduler went away: then Dask forgets all tasks."""
        forgotten = any(task.future.cancelled() for task in self.values())
        return forgotten or self._client.status != "running"

    def _fetch(self, name: str) -> None:
        """Begin to fetch a result; an event tells when it is here."""
        result = self._client.gather([self[name].future], errors="skip", asynchronous=True)
        fetch = asyncio.run_coroutine_threadsafe(result, self._client.loop.asyncio_loop)
        fetch.add_done_callback(lambda done: self._events.put((name, done)))

    def _result(self, task: PendingBatch, fetch: Fetch) -> list[ItemAttempt] | None:
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
