from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpfnb.adap.archive.quota import (
    KEPT_DAYS,
    KEY_PREFIX,
    FileUploadCounter,
    QuotaReservation,
    RedisUploadCounter,
    UploadQuota,
)
from kpfnb.compute.services import valkey
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidParameterError
from kpfnb.queue import connection
from tests.queue.conftest import embedded, redis_62  # noqa: F401

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["file", "valkey", "redis 6.2"])
def quota(
    request: pytest.FixtureRequest, clock: Clock, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[UploadQuota]:
    """A hundred bytes a day, counted in each of the places that there are."""
    if request.param == "file":
        yield UploadQuota(FileUploadCounter(isolated / "uploads.json", clock), 100)
        return
    process = redis_62(isolated) if request.param != "valkey" else None
    if process:
        monkeypatch.setenv("KPFNB_REDIS_URL", f"unix://:sesame@{isolated / 's'}")
    yield UploadQuota(RedisUploadCounter("koa", clock), 100)
    if process:
        process.terminate()
        process.wait()
    else:
        valkey.stop_server()


def send(quota: UploadQuota, unit: str, sizes: dict[str, int]) -> list[str]:
    """Upload all files that the quota allows."""
    reserved = quota.reserve(unit, sizes)
    quota.commit(reserved, reserved.size, len(reserved.names))
    return list(reserved.names)


def test_what_is_over_waits_for_the_next_day(quota: UploadQuota, clock: Clock) -> None:
    reserved = quota.reserve("u", {"a": 60, "b": 50, "c": 40})
    assert (reserved.names, reserved.size) == (("a", "c"), 100)
    assert quota.used_bytes() == 100
    quota.commit(reserved, 100, 2)
    assert send(quota, "u", {"b": 50}) == []
    assert quota.seconds_to_reset() == 12 * 3600
    clock.time += timedelta(hours=12)
    assert quota.used_bytes() == 0
    assert send(quota, "u", {"b": 50}) == ["b"]
    assert quota.days()["2026-11-26"] == {"bytes": 100, "files": 2, "reserved": {}}


def test_quotas_with_the_same_counter_share_the_day(quota: UploadQuota) -> None:
    assert send(quota, "u", {"a": 60}) == ["a"]
    assert send(UploadQuota(quota.uploads, 100), "v", {"b": 50, "c": 40}) == ["c"]


def test_many_at_once_never_have_more_than_the_day(quota: UploadQuota) -> None:
    def reserve(number: int) -> int:
        return quota.reserve(f"unit {number}", {"a": 15}).size

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(reserve, range(16)))
    assert sorted(sizes) == [0] * 10 + [15] * 6
    assert quota.used_bytes() == 90


def test_a_killed_upload_counts_in_full(quota: UploadQuota, clock: Clock) -> None:
    quota.reserve("u", {"a": 60})
    assert send(quota, "v", {"c": 50}) == [], "it may be at work still"
    # Killed; what it has uploaded of a file that was cut off can't be known
    assert send(quota, "u", {"b": 40, "a": 60}) == ["b"]
    assert quota.days()["2026-11-26"] == {"bytes": 100, "files": 1, "reserved": {}}
    clock.time += timedelta(days=1)
    assert send(quota, "u", {"a": 60}) == ["a"]


def test_an_upload_over_midnight_takes_room_of_both_days(quota: UploadQuota, clock: Clock) -> None:
    clock.time += timedelta(hours=11, minutes=59)
    reserved = quota.reserve("u", {"a": 60})
    clock.time += timedelta(minutes=2)
    assert send(quota, "v", {"b": 50}) == []
    quota.commit(reserved, 60, 1)
    assert quota.days()["2026-11-27"] == {"bytes": 60, "files": 1, "reserved": {}}


def test_what_a_killed_upload_holds_is_not_lost_for_ever(quota: UploadQuota, clock: Clock) -> None:
    quota.reserve("u", {"a": 60})
    clock.time += timedelta(days=1)
    assert quota.used_bytes() == 60
    clock.time += timedelta(days=1)
    assert quota.used_bytes() == 0


def test_an_abandoned_upload_is_not_counted_twice(quota: UploadQuota) -> None:
    given_up = quota.reserve("u", {"a": 30})
    successor = quota.reserve("u", {"a": 30})
    quota.commit(given_up, 30, 1)
    assert quota.used_bytes() == 60
    quota.commit(successor, 30, 1)
    assert quota.used_bytes() == 60


def test_a_failed_upload_gives_its_room_back(quota: UploadQuota) -> None:
    quota.commit(quota.reserve("u", {"a": 100}), 0, 0)
    assert send(quota, "v", {"b": 100}) == ["b"]


def test_what_would_wait_for_ever_is_an_error(quota: UploadQuota) -> None:
    with pytest.raises(InvalidParameterError, match="u/big has 101 bytes, a day has 100"):
        quota.reserve("u", {"small": 1, "big": 101})


def test_without_a_quota_everything_goes_and_is_counted(quota: UploadQuota) -> None:
    free = UploadQuota(quota.uploads)
    assert send(free, "u", {"a": 10**15}) == ["a"]
    free.commit(QuotaReservation("v", ""), 5, 1)
    assert free.used_bytes() == 10**15 + 5


def test_days_of_long_ago_are_forgotten(quota: UploadQuota, clock: Clock) -> None:
    for _ in range(3):
        send(quota, "u", {"a": 1})
        clock.time += timedelta(days=40)
    assert sorted(quota.days()) == ["2027-01-05", "2027-02-14"]


def test_a_file_of_the_version_before_is_read(tmp_path: Path, clock: Clock) -> None:
    held = {"2026-11-26": {"bytes": 10, "files": 1, "reserved": {"u": [60, 80]}}}
    atomic.write_json(tmp_path / "uploads.json", held)
    quota = UploadQuota(FileUploadCounter(tmp_path / "uploads.json", clock), 100)
    assert quota.used_bytes() == 70
    assert send(quota, "u", {"a": 30}) == ["a"]
    assert quota.used_bytes() == 100


@pytest.mark.usefixtures("embedded")
def test_the_counts_on_the_server_are_a_remotes_own_and_expire() -> None:
    assert send(UploadQuota(RedisUploadCounter("koa"), 100), "u", {"a": 60}) == ["a"]
    assert send(UploadQuota(RedisUploadCounter("other"), 100), "u", {"a": 60}) == ["a"]
    with connection.connect_to_server() as client:
        days = client.ttl(f"{KEY_PREFIX}koa") / 86400
    assert days == pytest.approx(KEPT_DAYS, abs=1)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert today in RedisUploadCounter("koa").read()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w"]),
        st.lists(st.integers(1, 100), max_size=4),
        st.sampled_from(["done", "part", "killed", "over midnight"]),
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
    path = tmp_path / "uploads.json"
    path.unlink(missing_ok=True)
    quota = UploadQuota(FileUploadCounter(path, clock), 100)
    sent: Counter[str] = Counter()
    for unit, sizes, end in steps:
        reserved = quota.reserve(unit, {str(number): size for number, size in enumerate(sizes)})
        if end == "over midnight":
            clock.time += timedelta(days=1)
        uploaded = reserved.size // 2 if end == "part" else reserved.size
        # A killed one may have uploaded all of it, on the later day
        sent[clock().strftime("%Y-%m-%d")] += uploaded
        if end != "killed":
            quota.commit(reserved, uploaded, 1)
        assert quota.used_bytes() <= 100
    for day, total in sent.items():
        assert total <= 100, day
