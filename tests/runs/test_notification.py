from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kpfnb.core.result import Outcome
from kpfnb.core.settings import load_settings
from kpfnb.runs import RunRecord
from kpfnb.runs.notification import fill_places, is_told, notify_of_end

WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(' | '.join(sys.argv[2:]))"


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return RunRecord(
        "1a2b", "progress", "2024-01-15T00:00:00Z", outcome=Outcome.FAILED,
        reason="no {run}; $(touch x)", seconds=3, directory=tmp_path,
    )  # fmt: skip


def set_command(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("KPFNB_NOTIFY_COMMAND", command)


@pytest.mark.parametrize(
    ("outcome", "seconds", "parent", "expected"),
    [
        (Outcome.FAILED, 1, "", True),
        (Outcome.PARTIAL, 1, "", True),
        (Outcome.CRASHED, 1, "", True),
        (Outcome.REJECTED, 1, "", True),
        (Outcome.SUCCEEDED, 1799, "", False),
        (Outcome.SUCCEEDED, 1800, "", True),
        (Outcome.SKIPPED, 1, "", False),
        (Outcome.FAILED, 1, "of a pipeline", False),
        (None, 9999, "", False),
    ],
)
def test_failures_are_told_always_and_good_runs_if_they_were_long(
    record: RunRecord, outcome: Outcome, seconds: float, parent: str, expected: bool
) -> None:
    ended = replace(record, outcome=outcome, seconds=seconds, parent=parent)
    assert is_told(ended, load_settings(notify_command="mail")) is expected
    assert not is_told(ended, load_settings())


def test_no_shell_and_no_place_within_a_value(record: RunRecord) -> None:
    given = ["mail", "-s", "{notebook}: {outcome}", "{reason} {other} {run}"]
    assert fill_places(given, record, record.directory / "report.html") == [
        "mail", "-s", "progress: failed", "no {run}; $(touch x) {other} 1a2b",
    ]  # fmt: skip


def test_the_command_runs(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "report.html").touch()
    told = tmp_path / "told"
    command = [sys.executable, "-c", f'"{WRITE}"', str(told), "{outcome}", "{report}"]
    set_command(monkeypatch, " ".join(command))
    notify_of_end(record)
    assert told.read_text() == f"failed | {tmp_path / 'report.html'}"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/nowhere/mail", "No such file"),
        (f"{sys.executable} -c \"import sys; sys.exit('not sent')\"", "exit code 1: not sent"),
    ],
)
def test_what_fails_of_it_stands_in_the_log(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    set_command(monkeypatch, command)
    notify_of_end(record)
    assert message in (record.directory / "log.txt").read_text()


def test_a_disk_that_is_gone_is_no_error(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_command(monkeypatch, "/nowhere/mail")
    notify_of_end(replace(record, directory=tmp_path / "gone"))
