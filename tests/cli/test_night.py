from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from kpfnb.cli import app
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.fits import headers
from kpfnb.demo.night import DEMO_NIGHT, simulate_night
from kpfnb.kpf import quicklook
from kpfnb.kpf.progress import result
from kpfnb.kpf.quicklook.result import QuicklookOutcome
from kpfnb.kpf.tsdb import keyword_query

COUNTS = {"bias": 1, "dark": 0, "flat": 1, "lfc": 1, "etalon": 0, "thar": 0, "star": 2, "sun": 0}
LEVELS = ("2D", "L1", "L2")
COMMAND = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", "night"]


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app.app, ["night", *arguments])


@pytest.fixture
def root(isolated: Path) -> Path:
    (isolated / "data/L0/20240115").mkdir(parents=True)
    return isolated / "data"


def test_a_night_without_raw_files_is_refused_and_the_nearest_named(root: Path) -> None:
    error = call("20240116").exception
    assert isinstance(error, InvalidInputError)
    assert "20240116 does not exist" in error.what
    assert error.hint == "the nearest are 20240115"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("20241301", "night: '20241301'"),
        ("nowhere", "night: 'nowhere'"),
        ("data", "data is not the directory of a night's raw files"),
    ],
)
def test_an_invalid_night_is_refused(root: Path, argument: str, message: str) -> None:
    error = call(argument).exception
    assert isinstance(error, InvalidParameterError)
    assert error.what.startswith(message)


def test_the_directory_of_a_night_is_as_good_as_its_date(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path / "elsewhere"))
    done = call(str(root / "L0/20240115"), "--dry-run", "--json", "--version", "2.9")
    assert done.exit_code == 0, done
    assert json.loads(done.stdout)["parameters"] == {"night": "20240115", "version": "2.9"}
    assert os.environ["KPFNB_DATA_ROOT"] == str(root)


def test_a_dry_run_changes_nothing(root: Path, tmp_path: Path) -> None:
    done = call("20240115", "--dry-run")
    assert done.exit_code == 0
    assert "nothing is run" in done.stdout
    assert not (tmp_path / "work/runs").exists()


def kill_when(is_reached: Callable[[], bool]) -> None:
    """Start the night, kill it hard at that moment, and see that all of its family dies."""
    with subprocess.Popen([*COMMAND, DEMO_NIGHT], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 240
        while not is_reached():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)
    assert not [member for member in family if member.is_running()]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_it_goes_on_by_the_same_command(tmp_path: Path) -> None:
    root = tmp_path / "data"
    simulate_night(root, DEMO_NIGHT, counts=COUNTS)
    raw = sorted(path.stem for path in (root / "L0" / DEMO_NIGHT).glob("KP.*.fits"))
    kill_when(lambda: any(root.glob(f"2D/{DEMO_NIGHT}/*_2D.fits")))
    kill_when(lambda: any(root.glob(f"QLP/{DEMO_NIGHT}/*/L1/*.png")))

    done = subprocess.run([*COMMAND, DEMO_NIGHT, "--json"], capture_output=True, text=True)
    outcomes = {step["name"]: step["outcome"] for step in json.loads(done.stdout)["steps"]}
    # Of so few calibrations the verdict is bad, and its step says so
    assert outcomes.pop("tonight") != "crashed"
    assert set(outcomes.values()) == {"succeeded"}, done.stdout

    assert result.assess_progress(DEMO_NIGHT).to_dict()["missing_obsids"] == []
    # By name: what a killed writer began is hidden, and not a product to anybody
    products = [path for level in LEVELS for path in root.glob(f"{level}/*/KP.*.fits")]
    assert len(products) >= len(raw)
    assert not list(filter(None, map(headers.find_defect, products)))
    assert not [path for path in root.rglob(".*KP.*") if path.is_file()]
    options = quicklook.QuicklookOptions(progress=False)
    products_now = quicklook.process_range(DEMO_NIGHT, options=options)
    assert products_now.outcomes == {QuicklookOutcome.CURRENT: len(products_now.items)}
    assert sorted(keyword_query.query(["OBJECT"], not_junk=False).index) == raw

    again = subprocess.run([*COMMAND, DEMO_NIGHT, "--json"], capture_output=True, text=True)
    words = {step["name"]: step["reason"] for step in json.loads(again.stdout)["steps"]}
    assert words["reprocess"] == "missing_obsids of before is empty"
    assert words["ingest"].startswith("0 files ingested")
    assert "processed" not in words["quicklook"]
