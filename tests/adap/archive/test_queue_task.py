from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.adap.archive import queue_task, status, verification
from kpfnb.compute.services import valkey
from kpfnb.core.result import Outcome
from kpfnb.demo import delivery_inputs
from kpfnb.queue import tasks
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptOutcome, QueueItemStatus
from tests.waiting import wait_for

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def queue(remote: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("KPFNB_QUEUE_LEASE_SECONDS", "2")
    monkeypatch.setenv("KPFNB_QUEUE_HEARTBEAT_SECONDS", "0.5")
    monkeypatch.setenv("KPFNB_QUEUE_BACKOFF_SECONDS", "0.05")
    with Queue("archive") as result:
        yield result
    valkey.stop_server()


def worker(*options: str, **variables: str) -> subprocess.Popen[str]:
    command = "from kpfnb.cli.app import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", command, "worker", "archive", "--idle", "0", *options],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_queue_is_delivered_even_if_a_worker_is_killed(queue: Queue, remote: Path) -> None:
    assert queue_task.scan_items("archive") == dict.fromkeys(delivery_inputs.DATASETS, False)
    queue.load(delivery_inputs.DATASETS)
    # Slow enough to be met amid copying
    killed = worker(RCLONE_BWLIMIT="30k")
    first = delivery_inputs.DATASETS[0]
    wait_for(lambda: queue.item(first).note == "IN_PROGRESS", 60)
    assert queue.item(first).state is QueueItemStatus.RUNNING
    wait_for(lambda: list((remote / "manifest").rglob("*.json")), 60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    output, _ = worker().communicate(timeout=240)
    assert "succeeded: 3 done" in output, output
    items = [queue.item(name) for name in delivery_inputs.DATASETS]
    assert {(item.state, item.note) for item in items} == {(QueueItemStatus.DONE, "COMPLETE")}
    assert items[0].result["figures"]["delivered"] == 1
    assert items[0].attempts == 2
    endings = [(event.item, event.ending) for event in queue.events()]
    assert endings.count((first, AttemptOutcome.LOST)) == 1
    assert sorted(i for i, e in endings if e is AttemptOutcome.DONE) == sorted(
        delivery_inputs.DATASETS
    )
    result = verification.verify_delivery(destination="koa:", progress=False)
    assert (result.outcome, len(result.files)) == (Outcome.SUCCEEDED, 3)
    assert queue_task.scan_items("archive") == dict.fromkeys(delivery_inputs.DATASETS, True)


@pytest.mark.slow
def test_workers_with_work_directories_of_their_own_share_the_quota(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_REDIS_URL", valkey.start_and_get_url())
    queue.load(delivery_inputs.DATASETS)
    options = ("-p", "quota_gb=0.0001", "-p", "wait=false")
    workers = [worker(*options, KPFNB_WORK_DIR=str(tmp_path / name)) for name in "ab"]
    output = "".join(process.communicate(timeout=240)[0] for process in workers)
    figures = [queue.item(name).result["figures"] for name in delivery_inputs.DATASETS]
    uploaded = sum(values["MB uploaded"] for values in figures)
    assert 0.05 < uploaded <= 0.1, output
    assert status.read_status("koa:").used_bytes == pytest.approx(uploaded * 1e6, abs=3000)


def test_a_dataset_that_can_not_be_delivered_is_parked_with_the_reason(queue: Queue) -> None:
    queue.load(["x/y/2011-01-02"])
    output, _ = worker().communicate(timeout=120)
    item = queue.item("x/y/2011-01-02")
    assert item.state is QueueItemStatus.PARKED, output
    assert "x/y/2011-01-02: no dataset x/y/2011-01-02 in data:" in item.error
    assert item.attempts == 1


def test_options_of_the_command_line_are_understood() -> None:
    result = tasks.find_task("archive").check_options({"quota_gb": "700", "wait": "false"})
    assert result == {"quota_gb": 700.0, "wait": False}
