import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.errors import BadSettings
from kpfnb.workqueue import policy
from kpfnb.workqueue.policy import LONGEST_REST_SECONDS, Policy


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"), [(1, 0.5, 30), (2, 0.5, 60), (1, 0, 22.5), (3, 1, 150)]
)
def test_each_rest_is_twice_as_long(attempt, chance, seconds):
    assert Policy().rest_seconds(attempt, chance) == seconds


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_a_rest_has_an_end(attempt, chance):
    assert 0 < Policy().rest_seconds(attempt, chance) <= 1.25 * LONGEST_REST_SECONDS


def test_from_the_settings(monkeypatch):
    assert policy.current() == Policy(30, 10, 3, 30)
    monkeypatch.setenv("KPFNB_QUEUE_LEASE_SECONDS", "8")
    monkeypatch.setenv("KPFNB_QUEUE_HEARTBEAT_SECONDS", "4")
    monkeypatch.setenv("KPFNB_QUEUE_ATTEMPTS", "5")
    assert policy.current() == Policy(8, 4, 5, 30)


def test_a_lease_that_can_not_be_kept_is_refused():
    with pytest.raises(BadSettings, match="a heartbeat every 10 s does not keep a lease of 15 s"):
        Policy(lease_seconds=15)
