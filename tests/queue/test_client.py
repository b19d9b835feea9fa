from __future__ import annotations

import threading
import time

import pytest

from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.queue import client
from kpfnb.queue.client import Queue
from kpfnb.queue.lease import QueuePolicy
from kpfnb.queue.records import AttemptOutcome, AttemptReport, Claim, Priority, QueueItemStatus

_requests = iter(range(10**6))


def take_turn(queue, worker="w", *reports, want=1):
    return queue.report_and_claim(worker, f"r{next(_requests)}", reports, want=want)


def claim(queue, worker="w") -> Claim:
    [new_claim] = take_turn(queue, worker).claims
    return new_claim


def done(claim, result=None):
    return AttemptReport(claim, AttemptOutcome.DONE, result, seconds=0.5)


def failed(claim, error="oops"):
    return AttemptReport(claim, AttemptOutcome.FAILED, error=error, log="the log", seconds=0.1)


def lapse(queue):
    """Let all leases run out; a server that has just started extends them a little."""
    time.sleep(queue.policy.lease_seconds + 0.05)
    while queue.client.info("server")["uptime_in_seconds"] < queue.policy.lease_seconds:
        time.sleep(0.05)


def counts(queue):
    return {str(state): count for state, count in queue.counts().items() if count}


def test_items_are_loaded_once_and_new_ones_counted(queue):
    loaded = queue.load(["a", " b ", "a", "c"])
    assert (loaded.new, str(loaded)) == (("a", "b", "c"), "3 of 3 new")
    take_turn(queue, "w", done(claim(queue)), want=0)
    again = queue.load(["c", "a", "d"])
    assert again.new == ("d",)
    assert again.known == {QueueItemStatus.WAITING: 1, QueueItemStatus.DONE: 1}
    assert str(again) == "1 of 3 new; already known: 1 waiting, 1 done"
    assert counts(queue) == {"waiting": 3, "done": 1}
    assert client.list_queues() == ["trial"]


def test_a_dry_run_changes_nothing(queue):
    assert queue.load(["a"], dry_run=True).new == ("a",)
    assert counts(queue) == {} and client.list_queues() == []
    queue.load(["a"])
    assert queue.move("park", ["a"], dry_run=True).changes == {
        "a": (QueueItemStatus.WAITING, QueueItemStatus.PARKED)
    }
    assert queue.rebuild({"a": True}, dry_run=True).moved_items == ["a"]
    assert counts(queue) == {"waiting": 1}


def test_high_priority_comes_first_and_each_in_its_order(queue):
    queue.load(["n1", "n2"])
    queue.load(["l1"], priority=Priority.LOW)
    queue.load(["h1", "h2"], priority=Priority.HIGH)
    claims = take_turn(queue, want=4).claims + take_turn(queue, want=4).claims
    assert [claim.item for claim in claims] == ["h1", "h2", "n1", "n2", "l1"]
    tokens = [claim.token for claim in claims]
    assert tokens == sorted(set(tokens))


def test_a_done_item_keeps_its_result_and_timing(queue):
    queue.load(["a"])
    held = claim(queue, "host/1")
    assert queue.item("a").worker == "host/1"
    assert take_turn(queue, "host/1", done(held, {"n": 1.5}), want=0).report_statuses == (
        QueueItemStatus.DONE,
    )
    item = queue.item("a")
    assert (item.state, item.result, item.seconds) == (QueueItemStatus.DONE, {"n": 1.5}, 0.5)
    assert item.attempts == 1 and item.until is None
    [event] = queue.events()
    assert (event.item, event.ending, event.token) == ("a", AttemptOutcome.DONE, held.token)
    assert event.begun <= event.ended


def test_the_delay_grows_with_each_failure_and_the_third_parks_the_item(queue):
    queue.load(["a"])
    for attempt, state in enumerate(
        [QueueItemStatus.FAILED, QueueItemStatus.FAILED, QueueItemStatus.PARKED], 1
    ):
        held = claim(queue)
        assert held.attempt == attempt
        answer = take_turn(queue, "w", failed(held, f"oops {attempt}"))
        assert answer.report_statuses == (state,)
        if state is QueueItemStatus.FAILED:
            assert answer.claims == () and answer.retries == 1
            assert 0 < answer.wait_seconds < 0.2
            time.sleep(answer.wait_seconds + 0.01)
    item = queue.item("a")
    assert (item.error, item.log, item.attempts) == ("oops 3", "the log", 3)
    assert take_turn(queue).claims == ()


def test_names_that_are_not_utf_8_are_reported_and_read(queue):
    queue.load(["a", "b"])
    bad = "no file d\udcff.fits"
    first, second = take_turn(queue, want=2).claims
    assert queue.heartbeat("w", first, bad)
    ends = take_turn(queue, "w", failed(first, bad), done(second, {bad: bad}), want=0)
    assert ends.report_statuses == (QueueItemStatus.FAILED, QueueItemStatus.DONE)
    assert queue.item("a").error == queue.item("a").note == "no file d?.fits"
    assert queue.item("b").result == {"no file d?.fits": "no file d?.fits"}
    assert [event.why for event in queue.events()] == ["no file d?.fits", ""]
    assert queue.move("park", [bad]).outcome is Outcome.REJECTED


@pytest.mark.parametrize("begin", [197, 198, 199, 200, 201])
def test_why_an_attempt_ended_is_not_cut_within_a_character(queue, begin):
    queue.load(["a"])
    take_turn(queue, "w", failed(claim(queue), f"{'x' * begin}→→"), want=0)
    [event] = queue.events()
    assert event.why == "x" * min(begin, 200) + ("→" if begin == 197 else "")


def test_a_dead_workers_item_is_taken_over_and_the_third_loss_parks_it(queue):
    queue.load(["a", "b"])
    first = claim(queue, "one")
    lapse(queue)
    second = claim(queue, "two")
    assert (second.item, second.attempt) == ("a", 2), "before waiting items"
    assert second.token > first.token
    assert queue.item("a").worker == "two"
    lapse(queue)
    claim(queue, "three")
    lapse(queue)
    assert claim(queue, "four").item == "b"
    item = queue.item("a")
    assert item.state is QueueItemStatus.PARKED
    assert item.error == "worker three was lost: killed, paused or cut off"
    assert [event.ending for event in queue.events()] == [AttemptOutcome.LOST] * 3


def test_a_worker_whose_item_was_taken_over_can_not_commit(queue):
    queue.load(["a"])
    old = claim(queue, "old")
    lapse(queue)
    new = claim(queue, "new")
    assert not queue.heartbeat("old", old)
    assert take_turn(queue, "old", done(old, "old"), want=0).report_statuses == (None,)
    assert take_turn(queue, "new", done(new, "new"), want=0).report_statuses == (
        QueueItemStatus.DONE,
    )
    assert take_turn(queue, "old", failed(old), want=0).report_statuses == (None,)
    assert queue.item("a").result == "new"


def test_heartbeats_keep_a_lease(queue):
    queue.load(["a"])
    held = claim(queue)
    for _ in range(6):
        time.sleep(0.1)
        assert queue.heartbeat("w", held)
        assert take_turn(queue, "other").claims == ()
    # A lease that has run out is still valid while nobody has taken over
    lapse(queue)
    assert queue.heartbeat("w", held)
    assert take_turn(queue, "other").claims == ()
    assert take_turn(queue, "w", done(held), want=0).report_statuses == (QueueItemStatus.DONE,)


def test_a_call_whose_answer_was_lost_may_be_repeated(queue):
    queue.load(["a", "b", "c"])
    first = queue.report_and_claim("w", "r1", want=2)
    assert queue.report_and_claim("w", "r1", want=2).claims == first.claims
    reports = [done(first.claims[0], 1), failed(first.claims[1])]
    second = queue.report_and_claim("w", "r2", reports)
    again = queue.report_and_claim("w", "r2", reports)
    assert (
        again.report_statuses
        == second.report_statuses
        == (QueueItemStatus.DONE, QueueItemStatus.FAILED)
    )
    assert again.claims == second.claims
    assert queue.item("b").attempts == 1
    assert len(queue.events()) == 2


def test_a_returned_item_comes_first_and_counts_no_attempt(queue):
    queue.load(["a", "b"])
    held = claim(queue)
    answer = take_turn(queue, "w", AttemptReport(held, AttemptOutcome.RETURNED), want=0)
    assert answer.report_statuses == (QueueItemStatus.WAITING,)
    again = claim(queue)
    assert (again.item, again.attempt) == ("a", 1)
    assert again.token > held.token


def test_a_person_moves_items(queue):
    queue.load("abcde")
    held = claim(queue)
    parked = queue.move("park", ["a", "b", "z"], why="look at it")
    assert parked.changes == {
        "a": (QueueItemStatus.RUNNING, QueueItemStatus.PARKED),
        "b": (QueueItemStatus.WAITING, QueueItemStatus.PARKED),
        "z": (None, None),
    }
    assert parked.outcome is Outcome.PARTIAL
    assert "not on the queue: z" in str(parked)
    assert queue.item("b").error == "look at it"
    assert not queue.heartbeat("w", held), "its worker learns it"
    assert take_turn(queue, "w", done(held), want=0).report_statuses == (None,)
    assert queue.move("cancel", ["b", "c"]).moved_items == ["b", "c"]
    assert claim(queue).item == "d"
    assert queue.move("requeue", ["a", "c", "d"]).moved_items == ["a", "c"], "a running item stays"
    assert queue.item("a").attempts == 0 and queue.item("a").error == ""
    assert [claim(queue).item for _ in range(3)] == ["e", "a", "c"]
    assert queue.move("requeue", ["z"]).outcome is Outcome.REJECTED
    assert queue.names(QueueItemStatus.CANCELLED) == ["b"]


def test_a_drained_queue_gives_out_nothing_but_takes_reports(queue):
    queue.load(["a", "b"])
    held = claim(queue)
    queue.drain()
    answer = take_turn(queue, "w", done(held))
    assert answer.is_draining and queue.is_draining
    assert answer.report_statuses == (QueueItemStatus.DONE,) and answer.claims == ()
    queue.drain(False)
    assert claim(queue).item == "b"


def test_rebuilt_from_what_is_on_disk(queue):
    queue.load(["on disk", "not on disk", "both", "runs"])
    for item in ("not on disk", "both"):
        queue.move("park", [name for name in queue.names(QueueItemStatus.WAITING) if name != item])
        take_turn(queue, "w", done(claim(queue)), want=0)
        queue.move("requeue", queue.names(QueueItemStatus.PARKED))
    queue.move("park", ["on disk"])
    assert claim(queue).item == "runs"
    moved = queue.rebuild(
        {
            "on disk": True,
            "not on disk": False,
            "both": True,
            "runs": True,
            "new": False,
            "old": True,
        }
    )
    assert moved.changes == {
        "on disk": (QueueItemStatus.PARKED, QueueItemStatus.DONE),
        "not on disk": (QueueItemStatus.DONE, QueueItemStatus.WAITING),
        "both": (QueueItemStatus.DONE, QueueItemStatus.DONE),
        "runs": (QueueItemStatus.RUNNING, QueueItemStatus.RUNNING),
        "new": (None, QueueItemStatus.WAITING),
        "old": (None, QueueItemStatus.DONE),
    }
    assert str(moved) == (
        "1 parked → done; 1 done → waiting; 1 new → waiting; 1 new → done; "
        "1 done unchanged; 1 running unchanged"
    )


def test_the_wait_for_work_ends_when_an_item_comes(queue):
    wakeup_id = take_turn(queue).wakeup_id
    timer = threading.Timer(0.3, queue.load, [["a"]])
    timer.start()
    began = time.monotonic()
    queue.wait_for_work(wakeup_id, 30)
    assert time.monotonic() - began < 15
    timer.join()
    assert claim(queue).item == "a"
    queue.wait_for_work(wakeup_id, 30)  # Items that came before do not need a wait


def test_memory_is_bounded(server):
    policy = QueuePolicy(keep_done=5, keep_events=10)
    with Queue("trial", policy=policy) as queue:
        queue.load(f"i{n}" for n in range(600))
        while claims := take_turn(queue, want=32).claims:
            take_turn(queue, "w", *(done(claim, "x" * 100_000) for claim in claims), want=0)
        assert counts(queue) == {"done": 600}
        assert queue.item("i599").result == {"left_out_bytes": 100_002}
        assert queue.item("i0").state is QueueItemStatus.DONE and queue.item("i0").result is None
        assert queue.load(["i0"]).new == (), "a done item is never forgotten"
        assert len(queue.events()) < 300
        assert len(queue.client.keys("*item*")) == 5
        queue.deregister("w")
        assert len(queue.client.keys("*")) == 13
        stream = "kpfnb:{trial}:ready:normal"
        assert queue.client.xlen(stream) == 0
        assert queue.client.xinfo_groups(stream)[0]["consumers"] == 0


def test_only_the_outcome_of_a_result_that_is_too_large_is_kept(queue):
    queue.load(["a"])
    large = {"outcome": "partial", "reason": "x" * 100_000}
    take_turn(queue, "w", done(claim(queue), large), want=0)
    assert queue.item("a").result == {"outcome": "partial", "left_out_bytes": 100_036}


def test_workers_that_disappeared_are_removed(queue):
    queue.load(["a"])
    take_turn(queue, "gone", done(claim(queue, "gone")), want=0)
    queue.client.zadd("kpfnb:{trial}:workers", {"gone": 1000})
    take_turn(queue, "present")
    assert queue.client.zrange("kpfnb:{trial}:workers", 0, -1) == ["present"]
    consumers = queue.client.xinfo_consumers("kpfnb:{trial}:ready:normal", "workers")
    assert "gone" not in [consumer["name"] for consumer in consumers]
    assert not queue.client.exists("kpfnb:{trial}:worker:gone")


def test_after_a_restart_of_the_server_workers_have_time_for_a_heartbeat(server):
    with Queue("trial", policy=QueuePolicy(lease_seconds=100, heartbeat_seconds=1)) as queue:
        queue.load(["a"])
        claim(queue)
        queue.client.zadd("kpfnb:{trial}:state:running", {"a": 1000})
        assert take_turn(queue, "other").claims == ()


def test_tokens_grow_even_if_the_server_lost_its_memory(queue):
    queue.load(["a"])
    before = claim(queue).token
    queue.client.flushall()
    queue.load(["a"])
    assert claim(queue).token > before


def test_items_of_a_state_with_their_times(queue):
    queue.load(["a", "b", "c"])
    held = claim(queue)
    [running] = queue.items(QueueItemStatus.RUNNING)
    assert running.until > running.since
    assert [item.name for item in queue.items(QueueItemStatus.WAITING, limit=1)] == ["c"]
    assert running.to_dict()["since"].endswith("Z")
    take_turn(queue, "w", failed(held), want=0)
    [failed_item] = queue.items(QueueItemStatus.FAILED)
    assert failed_item.until > failed_item.since


def test_an_unknown_item_is_a_clear_error(queue):
    with pytest.raises(InvalidInputError, match="queue trial has no item 'x'"):
        queue.item("x")


def test_another_layout_is_refused(queue):
    queue.client.set("kpfnb:{trial}:layout", "99")
    with pytest.raises(InvalidInputError, match="created by another version"):
        Queue("trial")


def test_a_server_that_is_full_says_so(queue):
    queue.client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(ServiceUnavailableError, match=r"refuses.*maxmemory"):
            queue.load(f"item {n} {'x' * 500}" for n in range(5000))
    finally:
        queue.client.config_set("maxmemory", "0")
