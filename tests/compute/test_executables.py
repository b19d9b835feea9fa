"""Programs are found on PATH, beside Python, or by their path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kpfnb.compute import programs


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_on_path_wins_over_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = _program(tmp_path / "bin/drp")
    _program(tmp_path / "venv/python")
    beside = _program(tmp_path / "venv/drp")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert programs.find_executable("drp") == on_path
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert programs.find_executable("drp") == beside


def test_without_path_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = _program(tmp_path / "venv/drp")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/python"))
    monkeypatch.delenv("PATH")
    assert programs.find_executable("drp") == beside


def test_a_path_is_returned_unchanged(tmp_path: Path) -> None:
    program = _program(tmp_path / "opt/drp")
    assert programs.find_executable(str(program)) == program
    assert programs.find_executable("./opt/drp") == program


@pytest.mark.parametrize("name", ["no-such-program-of-anybody", "opt/not-executable"])
def test_not_there(tmp_path: Path, name: str) -> None:
    _program(tmp_path / "opt/not-executable").chmod(0o644)
    assert programs.find_executable(name) is None
