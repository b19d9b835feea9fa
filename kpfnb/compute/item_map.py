"""The one way to work on many items: call a function for each of them, in parallel with Dask.

    result = map_items(measure, files, retries=1, timeout_seconds=600)
    print(result)

Few or quick items are processed in this process; a cluster is started when that saves time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from kpfnb.compute import batches, clusters
from kpfnb.compute.item_tracker import ItemTracker, MapResult
from kpfnb.compute.resources import ItemLimits
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.progress import ProgressBar, show_progress
from kpfnb.core.settings import load_settings

PROBE_SECONDS = 1.0
"""The speed is not estimated from less work than this."""
PAUSE_SECONDS = 0.1

logger = logging.getLogger(__name__)


def map_items(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    key: Callable[[Any], str] = str,
    workers: int | None = None,
    retries: int = 0,
    timeout_seconds: float | None = None,
    memory_bytes: int | None = None,
    nice: int = 0,
    max_load: float | None = None,
    isolate: bool | None = None,
    title: str = "",
    progress: bool = True,
) -> MapResult:
    """Call `function(item)` for every item; a failure is part of the result, it is never raised.

    Earlier items start first. An item may start more than once (its worker may be killed), so the
    function must allow that. Ctrl-C stops the work within seconds and returns what was done.

    Parameters
    ----------
    key : names an item for people
    workers : number of items in parallel; None for the number in the settings
    retries : number of further attempts after an exception, a time-out or too much memory
    timeout_seconds : an item that takes longer is stopped with its children
    memory_bytes : memory of an item and its children: as many items run in parallel as there is
        memory for, and one that takes far more is stopped
    nice : niceness (0 to 19) of the work
    max_load : no item starts while the load is above this percentage of the cores
    isolate : True: in separate processes, where they may crash and hang; False: in this
        process; None: in processes if a limit needs them (time, memory, niceness) or they save
        time. The first items are then tried in this process, so give True if one item takes minutes
    title : what is being done, for the progress bar
    progress : False shows nothing

    Raises
    ------
    InvalidParameterError : a limit is impossible
    ServiceUnavailableError : the cluster of the settings can't be reached
    """
    limits = ItemLimits(
        workers=workers,
        timeout_seconds=timeout_seconds,
        memory_bytes=memory_bytes,
        nice=nice,
        max_load=max_load,
    )
    in_process = _must_run_in_process(limits, isolate)
    tracker = ItemTracker(items, key, retries)
    title = title or getattr(function, "__name__", "items")
    interrupted = False
    with show_progress(len(tracker), title, shown=progress) as bar:
        try:
            if in_process or not (isolate or limits.needs_processes):
                run_in_process(
                    function, tracker, limits, bar, leave=_when_to_leave(in_process, limits)
                )
            if tracker.remaining:
                _distribute_items(function, tracker, limits, bar)
        except KeyboardInterrupt:
            interrupted = True
            tracker.stop()
        bar.update(done=tracker.done, failed=tracker.failed, note="")
    result = tracker.result(interrupted=interrupted)
    if interrupted:
        logger.warning("%s %s", title, str(result).splitlines()[0])
    return result


def run_in_process(
    function: Callable[[Any], Any],
    tracker: ItemTracker,
    limits: ItemLimits,
    bar: ProgressBar,
    leave: Callable[[float, int], bool],
) -> None:
    """Call the function for one item after another until all have ended, or `leave` is True.

    Parameters
    ----------
    leave : called with the mean seconds of an item and the number of items that remain; True ends
        the work in this process
    """
    limiter = limits.load_limiter()
    started, calls = time.perf_counter(), 0
    index = None
    try:
        while tracker.remaining:
            index = _take_next(tracker) if limiter.is_open() else None
            if index is None:
                bar.update(note=limiter.reason if not limiter.is_open() else "waiting to retry")
                time.sleep(PAUSE_SECONDS)
                continue
            bar.update(done=tracker.done, failed=tracker.failed, note=tracker.keys[index])
            attempt = batches.call_item(function, tracker.items[index])
            outcome = tracker.record(index, attempt, time.monotonic())
            if outcome and outcome.error:
                bar.report_failure(outcome.key, outcome.error)
            calls += 1
            seconds = time.perf_counter() - started
            if seconds > PROBE_SECONDS and leave(seconds / calls, tracker.remaining):
                return
    except KeyboardInterrupt:
        tracker.stop([] if index is None else [index])
        raise


def cluster_is_faster(
    seconds_per_item: float, remaining: int, workers: int, startup_seconds: float
) -> bool:
    """True if a cluster, its start included, finishes the items sooner than this process."""
    alone = seconds_per_item * remaining
    together = startup_seconds + seconds_per_item * -(-remaining // workers)
    return together < alone


def _must_run_in_process(limits: ItemLimits, isolate: bool | None) -> bool:
    if isolate is False and limits.needs_processes:
        raise InvalidParameterError(
            "timeout_seconds, memory_bytes and nice need isolate=True or None",
            "a limit on an item needs a process that can be stopped",
        )
    # A worker's item does not start a cluster: the number of workers is the one wanted
    return isolate is False or batches.is_worker_process()


def _when_to_leave(in_process: bool, limits: ItemLimits) -> Callable[[float, int], bool]:
    if in_process:
        return lambda seconds_per_item, remaining: False
    workers = limits.workers or load_settings().workers
    startup_seconds = clusters.startup_seconds()
    return lambda seconds_per_item, remaining: cluster_is_faster(
        seconds_per_item, remaining, workers, startup_seconds
    )


def _take_next(tracker: ItemTracker) -> int | None:
    taken = tracker.take(1, time.monotonic())
    return taken[0] if taken else None


def _distribute_items(
    function: Callable[[Any], Any], tracker: ItemTracker, limits: ItemLimits, bar: ProgressBar
) -> None:
    from kpfnb.compute.distributor import Distributor

    settings = load_settings()
    workers = min(limits.workers or settings.workers, tracker.remaining)
    if settings.cluster == "local":
        workers = min(workers, limits.max_concurrency())
    bar.update(note="starting workers")
    with clusters.open_cluster(workers=workers) as cluster:
        Distributor(cluster, function, tracker, limits, bar).distribute_items()
