"""Runs that are repeated and stopped from the home page: only what is meant, only one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from kpfnb import runs
from kpfnb.compute.services import valkey
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    InvalidParameterError,
    ServiceUnavailableError,
)
from kpfnb.lab import actions, home_state, run_commands
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItemStatus
from kpfnb.runs.classification import CellError, RunEndFacts

SLEEPER = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that Ctrl-C ends."""
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=-1, stderr=-3) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def record_of(process: subprocess.Popen[bytes], **changes: object) -> runs.RunRecord:
    started = psutil.Process(process.pid).create_time()
    record = replace(runs.start_run("progress"), pid=process.pid, process_started=started)
    record = replace(record, **changes)
    runs.write_record(record)
    return record


def failed_run(notebook: str, **changes: object) -> runs.RunRecord:
    record = runs.start_run(notebook, **changes)
    return runs.finish_run(record, RunEndFacts(error=CellError(1, "ValueError", "no")))


def test_a_run_is_stopped_as_by_ctrl_c(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper)
    assert run_commands.stop_run(record.id) == f"progress {record.id}: asked to stop"
    assert sleeper.wait(10) == -signal.SIGINT or sleeper.returncode == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "elsewhere"}, "runs on elsewhere"),
        ({"parent": "1234"}, "is a step of a pipeline"),
        ({"process_started": 1.0}, "has ended already: crashed"),
    ],
)
def test_another_process_is_never_stopped(
    sleeper: subprocess.Popen[bytes], changes: dict[str, object], words: str
) -> None:
    record = record_of(sleeper, **changes)
    with pytest.raises(InvalidInputError, match=words):
        run_commands.stop_run(record.id)
    assert sleeper.poll() is None


def test_a_process_of_another_user_is_not_stopped(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = record_of(sleeper)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(InvalidInputError, match="belongs to"):
        run_commands.stop_run(record.id)
    assert sleeper.poll() is None


def test_a_run_that_has_ended_or_is_unknown_is_not_stopped() -> None:
    with pytest.raises(InvalidInputError, match="has ended already: failed"):
        run_commands.stop_run(failed_run("progress").id)
    with pytest.raises(InvalidInputError, match="no run"):
        run_commands.stop_run("")


def test_retry_has_the_same_parameters_and_no_command_of_the_record() -> None:
    record = failed_run("progress", parameters={"start": "20240101"}, command=["touch", "evil"])
    assert run_commands.retry_arguments(record) == ["run", "progress", "-p", "start=20240101"]
    pipeline = failed_run("pipeline-night", kind="pipeline", parameters={"night": "20240101"})
    arguments = run_commands.retry_arguments(pipeline)
    assert arguments == ["pipeline", "run", "night", "--resume", "-p", "night=20240101"]


@pytest.mark.parametrize("kind", ["notebook", "pipeline"])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil.ipynb", "evil.yml", "--file=x", ""])
def test_only_what_belongs_to_the_project_is_started(name: str, kind: str) -> None:
    record = failed_run("progress")
    runs.write_record(replace(record, notebook=name, kind=kind))
    with pytest.raises(InvalidInputError, match="is not the name of a notebook or pipeline"):
        run_commands.retry_run(record.id)


def test_an_unknown_notebook_or_value_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no notebook"):
        run_commands.retry_run(failed_run("unknown").id)
    with pytest.raises(InvalidParameterError, match="night"):
        run_commands.start_notebook("tonight", {"night": "x"})


def test_the_same_is_not_started_twice(sleeper: subprocess.Popen[bytes]) -> None:
    failed = failed_run("progress", parameters={"start": "20240101"})
    record_of(sleeper, parameters={"start": "20240101"})
    with pytest.raises(AlreadyRunningError, match="with these parameters is running"):
        run_commands.retry_run(failed.id)


@pytest.mark.slow
def test_a_run_is_repeated_in_the_background() -> None:
    failed = failed_run("home", parameters={"days": 3})
    assert run_commands.retry_run(failed.id) == "Started: kpfnb run home -p days=3"
    deadline = time.monotonic() + 60
    where = failed.directory.parents[1]
    while time.monotonic() < deadline:
        [newest, *_] = runs.list_runs(where, notebook="home")
        if newest.outcome and newest.id != failed.id:
            break
        time.sleep(0.2)
    assert (str(newest.outcome), newest.parameters) == ("succeeded", {"days": 3})


def test_an_item_of_a_queue_waits_again() -> None:
    with pytest.raises(ServiceUnavailableError, match="no queue server runs here"):
        run_commands.requeue_item("hall", "a")
    assert not valkey.server_status().running
    try:
        with Queue("hall") as queue:
            queue.load(["a"])
            queue.move("park", ["a"])
            assert "1 parked → waiting" in run_commands.requeue_item("hall", "a")
            assert queue.item("a").state is QueueItemStatus.WAITING
    finally:
        valkey.stop_server()


@pytest.mark.parametrize(("name", "part"), [("requeue", "queues"), ("stop", "runs")])
def test_the_state_after_an_action_is_new(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = home_state.HomeState()
    monkeypatch.setattr(actions, "shared_state", lambda: state)
    values = iter(["before", "after"])
    state.parts[part] = home_state.StatePart(lambda _: next(values), 1000)
    assert state.parts[part].get()["value"] == "before"
    monkeypatch.setitem(actions.ACTIONS, name, lambda _: "done")
    assert actions.do_action(name, {}) == "done"
    assert state.parts[part].get()["value"] == "after"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"1"])
def test_a_request_is_a_json_object(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        run_commands.parse_body(body)
