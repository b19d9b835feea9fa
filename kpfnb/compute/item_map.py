"""Working through items in this very process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kpfnb.compute import worker
from kpfnb.compute.ledger import Ledger
from kpfnb.compute.limits import Limits
from kpfnb.live import Bar

PROBE_SECONDS = 1.0
"""Nothing is foretold from less work than this."""
PAUSE_SECONDS = 0.1


def pays(seconds_per_item: float, left: int, workers: int, start_up_seconds: float) -> bool:
    """True where a cluster of so many workers, once started, would be done sooner than we here."""
    alone = seconds_per_item * left
    together = start_up_seconds + seconds_per_item * -(-left // workers)
    return together < alone


def work(
    function: Callable[[Any], Any],
    ledger: Ledger,
    limits: Limits,
    bar: Bar,
    leave: Callable[[float, int], bool],
) -> None:
    """Attempt the items one after another until all have ended, or leaving pays.

    Parameters
    ----------
    leave : told the mean seconds an item takes and how many are left; True ends the work here
    """
    gate = limits.gate()
    started, calls = time.perf_counter(), 0
    index = None
    try:
        while ledger.left:
            index = _next(ledger) if gate.is_open() else None
            if index is None:
                bar.update(note=gate.reason if not gate.is_open() else "waiting to try again")
                time.sleep(PAUSE_SECONDS)
                continue
            bar.update(done=ledger.done, failed=ledger.failed, note=ledger.keys[index])
            ended = ledger.record(
                index, worker.attempt(function, ledger.items[index]), time.monotonic()
            )
            if ended and ended.error:
                bar.failure(ended.key, ended.error)
            calls += 1
            seconds = time.perf_counter() - started
            if seconds > PROBE_SECONDS and leave(seconds / calls, ledger.left):
                return
    except KeyboardInterrupt:
        ledger.stop([] if index is None else [index])
        raise


def _next(ledger: Ledger) -> int | None:
    taken = ledger.take(1, time.monotonic())
    return taken[0] if taken else None
