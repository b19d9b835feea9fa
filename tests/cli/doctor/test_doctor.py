"""`kpfnb doctor`: settings with their origin, checks, exit code; plain where it is piped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.cli.doctor import checks, diagnose
from kpfnb.cli.doctor.diagnosis import CheckStatus, Diagnosis, HealthCheck, describe_settings
from kpfnb.core import settings

runner = CliRunner()


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is present except the junk list, which is only a warning."""
    (tmp_path / "data/L0/20240115").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/one.ipynb").touch()
    monkeypatch.setenv("KPFNB_DRP_COMMAND", "true {target}")


@pytest.mark.usefixtures("healthy")
def test_a_warning_is_no_problem() -> None:
    done = runner.invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "warning  no junk list" in done.output
    assert "  problem  " not in done.output


@pytest.mark.usefixtures("healthy")
def test_a_problem_is_reported_in_one_line_and_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", "no-such-drp {target}")
    done = runner.invoke(app, ["doctor"])
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if "  problem  " in line]
    assert line.startswith("DRP ")
    assert "no-such-drp" in line
    assert "KPFNB_DRP_COMMAND" in line.partition("→")[2]
    assert "\x1b" not in done.output


@pytest.mark.usefixtures("healthy")
def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_TSDB_URL", "sqlite:///secret.db")
    done = runner.invoke(app, ["doctor", "--json"])
    report = json.loads(done.output)
    assert report["outcome"] == "succeeded"
    assert {"name": "tsdb_url", "value": "********", "origin": "KPFNB_TSDB_URL"} in report[
        "settings"
    ]
    assert [entry["name"] for entry in report["settings"]] == list(settings.Settings.model_fields)
    assert [entry["name"] for entry in report["checks"]] == list(checks.CHECKS)
    assert {entry["health"] for entry in report["checks"]} == {"ok", "warning"}


def test_values_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_SHEET", "[bold]my[/bold] \x1b[31msheet :smile:")
    diagnosis = Diagnosis(describe_settings(), [HealthCheck("one", CheckStatus.OK, "[red]found")])
    console = Console(force_terminal=True, width=200)
    with console.capture() as capture:
        console.print(diagnosis.to_rich())
    assert "[bold]my[/bold] \ufffd[31msheet :smile:" in capture.get()
    assert "[red]found" in capture.get()


def test_long_values_are_folded_not_cut() -> None:
    path = "/a/long/path" * 20
    console = Console(width=60)
    with console.capture() as capture:
        console.print(Diagnosis([], [HealthCheck("one", CheckStatus.OK, path)]).to_rich())
    assert path in "".join(capture.get().split()).replace("oneok", "")


def test_settings_that_can_not_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORKERS", "many")
    with pytest.raises(settings.InvalidSettingsError, match="workers"):
        diagnose()
