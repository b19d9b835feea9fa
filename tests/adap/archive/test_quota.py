from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpfnb.adap.archive.quota import Quota
from kpfnb.errors import BadParameter

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(tmp_path: Path, clock: Clock) -> Quota:
    return Quota(tmp_path / "uploads.json", daily=100, now=clock)


def test_what_is_over_waits_for_the_next_day(quota: Quota, clock: Clock) -> None:
    sizes = {"a": 60, "b": 50, "c": 40}
    assert quota.reserve("u", sizes) == ["a", "c"]
    assert quota.used() == 100
    quota.settle("u", 100, 2)
    assert quota.reserve("u", {"b": 50}) == []
    assert quota.seconds_to_reset() == 12 * 3600
    clock.time += timedelta(hours=12)
    assert quota.used() == 0
    assert quota.reserve("u", {"b": 50}) == ["b"]
    assert quota.days()["2026-11-26"]["bytes"] == 100


def test_it_is_kept_between_processes(quota: Quota, clock: Clock) -> None:
    quota.reserve("u", {"a": 60})
    quota.settle("u", 60, 1)
    assert Quota(quota.path, daily=100, now=clock).reserve("v", {"b": 50}) == []


def test_a_killed_run_counts_what_it_has_uploaded(quota: Quota) -> None:
    quota.reserve("u", {"a": 60, "b": 40})
    assert quota.reserve("v", {"c": 10}) == [], "it may be at work still"
    # Killed after a; the next run finds that b is left
    assert quota.reserve("u", {"b": 40}) == ["b"]
    quota.settle("u", 40, 1)
    assert quota.days()["2026-11-26"] == {"bytes": 100, "files": 1, "reserved": {}}


def test_a_failed_upload_gives_its_room_back(quota: Quota) -> None:
    quota.reserve("u", {"a": 100})
    quota.settle("u", 0, 0)
    assert quota.reserve("v", {"b": 100}) == ["b"]


def test_what_would_wait_for_ever_is_an_error(quota: Quota) -> None:
    with pytest.raises(BadParameter, match="u/big has 101 bytes, a day has 100"):
        quota.reserve("u", {"small": 1, "big": 101})


def test_without_a_quota_everything_goes_and_is_counted(tmp_path: Path) -> None:
    free = Quota(tmp_path / "uploads.json")
    assert free.reserve("u", {"a": 10**15}) == ["a"]
    free.settle("u", 10**15, 1)
    assert free.used() == 10**15


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w"]),
        st.lists(st.integers(1, 100), max_size=4),
        st.sampled_from(["done", "part", "killed", "next day"]),
    ),
    max_size=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(steps=STEPS)
def test_no_day_ever_has_more_than_its_quota(
    steps: list[tuple[str, list[int], str]], tmp_path: Path
) -> None:
    clock = Clock()
    quota = Quota(tmp_path / "uploads.json", daily=100, now=clock)
    quota.path.unlink(missing_ok=True)
    sent: dict[str, int] = {}
    for unit, sizes, end in steps:
        files = {str(number): size for number, size in enumerate(sizes)}
        chosen = sum(files[name] for name in quota.reserve(unit, files))
        uploaded = chosen // 2 if end == "part" else chosen
        day = clock().strftime("%Y-%m-%d")
        if end != "killed":
            quota.settle(unit, uploaded, 1)
            sent[day] = sent.get(day, 0) + uploaded
        if end == "next day":
            clock.time += timedelta(days=1)
        assert quota.used() <= 100
    for day, total in sent.items():
        assert total <= quota.days()[day]["bytes"]
        assert quota.days()[day]["bytes"] <= 100
