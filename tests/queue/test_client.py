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


def turn(queue, worker="w", *reports, want=1):
    return queue.turn(worker, f"r{next(_requests)}", reports, want=want)


def claim(queue, worker="w") -> Claim:
    [found] = turn(queue, worker).claims
    return found


def done(claim, result=None):
    return AttemptReport(claim, AttemptOutcome.DONE, result, seconds=0.5)


def failed(claim, error="oops"):
    return AttemptReport(claim, AttemptOutcome.FAILED, error=error, log="the log", seconds=0.1)


def lapse(queue):
    """Let all leases run out; a server that has just started gives them a little more."""
    time.sleep(queue.policy.lease_seconds + 0.05)
    while queue._client.info("server")["uptime_in_seconds"] < queue.policy.lease_seconds:
        time.sleep(0.05)


def counts(queue):
    return {str(state): count for state, count in queue.counts().items() if count}


def test_each_item_once_and_said_how_many_were_new(queue):
    loaded = queue.load(["a", " b ", "a", "c"])
    assert (loaded.new, str(loaded)) == (("a", "b", "c"), "3 of 3 new")
    turn(queue, "w", done(claim(queue)), want=0)
    again = queue.load(["c", "a", "d"])
    assert again.new == ("d",)
    assert again.known == {QueueItemStatus.WAITING: 1, QueueItemStatus.DONE: 1}
    assert str(again) == "1 of 3 new; known already: 1 waiting, 1 done"
    assert counts(queue) == {"waiting": 3, "done": 1}
    assert client.list_queues() == ["trial"]


def test_a_dry_run_changes_nothing(queue):
    assert queue.load(["a"], dry_run=True).new == ("a",)
    assert counts(queue) == {} and client.list_queues() == []
    queue.load(["a"])
    assert queue.move("park", ["a"], dry_run=True).changes == {
        "a": (QueueItemStatus.WAITING, QueueItemStatus.PARKED)
    }
    assert queue.rebuild({"a": True}, dry_run=True).moved == ["a"]
    assert counts(queue) == {"waiting": 1}


def test_high_priority_comes_first_and_each_in_its_order(queue):
    queue.load(["n1", "n2"])
    queue.load(["l1"], priority=Priority.LOW)
    queue.load(["h1", "h2"], priority=Priority.HIGH)
    given = turn(queue, want=4).claims + turn(queue, want=4).claims
    assert [one.item for one in given] == ["h1", "h2", "n1", "n2", "l1"]
    tokens = [one.token for one in given]
    assert tokens == sorted(set(tokens))


def test_what_is_done_keeps_its_result_and_timing(queue):
    queue.load(["a"])
    held = claim(queue, "host/1")
    assert queue.item("a").worker == "host/1"
    assert turn(queue, "host/1", done(held, {"n": 1.5}), want=0).verdicts == (QueueItemStatus.DONE,)
    item = queue.item("a")
    assert (item.state, item.result, item.seconds) == (QueueItemStatus.DONE, {"n": 1.5}, 0.5)
    assert item.attempts == 1 and item.until is None
    [event] = queue.events()
    assert (event.item, event.ending, event.token) == ("a", AttemptOutcome.DONE, held.token)
    assert event.begun <= event.ended


def test_a_failure_rests_longer_each_time_and_the_third_is_parked(queue):
    queue.load(["a"])
    for attempt, state in enumerate(
        [QueueItemStatus.FAILED, QueueItemStatus.FAILED, QueueItemStatus.PARKED], 1
    ):
        held = claim(queue)
        assert held.attempt == attempt
        answer = turn(queue, "w", failed(held, f"oops {attempt}"))
        assert answer.verdicts == (state,)
        if state is QueueItemStatus.FAILED:
            assert answer.claims == () and answer.retries == 1
            assert 0 < answer.wait_seconds < 0.2
            time.sleep(answer.wait_seconds + 0.01)
    item = queue.item("a")
    assert (item.error, item.log, item.attempts) == ("oops 3", "the log", 3)
    assert turn(queue).claims == ()


def test_names_that_are_no_utf_8_are_reported_and_read(queue):
    queue.load(["a", "b"])
    bad = "no file d\udcff.fits"
    one, other = turn(queue, want=2).claims
    assert queue.beat("w", one, bad)
    ends = turn(queue, "w", failed(one, bad), done(other, {bad: bad}), want=0)
    assert ends.verdicts == (QueueItemStatus.FAILED, QueueItemStatus.DONE)
    assert queue.item("a").error == queue.item("a").note == "no file d?.fits"
    assert queue.item("b").result == {"no file d?.fits": "no file d?.fits"}
    assert [event.why for event in queue.events()] == ["no file d?.fits", ""]
    assert queue.move("park", [bad]).outcome is Outcome.REJECTED


@pytest.mark.parametrize("begin", [197, 198, 199, 200, 201])
def test_why_an_attempt_ended_is_not_cut_within_a_character(queue, begin):
    queue.load(["a"])
    turn(queue, "w", failed(claim(queue), f"{'x' * begin}→→"), want=0)
    [event] = queue.events()
    assert event.why == "x" * min(begin, 200) + ("→" if begin == 197 else "")


def test_a_dead_workers_item_is_taken_over_and_the_third_loss_parks_it(queue):
    queue.load(["a", "b"])
    first = claim(queue, "one")
    lapse(queue)
    second = claim(queue, "two")
    assert (second.item, second.attempt) == ("a", 2), "before what waits"
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
    assert not queue.beat("old", old)
    assert turn(queue, "old", done(old, "old"), want=0).verdicts == (None,)
    assert turn(queue, "new", done(new, "new"), want=0).verdicts == (QueueItemStatus.DONE,)
    assert turn(queue, "old", failed(old), want=0).verdicts == (None,)
    assert queue.item("a").result == "new"


def test_heartbeats_keep_a_lease(queue):
    queue.load(["a"])
    held = claim(queue)
    for _ in range(6):
        time.sleep(0.1)
        assert queue.beat("w", held)
        assert turn(queue, "other").claims == ()
    # A lease that has run out and that nobody has taken over is as good as before
    lapse(queue)
    assert queue.beat("w", held)
    assert turn(queue, "other").claims == ()
    assert turn(queue, "w", done(held), want=0).verdicts == (QueueItemStatus.DONE,)


def test_a_turn_whose_answer_got_lost_may_be_repeated(queue):
    queue.load(["a", "b", "c"])
    first = queue.turn("w", "r1", want=2)
    assert queue.turn("w", "r1", want=2).claims == first.claims
    reports = [done(first.claims[0], 1), failed(first.claims[1])]
    second = queue.turn("w", "r2", reports)
    again = queue.turn("w", "r2", reports)
    assert again.verdicts == second.verdicts == (QueueItemStatus.DONE, QueueItemStatus.FAILED)
    assert again.claims == second.claims
    assert queue.item("b").attempts == 1
    assert len(queue.events()) == 2


def test_what_is_handed_back_comes_first_and_counts_as_no_attempt(queue):
    queue.load(["a", "b"])
    held = claim(queue)
    answer = turn(queue, "w", AttemptReport(held, AttemptOutcome.RETURNED), want=0)
    assert answer.verdicts == (QueueItemStatus.WAITING,)
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
    assert not queue.beat("w", held), "its worker is told"
    assert turn(queue, "w", done(held), want=0).verdicts == (None,)
    assert queue.move("cancel", ["b", "c"]).moved == ["b", "c"]
    assert claim(queue).item == "d"
    assert queue.move("requeue", ["a", "c", "d"]).moved == ["a", "c"], "one that runs stays"
    assert queue.item("a").attempts == 0 and queue.item("a").error == ""
    assert [claim(queue).item for _ in range(3)] == ["e", "a", "c"]
    assert queue.move("requeue", ["z"]).outcome is Outcome.REJECTED
    assert queue.names(QueueItemStatus.CANCELLED) == ["b"]


def test_a_drained_queue_gives_out_nothing_but_takes_reports(queue):
    queue.load(["a", "b"])
    held = claim(queue)
    queue.drain()
    answer = turn(queue, "w", done(held))
    assert answer.draining and queue.is_draining
    assert answer.verdicts == (QueueItemStatus.DONE,) and answer.claims == ()
    queue.drain(False)
    assert claim(queue).item == "b"


def test_rebuilt_from_what_is_on_disk(queue):
    queue.load(["made", "unmade", "both", "runs"])
    for item in ("unmade", "both"):
        queue.move("park", [name for name in queue.names(QueueItemStatus.WAITING) if name != item])
        turn(queue, "w", done(claim(queue)), want=0)
        queue.move("requeue", queue.names(QueueItemStatus.PARKED))
    queue.move("park", ["made"])
    assert claim(queue).item == "runs"
    moved = queue.rebuild(
        {"made": True, "unmade": False, "both": True, "runs": True, "new": False, "old": True}
    )
    assert moved.changes == {
        "made": (QueueItemStatus.PARKED, QueueItemStatus.DONE),
        "unmade": (QueueItemStatus.DONE, QueueItemStatus.WAITING),
        "both": (QueueItemStatus.DONE, QueueItemStatus.DONE),
        "runs": (QueueItemStatus.RUNNING, QueueItemStatus.RUNNING),
        "new": (None, QueueItemStatus.WAITING),
        "old": (None, QueueItemStatus.DONE),
    }
    assert str(moved) == (
        "1 parked → done; 1 done → waiting; 1 new → waiting; 1 new → done; "
        "1 done stay so; 1 running stay so"
    )


def test_waiting_for_work_ends_when_some_comes(queue):
    bell = turn(queue).bell
    timer = threading.Timer(0.3, queue.load, [["a"]])
    timer.start()
    began = time.monotonic()
    queue.wait(bell, 30)
    assert time.monotonic() - began < 15
    timer.join()
    assert claim(queue).item == "a"
    queue.wait(bell, 30)  # What came before is not waited for


def test_memory_is_bounded(server):
    rules = QueuePolicy(keep_done=5, keep_events=10)
    with Queue("trial", policy=rules) as queue:
        queue.load(f"i{n}" for n in range(600))
        while claims := turn(queue, want=32).claims:
            turn(queue, "w", *(done(one, "x" * 100_000) for one in claims), want=0)
        assert counts(queue) == {"done": 600}
        assert queue.item("i599").result == {"left_out_bytes": 100_002}
        assert queue.item("i0").state is QueueItemStatus.DONE and queue.item("i0").result is None
        assert queue.load(["i0"]).new == (), "that it is done is never forgotten"
        assert len(queue.events()) < 300
        assert len(queue._client.keys("*item*")) == 5
        queue.deregister("w")
        assert len(queue._client.keys("*")) == 13
        stream = "kpfnb:{trial}:ready:normal"
        assert queue._client.xlen(stream) == 0
        assert queue._client.xinfo_groups(stream)[0]["consumers"] == 0


def test_of_a_result_that_is_too_large_the_outcome_is_kept(queue):
    queue.load(["a"])
    large = {"outcome": "partial", "reason": "x" * 100_000}
    turn(queue, "w", done(claim(queue), large), want=0)
    assert queue.item("a").result == {"outcome": "partial", "left_out_bytes": 100_036}


def test_workers_that_went_without_a_word_are_forgotten(queue):
    queue.load(["a"])
    turn(queue, "gone", done(claim(queue, "gone")), want=0)
    queue._client.zadd("kpfnb:{trial}:workers", {"gone": 1000})
    turn(queue, "here")
    assert queue._client.zrange("kpfnb:{trial}:workers", 0, -1) == ["here"]
    consumers = queue._client.xinfo_consumers("kpfnb:{trial}:ready:normal", "workers")
    assert "gone" not in [consumer["name"] for consumer in consumers]
    assert not queue._client.exists("kpfnb:{trial}:worker:gone")


def test_after_a_start_of_the_server_workers_have_time_to_call(server):
    with Queue("trial", policy=QueuePolicy(lease_seconds=100, heartbeat_seconds=1)) as queue:
        queue.load(["a"])
        claim(queue)
        queue._client.zadd("kpfnb:{trial}:state:running", {"a": 1000})
        assert turn(queue, "other").claims == ()


def test_tokens_grow_even_if_the_server_lost_its_memory(queue):
    queue.load(["a"])
    before = claim(queue).token
    queue._client.flushall()
    queue.load(["a"])
    assert claim(queue).token > before


def test_items_of_a_state_with_their_times(queue):
    queue.load(["a", "b", "c"])
    held = claim(queue)
    [running] = queue.items(QueueItemStatus.RUNNING)
    assert running.until > running.since
    assert [one.name for one in queue.items(QueueItemStatus.WAITING, limit=1)] == ["c"]
    assert running.to_dict()["since"].endswith("Z")
    turn(queue, "w", failed(held), want=0)
    [rests] = queue.items(QueueItemStatus.FAILED)
    assert rests.until > rests.since


def test_an_unknown_item_is_a_clear_error(queue):
    with pytest.raises(InvalidInputError, match="queue trial has no item 'x'"):
        queue.item("x")


def test_another_layout_is_refused(queue):
    queue._client.set("kpfnb:{trial}:layout", "99")
    with pytest.raises(InvalidInputError, match="made by another version"):
        Queue("trial")


def test_a_server_that_is_full_says_so(queue):
    queue._client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(ServiceUnavailableError, match=r"refuses.*maxmemory"):
            queue.load(f"item {n} {'x' * 500}" for n in range(5000))
    finally:
        queue._client.config_set("maxmemory", "0")
