"""The stand-in DRP on many observations: a few processes, one file at a time each."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kpfnb.demo.products import Provenance


@dataclass(frozen=True)
class Job:
    """One file to reduce, up to so many levels."""

    path: Path
    provenance: Provenance
    levels: int = 3


@dataclass(frozen=True)
class Done:
    """What became of a file: the products' names, and what went wrong (empty if nothing did)."""

    path: Path
    products: tuple[str, ...]
    error: str
    seconds: float


def run(jobs: list[Job], *, processes: int) -> Iterator[Done]:
    """Reduce files as they come free; a file that fails does not stop the others."""
    if processes == 1 or len(jobs) == 1:
        yield from map(reduce, jobs)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(processes, len(jobs)), context, _end_with, (os.getpid(),)) as pool:
        futures = {pool.submit(reduce, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Done(futures[future].path, (), "a worker process was killed", 0.0)


def reduce(job: Job) -> Done:
    """Reduce one file. The border of an item: whatever goes wrong is recorded here."""
    start = time.monotonic()
    written: list[str] = []
    try:
        _reduce(job, written.append)
        error = "" if job.levels == 3 else f"recipe failed after {job.levels} levels (as asked)"
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    return Done(job.path, tuple(written), error, time.monotonic() - start)


def _reduce(job: Job, tell: Callable[[str], None]) -> None:
    from kpfnb.demo.pipeline import process

    for product in islice(process(job.path, job.provenance), job.levels):
        tell(product.name)


def _end_with(parent: int) -> None:
    """End this process soon after its parent has gone, however that went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
