"""The unit files say what kpfnb understands."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from kpfnb.cli.app import app
from kpfnb.core.result import Outcome
from kpfnb.kpf.watch.registry import HANDLERS

UNITS = sorted((Path(__file__).parents[1] / "pipelines/systemd").glob("*.service"))
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def read(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser


def test_every_watcher_has_one() -> None:
    assert {unit.stem for unit in UNITS} == {
        f"kpfnb-watch-{name}" for name in (*HANDLERS, "timeseries")
    }


@each_unit
def test_its_command_is_one_that_kpfnb_takes(unit: Path) -> None:
    program, group, name, *options = shlex.split(read(unit)["Service"]["ExecStart"])
    assert (Path(program).name, group) == ("kpfnb", "watch")
    assert unit.stem == f"kpfnb-watch-{name}"
    command = typer.main.get_command(app).commands["watch"].commands[name]  # type: ignore[attr-defined]
    command.make_context(name, list(options))


@each_unit
def test_it_stops_in_good_order_and_starts_again_where_that_helps(unit: Path) -> None:
    service = read(unit)["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    assert int(service["SuccessExitStatus"]) == Outcome.PARTIAL.exit_code
    assert int(service["RestartPreventExitStatus"]) == Outcome.REJECTED.exit_code


@each_unit
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not there")
    # Programs and users of the site are not those of this machine
    text = unit.read_text().replace("/opt/kpfnb/.venv/bin/kpfnb", "/bin/true")
    copy = tmp_path / unit.name
    copy.write_text(text.replace("User=kpf", "User=root").replace("/opt/kpfnb", "/"))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
    assert unit.name not in done.stderr
