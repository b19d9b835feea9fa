from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kpfnb.compute.batches import ItemAttempt
from kpfnb.compute.item_tracker import DEATHS_BEFORE_ISOLATION, ItemTracker, backoff_seconds
from kpfnb.core.result import Outcome


def make_tracker(count: int, retries: int = 0) -> ItemTracker:
    return ItemTracker(range(count), str, retries)


def test_earlier_items_first_and_those_put_back_before_them() -> None:
    tracker = make_tracker(6)
    assert tracker.take(4, now=0) == [0, 1, 2, 3]
    tracker.requeue([2, 3])
    assert tracker.take(9, now=0) == [2, 3, 4, 5]
    assert tracker.take(9, now=0) == []


def test_an_item_waits_before_it_is_tried_again() -> None:
    tracker = make_tracker(2, retries=1)
    tracker.take(1, now=0)
    assert tracker.record(0, ItemAttempt(error="no"), now=100) is None
    assert tracker.take(2, now=100) == [1]
    assert tracker.take(2, now=100.4) == []
    assert tracker.take(2, now=100.6) == [0]
    ended = tracker.record(0, ItemAttempt(error="no again"), now=101)
    assert ended
    assert (ended.outcome, ended.attempts, ended.error) == (Outcome.FAILED, 2, "no again")


def test_backoff_grows_to_its_limit() -> None:
    assert [backoff_seconds(attempt) for attempt in (1, 2, 3, 20)] == [0.5, 1, 2, 30]


def test_suspects_go_alone_and_first() -> None:
    tracker = make_tracker(5)
    tracker.quarantine(tracker.take(2, now=0))
    assert [tracker.take(9, now=0) for _ in range(3)] == [[0], [1], [2, 3, 4]]


def test_only_an_item_alone_is_condemned() -> None:
    tracker = make_tracker(2)
    tracker.take(1, now=0)
    assert tracker.record_death(0) is None
    assert tracker.take(9, now=0) == [0]
    assert tracker.record_death(0) is None
    # Once more, when nothing else is left
    assert tracker.take_isolated() is None
    assert tracker.take(9, now=0) == [1]
    assert tracker.take_isolated() == 0
    ended = tracker.record_death(0, isolated=True)
    assert ended
    assert (ended.outcome, ended.attempts) == (Outcome.FAILED, 3)
    assert ended.error == "its worker process died 3 times"


def test_deaths_do_not_count_as_attempts_of_an_item_that_succeeds() -> None:
    tracker = make_tracker(1)
    tracker.record_death(*tracker.take(1, now=0))
    ended = tracker.record(*tracker.take(1, now=0), ItemAttempt(value=7), now=0)
    assert ended
    assert (ended.outcome, ended.attempts) == (Outcome.SUCCEEDED, 1)


def test_stop_reports_what_was_in_work() -> None:
    tracker = make_tracker(3)
    tracker.take(2, now=0)
    tracker.record(0, ItemAttempt(value=1), now=0)
    tracker.stop(running=[1])
    assert [part.outcome for part in tracker.result()] == [
        Outcome.SUCCEEDED,
        Outcome.FAILED,
        Outcome.SKIPPED,
    ]
    assert tracker.remaining == 0
    # An item that never started is not done
    assert (tracker.done, tracker.failed, tracker.remaining) == (2, 1, 0)


def test_abandon_names_the_reason_for_all_remaining_items() -> None:
    tracker = make_tracker(2)
    tracker.record(0, ItemAttempt(value=1), now=0)
    tracker.abandon("gone")
    assert [part.error for part in tracker.result()] == ["", "gone"]


@given(
    st.lists(st.sampled_from(["good", "bad", "back", "apart", "died"]), max_size=200),
    st.integers(0, 8),
    st.integers(0, 3),
)
def test_every_item_ends_exactly_once(events: list[str], count: int, retries: int) -> None:
    tracker, now = make_tracker(count, retries), 0.0
    story = iter(events)
    while tracker.remaining:
        now += 100
        taken = tracker.take(3, now)
        isolated = None if taken else tracker.take_isolated()
        taken = taken if isolated is None else [isolated]
        assert taken, "an item was lost"
        event = next(story, "good")
        if event == "back":
            tracker.requeue(taken)
        elif event == "apart" and len(taken) > 1:
            tracker.quarantine(taken)
        elif event == "died" and len(taken) == 1:
            tracker.record_death(taken[0], isolated=isolated is not None)
        else:
            for index in taken:
                tracker.record(index, ItemAttempt(error="no" if event == "bad" else ""), now)
    outcomes = tracker.result()
    assert [part.item for part in outcomes] == list(range(count))
    assert all(part.attempts <= 2 * retries + DEATHS_BEFORE_ISOLATION + 1 for part in outcomes)
    assert tracker.take(3, now + 1000) == []
