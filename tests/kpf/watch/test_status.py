"""What can be seen of a watcher from outside."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.kpf.watch import status
from kpfnb.kpf.watch.status import WatcherReport, WatcherStatus

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def running(tmp_path: Path) -> WatcherReport:
    return WatcherReport(
        name="process",
        root="/data",
        pid=os.getpid(),
        host=socket.gethostname(),
        since="2024-01-15T10:00:00Z",
        heartbeat="2024-01-15T12:00:00Z",
        failing=(("/data/a", "why"),),
        folder=str(status.watcher_dir(tmp_path, "process")),
    )


def test_it_is_read_as_it_was_written(running: WatcherReport, tmp_path: Path) -> None:
    status.write_report(replace(running, life=WatcherStatus.STOPPED))
    assert list(status.read_reports(tmp_path)) == [replace(running, life=WatcherStatus.STOPPED)]
    assert list(status.read_reports(tmp_path, "ingest")) == []


def test_a_watcher_with_process_and_heartbeat_is_running(running: WatcherReport) -> None:
    assert status.check_liveness(running, NOW + timedelta(seconds=50)).life is WatcherStatus.RUNNING


def test_one_without_a_heartbeat_does_not_answer(running: WatcherReport) -> None:
    report = status.check_liveness(running, NOW + timedelta(seconds=70))
    assert (report.life, report.outcome) == (WatcherStatus.SILENT, Outcome.CRASHED)


def test_a_watcher_without_its_process_is_dead(running: WatcherReport) -> None:
    report = status.check_liveness(replace(running, pid=2**22 + 1, in_work=("a",)), NOW)
    assert (report.life, report.in_work, report.outcome) == (
        WatcherStatus.DIED,
        (),
        Outcome.CRASHED,
    )


def test_on_another_host_only_the_heartbeat_counts(running: WatcherReport) -> None:
    elsewhere = replace(running, pid=2**22 + 1, host="elsewhere")
    assert status.check_liveness(elsewhere, NOW).life is WatcherStatus.RUNNING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"life": "odd"}'])
def test_a_damaged_status_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "watch/process/status.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"status\.json"):
        list(status.read_reports(tmp_path))


def test_what_needs_a_person(running: WatcherReport) -> None:
    assert running.outcome is Outcome.PARTIAL
    assert replace(running, failing=()).outcome is Outcome.SUCCEEDED
    assert replace(running, failing=(), trouble="the disk is full").outcome is Outcome.PARTIAL
