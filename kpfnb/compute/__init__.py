"""The one way to work on many things: map a function over them with Dask.

    outcomes = compute.run(measure, files, retries=1, timeout_seconds=600)
    print(outcomes)

Few or quick items run in this very process; a cluster is started when that pays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from kpfnb.compute import batches, clusters, item_map
from kpfnb.compute.clusters import shared_cluster as cluster
from kpfnb.compute.item_tracker import ItemOutcome, ItemTracker, MapResult
from kpfnb.compute.resources import ItemLimits
from kpfnb.core import progress as live
from kpfnb.core import settings
from kpfnb.core.errors import InvalidParameterError

__all__ = ["ItemOutcome", "MapResult", "shared_cluster", "map_items"]

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
    """Call `function(item)` for every item; what fails is in the outcomes, never raised.

    Earlier items are started first. An item may be begun more than once (its worker may die), so
    the function must stand that. Ctrl-C stops the work within seconds and gives back what was done.

    Parameters
    ----------
    key : names an item for people
    workers : work on so many items at once; by default as the settings say
    retries : so many more attempts after an exception, a time-out or too much memory
    timeout_seconds : an item that takes longer is stopped, and its children with it
    memory_bytes : what an item may take, its children included: so many run at once as there is
        memory for, and one that takes far more is stopped
    nice : niceness (0 to 19) of the work
    max_load : no item is started while the load is above so many percent of the cores
    isolate : True: in processes of their own, where they may crash and hang; False: in this one;
        None: processes if a limit needs them (time, memory, niceness) or they save time. The first
        items are then tried here, so say True if one item takes minutes
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
    stay = _must_run_in_process(limits, isolate)
    ledger = ItemTracker(items, key, retries)
    title = title or getattr(function, "__name__", "items")
    interrupted = False
    with live.show_progress(len(ledger), title, shown=progress) as bar:
        try:
            if stay or not (isolate or limits.needs_processes):
                item_map.run_in_process(
                    function, ledger, limits, bar, leave=_when_to_distribute(stay, limits)
                )
            if ledger.remaining:
                _distribute(function, ledger, limits, bar)
        except KeyboardInterrupt:
            interrupted = True
            ledger.stop()
        bar.update(done=ledger.done, failed=ledger.failed, note="")
    outcomes = ledger.result(interrupted=interrupted)
    if interrupted:
        logger.warning("%s %s", title, str(outcomes).splitlines()[0])
    return outcomes


def _must_run_in_process(limits: ItemLimits, isolate: bool | None) -> bool:
    """True where the work has to be done in this process."""
    if isolate is False and limits.needs_processes:
        raise InvalidParameterError(
            "timeout_seconds, memory_bytes and nice need isolate=True or None",
            "a limit on an item needs a process that can be stopped",
        )
    # An item on a worker does not spread again: the workers are as many as they should be
    return isolate is False or batches.is_worker_process()


def _when_to_distribute(stay: bool, limits: ItemLimits) -> Callable[[float, int], bool]:
    """Tells when a cluster pays."""
    if stay:
        return lambda seconds_per_item, left: False
    workers = limits.workers or settings.load_settings().workers
    start_up_seconds = clusters.startup_seconds()
    return lambda seconds_per_item, left: item_map.cluster_is_faster(
        seconds_per_item, left, workers, start_up_seconds
    )


def _distribute(
    function: Callable[[Any], Any], ledger: ItemTracker, limits: ItemLimits, bar: live.ProgressBar
) -> None:
    from kpfnb.compute.distributor import Distributor

    wanted = settings.load_settings()
    workers = min(limits.workers or wanted.workers, ledger.remaining)
    if wanted.cluster == "local":
        workers = min(workers, limits.max_concurrency())
    bar.update(note="starting workers")
    with clusters.open_cluster(workers=workers) as crew:
        Distributor(crew, function, ledger, limits, bar).distribute_items()
