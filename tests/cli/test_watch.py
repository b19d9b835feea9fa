"""`kpfnb watch`: the words of the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.kpf.watch import registry
from kpfnb.kpf.watch.registry import HANDLERS
from kpfnb.kpf.watch.status import WatcherReport
from tests.kpf.fake_drp import fits, product

runner = CliRunner()
FAKE = f"{sys.executable} {Path(__file__).parents[1]}/kpf/fake_drp.py {{target}}"


@pytest.fixture
def l0(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", FAKE)
    monkeypatch.setenv("KPFNB_WATCH_QUIET_SECONDS", "0")
    path = isolated / "data/L0/20240115/KP.20240115.00000.00.fits"
    fits(path, {"IMTYPE": "Object", "GREEN": "YES"})
    return path


def test_process_once_then_status(l0: Path) -> None:
    done = runner.invoke(app, ["watch", "process", "--once", "--ncpus", "1"])
    assert done.exit_code == 0, done.output
    assert "process | stopped" in done.output
    assert product(l0, "L2").exists()
    status = runner.invoke(app, ["watch", "status", "process", "--json"])
    assert json.loads(status.output)["watchers"][0]["done"] == 1


def test_a_failure_is_in_the_exit_code(l0: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", f"{FAKE} nothing")
    done = runner.invoke(app, ["watch", "process", "--once"])
    assert done.exit_code == 3
    assert f"{l0} failed: 2D missing" in done.output


def test_status_fails_where_an_expected_watcher_is_not_running() -> None:
    assert runner.invoke(app, ["watch", "status"]).exit_code == 0
    done = runner.invoke(app, ["watch", "status", "--expected", "process"])
    assert done.exit_code == 1
    assert "not running: process" in done.output


def test_there_is_a_command_for_every_watcher() -> None:
    done = runner.invoke(app, ["watch", "--help"])
    for name in (*HANDLERS, "status"):
        assert name in done.output


@pytest.mark.parametrize(
    ("options", "nice"),
    [([], 0), (["--not-recent"], 15), (["--not-recent", "--nice", "0"], 0), (["--nice", "7"], 7)],
)
def test_a_niceness_that_is_given_counts(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], nice: int
) -> None:
    given = []
    serve = registry.serve_watcher

    def record(handler: registry.WatchHandler, policy: registry.WatchPolicy) -> WatcherReport:
        given.append(handler.handle.args[0].nice)  # type: ignore[attr-defined]
        return serve(handler, policy)

    monkeypatch.setattr(registry, "serve_watcher", record)
    (isolated / "data").mkdir(exist_ok=True)
    done = runner.invoke(app, ["watch", "quicklook", "--once", *options])
    assert (done.exit_code, given) == (0, [nice]), done.output
