from __future__ import annotations

import pytest

from kpfnb.compute import distributor, item_map, resources
from kpfnb.compute.resources import WORKER_BYTES, ItemLimits


@pytest.mark.parametrize(
    ("seconds", "size", "reason"),
    [
        (9.9, 0, ""),
        (10.1, 0, "timed out after 10 s"),
        (1, WORKER_BYTES + 1_400_000_000, ""),
        (1, WORKER_BYTES + 1_600_000_000, "took 1.60 GB of memory, its budget is 1.00 GB"),
    ],
)
def test_reason_to_stop(seconds: float, size: int, reason: str) -> None:
    limits = ItemLimits(timeout_seconds=10, memory_bytes=1_000_000_000)
    assert limits.reason_to_stop(seconds, size) == reason


def test_without_limits_nothing_is_stopped() -> None:
    assert ItemLimits().reason_to_stop(1e9, 1 << 60) == ""
    assert not ItemLimits().needs_processes


def test_memory_limits_the_concurrency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_bytes", lambda: 10_000)
    assert ItemLimits(memory_bytes=3_000).max_concurrency() == 3
    assert ItemLimits().max_concurrency() > 1_000_000


@pytest.mark.parametrize(
    ("seconds_per_item", "left", "workers", "start_up_seconds", "pays"),
    [
        (0.001, 1000, 8, 3, False),
        (1, 1, 8, 3, False),
        (1, 100, 1, 3, False),
        (1, 100, 2, 3, True),
        (0.2, 30, 2, 3, False),
        (0.2, 40, 2, 3, True),
        (0.2, 40, 2, 60, False),
    ],
)
def test_when_a_cluster_pays(
    seconds_per_item: float, left: int, workers: int, start_up_seconds: float, pays: bool
) -> None:
    assert item_map.cluster_is_faster(seconds_per_item, left, workers, start_up_seconds) is pays


@pytest.mark.parametrize(
    ("seconds_per_item", "left", "size"),
    [(None, 1000, 1), (5, 1000, 1), (0.01, 1000, 20), (0.01, 30, 4), (0, 10**6, 1000), (0, 1, 1)],
)
def test_batch_size(seconds_per_item: float | None, left: int, size: int) -> None:
    assert distributor.batch_size(seconds_per_item, left, slots=2) == size
