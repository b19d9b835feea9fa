"""Batches of items: run on a Dask worker, watched by its nanny, pending on the client."""

from __future__ import annotations

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

IN_WORK_SUFFIX = ".in-work"


@dataclass(frozen=True, slots=True)
class ItemAttempt:
    """The result of one call of the function."""

    value: Any = None
    error: str = ""
    """'' if the call returned."""
    traceback: str = ""
    seconds: float = 0.0


def call_item(function: Callable[[Any], Any], item: Any) -> ItemAttempt:
    """Call the function; what it raises becomes part of the result, except Ctrl-C."""
    started = time.perf_counter()
    try:
        value = function(item)
    except (Exception, SystemExit) as error:  # the border of an item: recorded, not lost
        text = "".join(traceback.format_exception(error))
        return ItemAttempt(None, format_exception(error), text, time.perf_counter() - started)
    return ItemAttempt(value, seconds=time.perf_counter() - started)


def format_exception(error: BaseException) -> str:
    """An exception's type and message, for people."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def pickle_batch(function: Callable[[Any], Any], items: Sequence[Any]) -> bytes:
    """A batch pickled as Dask does it; raises what pickling raises."""
    from distributed.protocol import pickle

    return pickle.dumps((function, list(items)))


def run_batch(name: str, pickled: bytes, budget_seconds: float, nice: int) -> list[ItemAttempt]:
    """Call the function for one item after another until `budget_seconds` are over.

    At least one is called. The list may be shorter than the batch: the others were not started.
    """
    from distributed import get_worker
    from distributed.protocol import pickle

    function, items = pickle.loads(pickled)
    results: list[ItemAttempt] = []
    started = time.perf_counter()
    with _mark_running(Path(get_worker().local_directory, name + IN_WORK_SUFFIX)):
        for item in items:
            results.append(_ensure_picklable(_call_nicely(function, item, nice)))
            if time.perf_counter() - started > budget_seconds:
                break
    return results


@contextmanager
def _mark_running(path: Path) -> Iterator[None]:
    """Mark a batch as running by a file that contains its start (monotonic [s])."""
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
        # Niceness can't be reduced again without privilege. On Linux it belongs to the thread and
        # to the thread's children: it ends with this thread.
        os.nice(nice)
        results.append(call_item(function, item))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return results[0]


def _ensure_picklable(result: ItemAttempt) -> ItemAttempt:
    from distributed.protocol import pickle

    try:
        # With out-of-band buffers, arrays are not copied for the check
        pickle.dumps(result.value, buffer_callback=lambda buffer: None)
    except Exception as error:  # anything may be raised by a value's own pickling
        text = f"its value can't be sent back: {format_exception(error)}"
        return ItemAttempt(None, text, "".join(traceback.format_exception(error)), result.seconds)
    return result


def is_worker_process() -> bool:
    """True in the process of a worker: there an item starts no cluster."""
    return os.environ.get(processes.PID_TAG) == str(os.getpid())


class WorkerStatus(NamedTuple):
    """What a nanny knows of its worker."""

    seconds: dict[str, float]
    """The names of the running batches, and the time since their start."""
    memory_bytes: int
    """Resident memory of the worker and its children; 0 if not requested."""


def worker_status(dask_worker: Any, *, memory: bool = False) -> WorkerStatus | None:
    """Runs in a nanny: what its worker does. The worker may hang, so it is not asked itself.

    None if the worker is being started; it may have work already.
    """
    if not dask_worker.pid or not dask_worker.worker_dir:
        return None
    now = time.monotonic()
    seconds = {}
    for path in Path(dask_worker.worker_dir).glob("*" + IN_WORK_SUFFIX):
        # Being written or removed at this moment
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
    """Runs in a nanny: kill its worker; `compute.processes` then kills the worker's children."""
    if dask_worker.pid:
        os.kill(dask_worker.pid, signal.SIGKILL)


Fetch = Future[list[Any]]


@dataclass
class PendingBatch:
    """Items that are sent to a worker together."""

    indices: list[int]
    future: Any
    isolated: bool = False
    """No other batch is running."""
    seconds: float = 0.0
    """Running time at the last check."""
    error: BaseException | None = None
    """Why there is no result."""


class PendingBatches(dict[str, PendingBatch]):
    """Batches by their name, from their submission until they are collected or dropped.

    A result stays on its worker until it is fetched. If that worker has started something that
    hangs, the fetch hangs too: each result has its own fetch, and nothing waits for a fetch.
    """

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._prefix = f"kpfnb-{uuid.uuid4().hex[:8]}"
        self._number = 0
        self._events: queue.SimpleQueue[tuple[str, Fetch | None]] = queue.SimpleQueue()
        """The names of batches that have ended, with the fetch if that has ended, too."""

    def submit(
        self,
        indices: list[int],
        pickled: bytes,
        budget_seconds: float,
        nice: int,
        *,
        isolated: bool,
    ) -> None:
        """Send items to a worker that Dask chooses; see `run_batch`."""
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        future = self._client.submit(
            run_batch, name, pickled, budget_seconds, nice, key=name, pure=False
        )
        self[name] = PendingBatch(indices, future, isolated)
        future.add_done_callback(lambda done: self._events.put((done.key, None)))

    def collect(self, wait_seconds: float) -> list[tuple[PendingBatch, list[ItemAttempt] | None]]:
        """The batches that have ended, with their results if there are any.

        Parameters
        ----------
        wait_seconds : time to wait for the first

        Raises
        ------
        ConnectionError : the scheduler has lost its tasks
        """
        collected: list[tuple[PendingBatch, list[ItemAttempt] | None]] = []
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                # After the first, only batches that have already ended are added
                remaining = 0.0 if collected else max(deadline - time.monotonic(), 0.0)
                name, fetch = (
                    self._events.get(timeout=remaining) if remaining else self._events.get_nowait()
                )
            except queue.Empty:
                return collected
            # Stopped in the meantime
            if name not in self:
                continue
            if self[name].future.cancelled():
                raise ConnectionResetError("the scheduler has lost its tasks")
            if fetch is None:
                self._fetch(name)
            else:
                result = self._result(self[name], fetch)
                collected.append((self.pop(name), result))

    def cancel_all(self) -> None:
        """Cancel all batches in Dask; a running batch continues."""
        self._client.cancel([batch.future for batch in self.values()], force=True)

    def lost_scheduler(self) -> bool:
        """True if the scheduler has ended: then Dask cancels all tasks."""
        cancelled = any(batch.future.cancelled() for batch in self.values())
        return cancelled or self._client.status != "running"

    def _fetch(self, name: str) -> None:
        """Start to fetch a result; an event reports its arrival."""
        import asyncio

        result = self._client.gather([self[name].future], errors="skip", asynchronous=True)
        fetch = asyncio.run_coroutine_threadsafe(result, self._client.loop.asyncio_loop)
        fetch.add_done_callback(lambda done: self._events.put((name, done)))

    def _result(self, batch: PendingBatch, fetch: Fetch) -> list[ItemAttempt] | None:
        """What was fetched; None if there is nothing, and `batch.error` says why."""
        try:
            [result] = fetch.result() or [None]
        except Exception as error:  # anything may be raised by a value's own unpickling
            if self._client.status != "running":
                raise ConnectionResetError("the connection to the scheduler was lost") from error
            batch.error = error
            return None
        if result is None:
            batch.error = batch.future.exception()
        return result
