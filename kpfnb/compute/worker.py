"""What runs on a worker: one attempt at an item, a batch of them, and what a nanny is asked."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kpfnb.compute import reaper


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of the function with one item."""

    value: Any = None
    error: str = ""
    """'' where the call returned."""
    traceback: str = ""
    seconds: float = 0.0


def attempt(function: Callable[[Any], Any], item: Any) -> Attempt:
    """Call the function; whatever it raises becomes part of the outcome, except Ctrl-C."""
    started = time.perf_counter()
    try:
        value = function(item)
    except (Exception, SystemExit) as error:  # the item's border: recorded, never lost
        text = "".join(traceback.format_exception(error))
        return Attempt(None, describe(error), text, time.perf_counter() - started)
    return Attempt(value, seconds=time.perf_counter() - started)


def describe(error: BaseException) -> str:
    """An exception's type and message, for people."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


def pack(function: Callable[[Any], Any], items: Sequence[Any]) -> bytes:
    """A batch as Dask's own pickler writes it; raises what that raises on what it can't."""
    from distributed.protocol import pickle

    return pickle.dumps((function, list(items)))


def run_batch(packed: bytes, budget_seconds: float, nice: int) -> list[Attempt]:
    """Attempt the items of a batch one after another until `budget_seconds` are over.

    At least one is attempted. The list may be shorter than the batch: the rest was not begun.
    """
    from distributed.protocol import pickle

    function, items = pickle.loads(packed)
    results: list[Attempt] = []
    started = time.perf_counter()
    for item in items:
        results.append(_sendable(_attempt_nicely(function, item, nice)))
        if time.perf_counter() - started > budget_seconds:
            break
    return results


def _attempt_nicely(function: Callable[[Any], Any], item: Any, nice: int) -> Attempt:
    if not nice:
        return attempt(function, item)
    results: list[Attempt] = []

    def call() -> None:
        # Niceness can't be taken back without privilege. On Linux it belongs to the thread, and
        # the thread's children inherit it: with this thread it is gone.
        os.nice(nice)
        results.append(attempt(function, item))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return results[0]


def _sendable(result: Attempt) -> Attempt:
    from distributed.protocol import pickle

    try:
        # With buffers out of band, arrays are not copied for the check
        pickle.dumps(result.value, buffer_callback=lambda buffer: None)
    except Exception as error:  # anything may be raised by a value's own pickling
        text = f"its value can't be sent back: {describe(error)}"
        return Attempt(None, text, "".join(traceback.format_exception(error)), result.seconds)
    return result


def is_worker() -> bool:
    """True in a worker's process: work within an item does not spread again."""
    return os.environ.get(reaper.MARK) == str(os.getpid())


def tree_bytes(dask_worker: Any) -> int:
    """Run in a nanny: the resident memory of its worker and all its children, in bytes."""
    import psutil

    total = 0
    try:
        process = psutil.Process(dask_worker.pid)
        family = [process, *process.children(recursive=True)]
    except (psutil.NoSuchProcess, TypeError):
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def kill(dask_worker: Any) -> None:
    """Run in a nanny: kill its worker, whatever that does; the reaper takes the children."""
    if dask_worker.pid:
        os.kill(dask_worker.pid, signal.SIGKILL)
