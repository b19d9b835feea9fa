from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import atomic
from kpfnb.demo import deimos_frames

TOP = "NGC1eh/1200G_8800_OG550"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    deimos_frames.simulate_deimos_frames(tmp_path / "raw")
    return tmp_path / "raw"


def kpfnb(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["prepare", *map(str, arguments)])
    return done.exit_code, done.stdout


def test_from_raw_frames_to_reduction_files(raw: Path, tmp_path: Path) -> None:
    fixes = {"DE.20151016.38160.fits": {"SLMSKNAM": deimos_frames.MASK}}
    atomic.write_json(tmp_path / "fixes.yml", {"folder": "raw", "files": fixes})
    code, text = kpfnb("headers", tmp_path / "fixes.yml", "--dry-run")
    assert code == 0 and "1 of 1 header would be fixed" in text
    code, text = kpfnb("headers", tmp_path / "fixes.yml")
    assert code == 0 and "SLMSKNAM: NGC1eh (was missing)" in text
    arguments = (raw, tmp_path / "data", "-s", "keck_deimos", "--how", "symlink")
    code, text = kpfnb("frames", *arguments, "--dry-run", "--json")
    assert code == 3 and not (tmp_path / "data").exists()
    assert len(json.loads(text)["problems"]) == 1
    code, text = kpfnb("frames", *arguments)
    assert code == 3 and "28 of 28 frames linked" in text
    code, text = kpfnb("trim", tmp_path / "data", "-s", "keck_deimos", "--json")
    assert code == 0
    assert [entry["dataset"] for entry in json.loads(text)["datasets"]][-1].startswith(TOP)


def test_one_dataset_by_name(raw: Path, tmp_path: Path) -> None:
    kpfnb("frames", raw, tmp_path / "data", "--spectrograph", "keck_deimos")
    name = f"{TOP}/2015-11-15"
    code, text = kpfnb("trim", tmp_path / "data", name, "-s", "keck_deimos")
    assert code == 1 and f"{name}: InvalidInputError" in text
