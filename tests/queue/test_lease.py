import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidSettingsError
from kpfnb.queue import lease
from kpfnb.queue.lease import MAX_DELAY_SECONDS, QueuePolicy


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"), [(1, 0.5, 30), (2, 0.5, 60), (1, 0, 22.5), (3, 1, 150)]
)
def test_each_delay_is_twice_as_long(attempt, jitter, seconds):
    assert QueuePolicy().retry_delay(attempt, jitter) == seconds


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_delay_has_a_limit(attempt, jitter):
    assert 0 < QueuePolicy().retry_delay(attempt, jitter) <= 1.25 * MAX_DELAY_SECONDS


def test_from_the_settings(monkeypatch):
    assert lease.load_policy() == QueuePolicy(30, 10, 3, 30)
    monkeypatch.setenv("KPFNB_QUEUE_LEASE_SECONDS", "8")
    monkeypatch.setenv("KPFNB_QUEUE_HEARTBEAT_SECONDS", "4")
    monkeypatch.setenv("KPFNB_QUEUE_ATTEMPTS", "5")
    assert lease.load_policy() == QueuePolicy(8, 4, 5, 30)


def test_a_lease_that_can_not_be_kept_is_refused():
    with pytest.raises(
        InvalidSettingsError, match="a heartbeat every 10 s does not keep a lease of 15 s"
    ):
        QueuePolicy(lease_seconds=15)
