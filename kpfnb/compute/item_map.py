"""Working through items in this very process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kpfnb.compute import batches
from kpfnb.compute.item_tracker import ItemTracker
from kpfnb.compute.resources import ItemLimits
from kpfnb.core.progress import ProgressBar

PROBE_SECONDS = 1.0
"""Nothing is foretold from less work than this."""
PAUSE_SECONDS = 0.1


def cluster_is_faster(
    seconds_per_item: float, left: int, workers: int, start_up_seconds: float
) -> bool:
    """True where a cluster of so many workers, once started, would be done sooner than we here."""
    alone = seconds_per_item * left
    together = start_up_seconds + seconds_per_item * -(-left // workers)
    return together < alone


def run_in_process(
    function: Callable[[Any], Any],
    ledger: ItemTracker,
    limits: ItemLimits,
    bar: ProgressBar,
    leave: Callable[[float, int], bool],
) -> None:
    """Attempt the items one after another until all have ended, or leaving pays.

    Parameters
    ----------
    leave : told the mean seconds an item takes and how many are left; True ends the work here
    """
    gate = limits.load_limiter()
    started, calls = time.perf_counter(), 0
    index = None
    try:
        while ledger.remaining:
            index = _take_next(ledger) if gate.is_open() else None
            if index is None:
                bar.update(note=gate.reason if not gate.is_open() else "waiting to try again")
                time.sleep(PAUSE_SECONDS)
                continue
            bar.update(done=ledger.done, failed=ledger.failed, note=ledger.keys[index])
            ended = ledger.record(
                index, batches.call_item(function, ledger.items[index]), time.monotonic()
            )
            if ended and ended.error:
                bar.report_failure(ended.key, ended.error)
            calls += 1
            seconds = time.perf_counter() - started
            if seconds > PROBE_SECONDS and leave(seconds / calls, ledger.remaining):
                return
    except KeyboardInterrupt:
        ledger.stop([] if index is None else [index])
        raise


def _take_next(ledger: ItemTracker) -> int | None:
    taken = ledger.take(1, time.monotonic())
    return taken[0] if taken else None
