from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from tests.kpf import fake_drp

A, B = "KP.20240101.00001.00", "KP.20240101.00002.00"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for obsid in (A, B):
        path = tmp_path / f"data/L0/20240101/{obsid}.fits"
        fake_drp.fits(path, {"GREEN": "YES", "IMTYPE": "Object"})
        os.utime(path, (1000, 1000))
    use_drp(monkeypatch)
    return tmp_path / "data"


def use_drp(monkeypatch: pytest.MonkeyPatch, *fault: str) -> None:
    command = [sys.executable, fake_drp.__file__, "{target}", *fault]
    monkeypatch.setenv("KPFNB_DRP_COMMAND", shlex.join(command))


def test_exit_codes_and_json(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke = CliRunner().invoke
    use_drp(monkeypatch, "error", B)
    partial = invoke(app, ["reprocess", "20240101", "--json", "--nice", "1"])
    assert partial.exit_code == 3
    values = json.loads(partial.stdout)
    assert values["names"]["done"] == [A]
    assert [item["name"] for item in values["failed"]] == [B]
    use_drp(monkeypatch)
    assert invoke(app, ["reprocess", "--start", "20240101"]).exit_code == 0
    again = invoke(app, ["reprocess", "20240101"])
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "2 already done")


def test_a_list_forward_and_a_dry_run(root: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"{B}.fits\n{A}\n")
    options = ["--list", "list.csv", "--forward", "--force", "--dry_run"]
    result = CliRunner().invoke(app, ["reprocess", *options])
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines.index(A) < lines.index(B)
    assert any(line.startswith("would run: ") for line in lines)
    assert not (root / "2D").exists()


def test_help_has_an_example() -> None:
    assert "Example: kpfnb reprocess" in CliRunner().invoke(app, ["reprocess", "--help"]).stdout


def test_ctrl_c_in_the_terminal(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, "paused", B)
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", "reprocess"]
    with subprocess.Popen(
        [*command, "20240101", "--forward", "--json"], stdout=subprocess.PIPE
    ) as process:
        while not (tmp_path / "paused").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    values = json.loads(output)
    assert process.returncode == 3
    assert values["names"]["done"] == [A]
    assert [(item["name"], item["fate"]) for item in values["failed"]] == [(B, "not reached")]
