from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kpfnb.compute.services import valkey
from kpfnb.queue import tasks
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, QueueItemStatus
from kpfnb.queue.worker import MAX_CLAIMS, Worker, next_batch_size
from tests.waiting import wait_for

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_QUEUE_LEASE_SECONDS", "0.6")
    monkeypatch.setenv("KPFNB_QUEUE_HEARTBEAT_SECONDS", "0.2")
    monkeypatch.setenv("KPFNB_QUEUE_BACKOFF_SECONDS", "0.05")


@pytest.fixture
def queue(short: None, isolated: Path) -> Iterator[Queue]:
    with Queue("trial") as queue:
        yield queue
    valkey.stop_server()


@pytest.fixture
def start(queue: Queue) -> Iterator[Start]:
    """Start workers in processes of their own, which are ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def starter(task: str, *seconds: float) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "tests.queue.failing_tasks"),
                *(task, "trial", *map(str, seconds)),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(worker)
        return worker

    yield starter
    for worker in started:
        worker.kill()
        worker.communicate()


def wait_for_begin(item: str) -> int:
    """The process that works on the item, as soon as it has started."""
    path = Path(f"begun-{item}")
    wait_for(path.exists)
    pid = int(path.read_text())
    path.unlink()
    return pid


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for_end(worker: subprocess.Popen[str]) -> str:
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert "Traceback" not in err
    return out


def test_quick_items_are_all_done(queue: Queue, start: Start) -> None:
    names = [f"i{n}" for n in range(300)]
    queue.load(names)
    assert wait_for_end(start("quick", 0)) == "succeeded: 300 done\n"
    assert queue.names(QueueItemStatus.DONE).sort() == names.sort()
    assert queue.item("i7").result == "I7"
    assert {event.attempt for event in queue.events()} == {1}


def test_a_task_reports_its_progress(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    worker = start("noted", 0)
    wait_for_begin("a")
    wait_for(lambda: queue.item("a").note)
    assert queue.item("a").note == ("STARTING " + 300 * "x")[:200]
    assert queue.item("a").state is QueueItemStatus.RUNNING
    wait_for_end(worker)
    assert (queue.item("a").note, queue.item("a").state) == ("COMPLETE", QueueItemStatus.DONE)
    queue.move("requeue", ["a"])
    assert queue.item("a").note == ""


@pytest.mark.parametrize(
    ("task", "error", "log"),
    [
        ("crash", "the task's process was killed by SIGSEGV", "last words"),
        ("vanish", "the task's process ended with code 7", ""),
        ("leave", "SystemExit: I leave", "SystemExit: I leave"),
        ("unreadable", "RuntimeError: d?.fits is not a FITS file", "d\\udcff.fits is not a FITS"),
    ],
)
def test_a_task_that_ends_its_process_is_parked_with_the_end_of_its_log(
    queue: Queue, start: Start, task: str, error: str, log: str
) -> None:
    queue.load(["a"])
    assert wait_for_end(start(task, 0)) == "failed: 3 failed\n"
    item = queue.item("a")
    assert (item.state, item.attempts, item.error) == (QueueItemStatus.PARKED, 3, error)
    assert log in item.log


def test_the_outcome_of_a_result_counts(queue: Queue, start: Start) -> None:
    queue.load(["succeeded", "partial", "failed", "skipped"])
    assert wait_for_end(start("judged", 0)) == "partial: 2 done, 6 failed\n"
    assert queue.names(QueueItemStatus.DONE) == ["succeeded", "partial"]
    assert queue.item("partial").result == {
        "outcome": "partial",
        "reason": "it partial",
        "figures": {"frames": 3},
    }
    assert queue.item("skipped").error == "it skipped"


def test_a_task_that_blocks_everything_keeps_its_lease(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    workers = [start("greedy", 2) for _ in range(2)]
    assert sorted(map(wait_for_end, workers)) == ["succeeded: 1 done\n", "succeeded: no work\n"]
    assert [event.ending for event in queue.events()] == [AttemptOutcome.DONE]


def test_a_paused_worker_loses_its_item_and_can_not_commit(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    paused = start("publish", 0)
    wait_for_begin("a")
    paused.send_signal(signal.SIGSTOP)
    assert wait_for_end(start("publish", 1)) == "succeeded: 1 done\n"
    paused.send_signal(signal.SIGCONT)
    assert wait_for_end(paused) == "succeeded: 1 lost\n"
    assert [path.name for path in Path.cwd().glob("published*")] == ["published-a-2"]
    assert [event.ending for event in queue.events()] == [AttemptOutcome.LOST, AttemptOutcome.DONE]


def test_a_paused_task_loses_its_item(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    worker = start("medium", 1)
    os.kill(wait_for_begin("a"), signal.SIGSTOP)
    assert wait_for_end(worker) == "succeeded: 1 done, 1 lost\n"
    assert queue.item("a").attempts == 2


def test_a_killed_workers_task_ends_and_its_item_is_taken_over(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    killed = start("parent")
    task = wait_for_begin("a")
    killed.kill()
    wait_for(lambda: gone(task))
    assert wait_for_end(start("medium", 1)) == "succeeded: 1 done\n"
    assert queue.item("a").attempts == 2


def test_a_stopped_worker_finishes_its_item(queue: Queue, start: Start) -> None:
    queue.load(["a", "b"])
    worker = start("medium")
    wait_for_begin("a")
    worker.send_signal(signal.SIGTERM)
    assert wait_for_end(worker) == "succeeded: 1 done\n"
    assert queue.item("a").result == "finished"
    assert queue.item("b").attempts == 0


def test_a_stopped_worker_returns_an_item_that_takes_too_long(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    worker = start("parent", 1000, 0.3)
    task = wait_for_begin("a")
    child = int(Path("child-a").read_text())
    worker.send_signal(signal.SIGTERM)
    assert wait_for_end(worker) == "succeeded: 1 returned\n"
    wait_for(lambda: gone(task) and gone(child))
    assert (queue.item("a").state, queue.item("a").attempts) == (QueueItemStatus.WAITING, 0)
    # After a second signal it does not wait
    second = start("long", 1000, 1000)
    wait_for_begin("a")
    second.send_signal(signal.SIGTERM)
    # Two signals at the same time would count as one, and nothing shows that the first was handled
    time.sleep(0.3)
    second.send_signal(signal.SIGTERM)
    assert wait_for_end(second) == "succeeded: 1 returned\n"


def test_a_worker_stopped_while_it_waits_leaves_at_once(queue: Queue, start: Start) -> None:
    worker = start("long")
    wait_for(lambda: queue.client.info("clients")["blocked_clients"])
    worker.send_signal(signal.SIGTERM)
    assert wait_for_end(worker) == "succeeded: no work\n"
    assert queue.client.zcard("kpfnb:{trial}:workers") == 0


class StoppedAtTheEndOfWaiting(Worker):
    """A signal arrives after the wait, while the worker still counts as waiting."""

    is_waiting = False

    @property
    def _waiting(self) -> bool:
        return self.is_waiting

    @_waiting.setter
    def _waiting(self, value: bool) -> None:
        if self.is_waiting and not self._is_stopping:
            self._stop()
        self.is_waiting = value


def test_a_worker_stopped_at_the_end_of_a_wait_leaves(queue: Queue) -> None:
    queue.wait_for_work = lambda *_: None  # type: ignore[method-assign, assignment]
    summary = StoppedAtTheEndOfWaiting(queue, tasks.find_task("test"), idle_seconds=300).run()
    assert summary.reason


def test_the_task_of_a_cancelled_item_is_killed(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    worker = start("long", 0.5)
    task = wait_for_begin("a")
    queue.move("cancel", ["a"])
    wait_for(lambda: gone(task))
    assert wait_for_end(worker) == "succeeded: 1 lost\n"
    assert queue.item("a").state is QueueItemStatus.CANCELLED


def test_the_workers_of_a_drained_queue_leave(queue: Queue, start: Start) -> None:
    queue.load(["a", "b"])
    worker = start("medium")
    wait_for_begin("a")
    queue.drain()
    assert wait_for_end(worker) == "succeeded: 1 done\n"
    assert queue.item("b").state is QueueItemStatus.WAITING


def test_a_waiting_worker_takes_new_items_and_does_not_poll(queue: Queue, start: Start) -> None:
    worker = start("quick", 1.5)
    wait_for(lambda: queue.client.info("clients")["blocked_clients"])
    before = queue.client.info("stats")["total_commands_processed"]
    time.sleep(1)
    asked = queue.client.info("stats")["total_commands_processed"] - before
    assert asked < 10, "it waits and does not poll"
    queue.load(["a"])
    assert wait_for_end(worker) == "succeeded: 1 done\n"


def test_a_dead_server_is_restarted_and_the_report_made(queue: Queue, start: Start) -> None:
    queue.load(["a"])
    worker = start("medium", 0)
    wait_for_begin("a")
    pid = valkey.server_status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert wait_for_end(worker) == "succeeded: 1 done\n"
    assert queue.item("a").state is QueueItemStatus.DONE
    assert valkey.server_status().pid not in (pid, None)


@pytest.mark.slow
def test_with_the_default_lease_a_killed_workers_item_is_done_within_a_minute(
    queue: Queue, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEASE", "HEARTBEAT", "BACKOFF"):
        monkeypatch.delenv(f"KPFNB_QUEUE_{name}_SECONDS")
    queue.load(["a"])
    killed = start("long")
    wait_for_begin("a")
    killed.kill()
    killed_at = time.monotonic()
    other = start("medium", 100)
    wait_for(lambda: queue.item("a").state is QueueItemStatus.DONE, 60)
    print(f"recovered after {time.monotonic() - killed_at:.1f} s")
    other.send_signal(signal.SIGTERM)
    assert wait_for_end(other) == "succeeded: 1 done\n"


@pytest.mark.parametrize(
    ("last", "seconds", "number"),
    [(1, 100, 1), (1, 0.04, 1), (1, 0.01, 2), (2, 0.001, 4), (32, 0.001, MAX_CLAIMS), (8, 1, 1)],
)
def test_only_quick_items_are_claimed_ahead(last: int, seconds: float, number: int) -> None:
    assert next_batch_size(last, seconds) == number


def test_a_final_failure_is_parked_at_once(queue: Queue, start: Start) -> None:
    queue.load(["failed", "succeeded"])
    start("final", 0).communicate(timeout=60)
    item = queue.item("failed")
    assert (item.state, item.attempts, item.error) == (QueueItemStatus.PARKED, 1, "it failed")
    assert queue.item("succeeded").state is QueueItemStatus.DONE


def test_an_item_with_nothing_to_do_is_done_if_that_is_final(queue: Queue, start: Start) -> None:
    queue.load(["skipped"])
    start("final", 0).communicate(timeout=60)
    item = queue.item("skipped")
    assert (item.state, item.result["outcome"]) == (QueueItemStatus.DONE, "skipped")
