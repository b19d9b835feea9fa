"""`map_items`, in this process and on workers."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from kpfnb.compute import clusters, distributor, resources
from kpfnb.compute.item_map import map_items
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.result import Outcome
from tests.compute import functions
from tests.waiting import wait_for

# In this process


def test_few_items_run_here() -> None:
    outcomes = map_items(functions.pid_of, ["a", "b"])
    assert outcomes.values() == [os.getpid()] * 2
    assert [part.key for part in outcomes] == ["a", "b"]
    assert outcomes.outcome is Outcome.SUCCEEDED


def test_nothing_to_do() -> None:
    outcomes = map_items(functions.double, [])
    assert list(outcomes) == []
    assert outcomes.outcome is Outcome.SUCCEEDED


def test_failure_is_in_the_outcomes() -> None:
    outcomes = map_items(functions.fail_odd, range(4), key=lambda n: f"item {n}")
    assert outcomes.outcome is Outcome.PARTIAL
    assert [part.key for part in outcomes.failed] == ["item 1", "item 3"]
    assert outcomes[1].error == "ValueError: 1 is odd"
    assert "in fail_odd" in outcomes[1].traceback
    assert outcomes[0].traceback == ""


def test_exit_of_an_item_is_a_failure() -> None:
    assert map_items(functions.leave, [1])[0].error == "SystemExit: 3"


def test_retries_here(tmp_path: Path, no_backoff: None) -> None:
    tasks = [(tmp_path / "a", 3), (tmp_path / "b", 9)]
    outcomes = map_items(functions.count_to, tasks, retries=2)
    assert [part.attempts for part in outcomes] == [3, 3]
    assert [part.outcome for part in outcomes] == [Outcome.SUCCEEDED, Outcome.FAILED]


def test_interrupt_here_keeps_what_was_done(caplog: pytest.LogCaptureFixture) -> None:
    def stop_at_two(number: int) -> int:
        if number == 2:
            raise KeyboardInterrupt
        return number

    outcomes = map_items(stop_at_two, range(5))
    assert outcomes.interrupted
    assert [str(part.outcome) for part in outcomes] == [
        "succeeded",
        "succeeded",
        "failed",
        "skipped",
        "skipped",
    ]
    assert "stopped by Ctrl-C: 2 of 5 done, 1 failed, 2 not started" in caplog.text


def test_load_ceiling_here(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([150.0, 120.0, 40.0])
    seen: list[float] = []
    monkeypatch.setattr(resources, "READ_EVERY_SECONDS", 0.0)

    def read() -> float:
        seen.append(next(loads, 40.0))
        return seen[-1]

    monkeypatch.setattr(resources, "load_percent", read)
    outcomes = map_items(lambda item: list(seen), [1], max_load=80)
    assert outcomes[0].value[:3] == [150.0, 120.0, 40.0]


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout_seconds": 0},
        {"memory_bytes": -1},
        {"workers": 0},
        {"max_load": 0},
        {"nice": 20},
        {"nice": 5, "isolate": False},
        {"timeout_seconds": 5, "isolate": False},
        {"memory_bytes": 1 << 60},
    ],
)
def test_impossible_limits(limits: dict) -> None:
    done: list[int] = []
    with pytest.raises(InvalidParameterError):
        map_items(done.append, [1], **limits)
    assert done == []


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpfnb.compute.item_tracker.backoff_seconds", lambda attempt: 0.0)


# On workers


def test_quick_items_go_in_batches(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    pickle_batch = distributor.pickle_batch

    def count(function: Callable, items: list) -> bytes:
        sizes.append(len(items))
        return pickle_batch(function, items)

    monkeypatch.setattr(distributor, "pickle_batch", count)
    outcomes = map_items(functions.double, range(3000), isolate=True)
    assert outcomes.values() == [2 * number for number in range(3000)]
    assert max(sizes) > 20
    assert len(sizes) < 1500


def test_isolated_items_run_elsewhere(cluster: None) -> None:
    pids = map_items(functions.pid_of, range(4), isolate=True).values()
    assert os.getpid() not in pids


def test_long_work_moves_to_workers(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpfnb.compute.item_map.PROBE_SECONDS", 0.0)
    outcomes = map_items(lambda item: (time.sleep(0.1), os.getpid())[1], range(12))
    assert outcomes[0].value == os.getpid()
    assert outcomes[11].value != os.getpid()


def test_a_lambda_is_sent_too(cluster: None) -> None:
    assert map_items(lambda x: functions.double(x) + 1, [4], isolate=True).values() == [9]


def test_failures_on_workers(cluster: None, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = map_items(functions.fail_odd, range(4), isolate=True, title="reading")
    assert [part.error for part in outcomes] == [
        "",
        "ValueError: 1 is odd",
        "",
        "ValueError: 3 is odd",
    ]
    assert "in fail_odd" in outcomes[3].traceback
    assert "reading: 1: ValueError: 1 is odd" in caplog.text


def test_retries_on_workers(cluster: None, tmp_path: Path) -> None:
    [result] = map_items(functions.count_to, [(tmp_path / "a", 2)], isolate=True, retries=1)
    assert (result.outcome, result.attempts, result.value) == (Outcome.SUCCEEDED, 2, 2)


def test_what_cannot_be_sent(cluster: None) -> None:
    back = map_items(functions.unpicklable, range(4), isolate=True)
    assert [part.outcome.is_good for part in back] == [True, False, True, False]
    assert "can't be sent back" in back[1].error
    results = map_items(functions.pid_of, [1, (i for i in "ab"), 2], isolate=True)
    assert [part.outcome.is_good for part in results] == [True, False, True]
    assert "can't be sent to a worker" in results[1].error


@pytest.mark.slow
def test_hanging_item_is_stopped(cluster: None) -> None:
    outcomes = map_items(functions.hold_the_lock, range(40), timeout_seconds=2)
    assert [part.key for part in outcomes.failed] == ["5"]
    assert outcomes[5].error == "timed out after 2 s"
    assert outcomes[5].seconds > 2


def test_children_of_a_stopped_item_die(cluster: None, tmp_path: Path) -> None:
    [result] = map_items(functions.start_children, [tmp_path], timeout_seconds=1)
    assert result.error == "timed out after 1 s"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_worker_killed_costs_only_time(cluster: None, tmp_path: Path) -> None:
    [result] = map_items(functions.die_once, [tmp_path / "died"], isolate=True)
    assert (result.outcome, result.value) == (Outcome.SUCCEEDED, "died")


def test_item_that_kills_its_workers_is_parked(cluster: None) -> None:
    outcomes = map_items(functions.die, range(300), isolate=True)
    assert [part.key for part in outcomes.failed] == ["3"]
    assert outcomes[3].error == "its worker process died 3 times"
    assert [part.value for part in outcomes if part.key != "3"] == [n for n in range(300) if n != 3]


def test_item_over_its_memory_is_stopped(cluster: None) -> None:
    outcomes = map_items(functions.take_memory, [1000, 900_000_000, 2000], memory_bytes=50_000_000)
    assert [part.outcome.is_good for part in outcomes] == [True, False, True]
    assert "its budget is 0.05 GB" in outcomes[1].error


def test_memory_bounds_how_many_run_at_once(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_bytes", lambda: 1_500_000_000)
    spans = map_items(span, range(4), memory_bytes=1_000_000_000).values()
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def span(item: object) -> tuple[float, float]:
    started = time.monotonic()
    time.sleep(0.2)
    return started, time.monotonic()


def test_niceness_is_of_the_item_only(cluster: None) -> None:
    niceness = os.nice(0)
    assert map_items(functions.niceness, [1], nice=7).values() == [min(niceness + 7, 19)]
    assert map_items(functions.niceness, range(4), isolate=True).values() == [niceness] * 4


def test_load_limit_on_workers(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    loads = iter([90.0, 90.0])
    pickle_batch = distributor.pickle_batch
    monkeypatch.setattr(resources, "READ_EVERY_SECONDS", 0.0)

    def read() -> float:
        load = next(loads, 10.0)
        started.append(f"load {load:.0f}")
        return load

    def note(function: Callable, items: list) -> bytes:
        started.append("start")
        return pickle_batch(function, items)

    monkeypatch.setattr(resources, "load_percent", read)
    monkeypatch.setattr(distributor, "pickle_batch", note)
    assert map_items(functions.double, [1], isolate=True, max_load=50).values() == [2]
    assert started.index("start") > started.index("load 10")


def test_an_item_does_not_start_a_cluster(cluster: None) -> None:
    [pids] = map_items(functions.nest, [3], isolate=True).values()
    assert len(set(pids)) == 1


def test_interrupt_on_workers_stops_hanging_items(cluster: None, tmp_path: Path) -> None:
    def interrupt() -> None:
        wait_for((tmp_path / "pids").exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    outcomes = map_items(functions.start_children, [tmp_path], isolate=True)
    thread.join()
    assert outcomes.interrupted
    assert outcomes[0].error == "stopped by Ctrl-C while running"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    # The workers can be used again
    assert map_items(functions.double, [4], isolate=True).values() == [8]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# A cluster of its own


SCRIPT = """
import sys
from pathlib import Path
from kpfnb.compute.item_map import map_items
from tests.compute import functions
from tests.waiting import wait_for

if __name__ == "__main__":
    outcomes = map_items(functions.start_children, [Path(sys.argv[1])], isolate=True)
    print(outcomes, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_orphans(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    top = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        env={**os.environ, "PYTHONPATH": str(top)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        wait_for((tmp_path / "pids").exists)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) > 4
        process.send_signal(number)
        output, _ = process.communicate(timeout=120)
    if number == signal.SIGINT:
        assert "stopped by Ctrl-C: 0 of 1 done, 1 failed, 0 not started" in output
        assert "Traceback" not in output
    wait_for(lambda: not any(is_alive(child.pid) for child in family))


def test_a_local_cluster_sees_directory_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KPFNB_TEST_VALUE", "of now")
    monkeypatch.setattr(clusters, "_shared_cluster", ContextVar("none", default=None))
    logging.getLogger("distributed").setLevel(logging.INFO)
    [place] = map_items(functions.where, [1], isolate=True, progress=False).values()
    assert place == (str(tmp_path), "of now")
    assert capfd.readouterr() == ("", "")
    assert not list(Path("work/dask").rglob("worker-*"))
