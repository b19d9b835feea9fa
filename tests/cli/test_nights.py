"""Every command that takes a night takes `last`, and works on the newest night with files."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kpfnb.cli import nights
from kpfnb.cli.app import app
from kpfnb.core.errors import InvalidSettingsError

NIGHT_NAMES = ("start", "end", "night", "since", "targets")
COMMANDS = {
    "progress": {"start", "end"},
    "reprocess": {"targets", "start", "end"},
    "quicklook": {"start", "end"},
    "verdict": {"night"},
    "report": {"night", "end"},
    "night": {"night"},
    "ingest": {"start", "end"},
    "timeseries": {"start", "end"},
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for night in ("20240114", "20240115"):
        (tmp_path / "L0" / night).mkdir(parents=True)
        (tmp_path / "L0" / night / f"KP.{night}.00001.00.fits").touch()
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_night_of_a_command_may_be_last(name: str, root: Path) -> None:
    group = typer.main.get_command(app)
    context = typer.Context(group)
    command = group.get_command(context, name)
    found = {parameter.name for parameter in command.params} & {*NIGHT_NAMES}
    assert found == COMMANDS[name]
    arguments = {
        "targets": ["20240114:last", "last"], **dict.fromkeys(found - {"targets"}, "last")
    }  # fmt: skip
    for parameter in command.params:
        if parameter.name in found:
            value = parameter.process_value(typer.Context(command), arguments[parameter.name])
            expected = ["20240114:20240115", "20240115"] if parameter.name == "targets" else None
            assert value == (expected or "20240115")


def test_the_help_says_it() -> None:
    for name in COMMANDS:
        shown = CliRunner().invoke(app, [name, "--help"]).output
        assert "last" in shown, name


def test_without_a_data_root_it_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path / "none"))
    with pytest.raises(InvalidSettingsError, match="no night in"):
        nights.parse_night("last")
    assert nights.parse_night("20240115") == "20240115"
    assert nights.parse_targets(None) is None
