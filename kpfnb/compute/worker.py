"""What runs on a worker: one attempt at an item, a batch of them, and what a nanny is asked."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.compute import reaper

MARK_SUFFIX = ".in-work"


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


def run_batch(name: str, packed: bytes, budget_seconds: float, nice: int) -> list[Attempt]:
    """Attempt the items of a batch one after another until `budget_seconds` are over.

    At least one is attempted. The list may be shorter than the batch: the rest was not begun.
    """
    from distributed import get_worker
    from distributed.protocol import pickle

    function, items = pickle.loads(packed)
    results: list[Attempt] = []
    started = time.perf_counter()
    with _mark(Path(get_worker().local_directory, name + MARK_SUFFIX)):
        for item in items:
            results.append(_sendable(_attempt_nicely(function, item, nice)))
            if time.perf_counter() - started > budget_seconds:
                break
    return results


@contextmanager
def _mark(path: Path) -> Iterator[None]:
    """A file that is there while its batch is in work, and holds when that began (monotonic s)."""
    path.write_text(str(time.monotonic()), encoding="ascii")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


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


class Sight(NamedTuple):
    """What a nanny sees of its worker."""

    seconds: dict[str, float]
    """The names of the batches in work, and for how long."""
    memory_bytes: int
    """Resident memory of the worker and all its children; 0 if not asked for."""


def look(dask_worker: Any, *, memory: bool = False) -> Sight | None:
    """Run in a nanny: what its worker does. The worker need not answer, it may hang.

    None where the nanny does not know its worker: it is being started, and may have work already.
    """
    if not dask_worker.pid or not dask_worker.worker_dir:
        return None
    now = time.monotonic()
    seconds = {}
    for path in Path(dask_worker.worker_dir).glob("*" + MARK_SUFFIX):
        # Just being written, or just taken away, it does not matter yet
        with suppress(OSError, ValueError):
            seconds[path.stem] = now - float(path.read_text(encoding="ascii"))
    return Sight(seconds, _tree_bytes(dask_worker.pid) if memory else 0)


def _tree_bytes(pid: int) -> int:
    import psutil

    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
    return total


def kill(dask_worker: Any) -> None:
    """Run in a nanny: kill its worker, whatever that does; the reaper takes the children."""
    if dask_worker.pid:
        os.kill(dask_worker.pid, signal.SIGKILL)
