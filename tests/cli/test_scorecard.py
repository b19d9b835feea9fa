from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.demo import reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit


def kpfnb(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = "from kpfnb.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slits = [SimulatedSlit(100), SimulatedSlit(300, rms=0.8)]
    place = tmp_path / "datasets/m/c/2015-10-16/complete/reduce"
    reduced_datasets.write_reduction(place, {"DE.1.fits": {"DET01": slits}})
    return place


def test_reductions_are_scored(folder: Path) -> None:
    done = kpfnb("scorecard", "score", str(folder), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["rows"][0]["bad_slit_count"] == 1
    assert len(report["written"]) == 3
    assert "nothing changed" in kpfnb("scorecard", "score", str(folder)).stdout


def test_the_page_is_written(folder: Path, tmp_path: Path) -> None:
    done = kpfnb("scorecard", "page", str(folder), "-o", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert f"page: {tmp_path / 'page.html'}" in done.stdout
    assert "DET01:300" in (tmp_path / "page.html").read_text()


def test_the_sheet_is_updated(folder: Path, isolated: Path) -> None:
    dry = kpfnb("scorecard", "publish", str(folder), "--dry-run", "--json")
    assert "would update" in json.loads(dry.stdout)["sheet"]["reason"]
    assert not (isolated / "work/workbook").exists()
    done = kpfnb("scorecard", "publish", str(folder))
    assert done.returncode == 0, done.stderr
    assert (isolated / "work/workbook/M.csv").read_text().count("DE.1.fits") == 1


def test_a_mistake_is_one_clear_message(tmp_path: Path) -> None:
    done = kpfnb("scorecard", "score", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("kpfnb: no reduction in")
    assert "Traceback" not in done.stderr
