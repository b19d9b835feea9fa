from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kpfnb.compute.services import valkey
from kpfnb.core.errors import InvalidParameterError
from kpfnb.queue import worker_pool
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItemStatus
from tests.queue.conftest import pid_of_worker
from tests.waiting import wait_for


@pytest.fixture
def queue(isolated: Path) -> Iterator[Queue]:
    with Queue("trial") as queue:
        yield queue
    valkey.stop_server()


def start(*arguments: str, before: str = "") -> subprocess.Popen[str]:
    script = f"{before}\nfrom kpfnb.cli.app import main; main()"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, "worker", "test", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers(queue: Queue) -> list[int]:
    return [pid_of_worker(item.worker) for item in queue.items(QueueItemStatus.RUNNING)]


def test_one_worker_leaves_a_file_for_each_item(queue: Queue, tmp_path: Path) -> None:
    queue.load(["a/b", "c"])
    summary = worker_pool.run_worker_pool("test", "trial", options={"sleep": "0"}, idle_seconds=0)
    assert summary.reason == "2 done"
    assert summary.to_dict()["attempts"]["done"] == 2
    files = sorted(path.name for path in (tmp_path / "work/queues/trial").iterdir())
    assert files == ["a%2Fb.json", "c.json"]


def test_a_killed_worker_is_replaced(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_QUEUE_LEASE_SECONDS", "0.5")
    monkeypatch.setenv("KPFNB_QUEUE_HEARTBEAT_SECONDS", "0.1")
    queue.load(["a", "b"])
    process = start("--queue=trial", "--count=2", "--idle=1", "--sleep=1.5")
    wait_for(lambda: len(workers(queue)) == 2)
    os.kill(workers(queue)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "succeeded: 2 done\n")
    assert "is replaced" in err


def test_a_stopped_pool_returns_all_items(queue: Queue) -> None:
    queue.load(["a", "b"])
    process = start("--queue=trial", "--count=2", "--sleep=100", "--grace=0.2")
    wait_for(lambda: len(workers(queue)) == 2)
    pids = workers(queue)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "succeeded: 2 returned\n")
    assert not any(map(psutil.pid_exists, pids))
    assert sorted(queue.names(QueueItemStatus.WAITING)) == ["a", "b"]


STOPPED_EARLY = """
import os, signal
real = os.fork
def fork():
    os.fork = real
    os.kill(os.getpid(), signal.SIGTERM)
    return real()
os.fork = fork
"""


def test_a_pool_stopped_during_its_start_leaves_no_worker_behind(queue: Queue) -> None:
    process = start("--queue=trial", "--count=2", "--idle=300", before=STOPPED_EARLY)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.communicate()
        raise
    assert (process.returncode, err) == (0, "")
    assert out


def test_the_workers_of_a_killed_pool_return_their_items(queue: Queue) -> None:
    queue.load(["a", "b"])
    process = start("--queue=trial", "--count=2", "--sleep=100", "--grace=0.2")
    wait_for(lambda: len(workers(queue)) == 2)
    process.kill()
    process.communicate()
    wait_for(lambda: len(queue.names(QueueItemStatus.WAITING)) == 2)
    assert queue.item("a").attempts == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "tets"}, "no task 'tets'"),
        ({"task": "test", "queue": "a b"}, "queue 'a b' is not a valid name"),
        ({"task": "test", "options": {"slep": 1}}, "unknown parameter 'slep'"),
        ({"task": "test", "options": {"sleep": "long"}}, "sleep: must be a number"),
    ],
)
def test_errors_are_raised_before_any_work(arguments, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        worker_pool.run_worker_pool(**arguments)
