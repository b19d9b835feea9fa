"""The overhead of mapping a function over many items.

python benchmarks/compute.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from kpfnb.compute.clusters import shared_cluster
from kpfnb.compute.item_map import map_items
from kpfnb.compute.item_tracker import MapResult

ITEMS = 10_000
MANY = 200_000


def same(number: int) -> int:
    return number


def per_item(call: Callable[[], MapResult]) -> float:
    """Milliseconds for each item of the call."""
    started = time.perf_counter()
    outcomes = call()
    elapsed = time.perf_counter() - started
    if outcomes.failed:
        raise SystemExit(f"a trivial item failed: {outcomes.failed[0]}")
    return 1000 * elapsed / len(outcomes)


def on_workers(count: int) -> MapResult:
    return map_items(same, range(count), isolate=True, progress=False)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    in_process = per_item(lambda: map_items(same, range(ITEMS), isolate=False, progress=False))
    print(f"in this process         {in_process:8.4f} ms per item ({ITEMS} trivial items)")
    cold = per_item(lambda: on_workers(ITEMS))
    print(f"workers, start included {cold:8.4f} ms an item ({ITEMS} trivial items)")
    started = time.perf_counter()
    with shared_cluster():
        print(f"starting workers again  {1000 * (time.perf_counter() - started):8.1f} ms")
        warm = per_item(lambda: on_workers(ITEMS))
        print(f"workers, running        {warm:8.4f} ms an item ({ITEMS} trivial items)")
        before = peak_megabytes()
        many = per_item(lambda: on_workers(MANY))
        grown = peak_megabytes() - before
        print(f"workers, running        {many:8.4f} ms an item ({MANY} items, +{grown:.0f} MB)")
    verdict = "ok" if max(cold, warm, many) < 5 else "TOO SLOW"
    print(f"below 5 ms an item on workers: {verdict}")


if __name__ == "__main__":
    main()
