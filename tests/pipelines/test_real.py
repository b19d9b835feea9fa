"""Pipelines with real kernels, for what simulated steps can't show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kpfnb import runs
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.pipelines import runner
from kpfnb.pipelines.plan import make_plan
from kpfnb.pipelines.spec import load_pipeline
from kpfnb.runs import RunRecord
from tests import samples
from tests.waiting import wait_for

PIPELINE = """
steps:
  quick: {notebook: NOTEBOOKS/quick.ipynb, parameters: {n: 2}}
  slow: {notebook: NOTEBOOKS/slow.ipynb, parameters: {label: {step: quick, value: label}}}
"""
SLOW = """
import pathlib, time
pathlib.Path("FOLDER/started").touch()
while not pathlib.Path("FOLDER/go").exists():
    time.sleep(0.05)
"""


def wait_until_started(process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Wait until the slow step runs; fail if it does not start in time."""
    wait_for(lambda: Path("started").exists() or process.poll() is not None, seconds)
    assert process.poll() is None


@pytest.fixture
def pipeline(isolated: Path) -> Path:
    folder = isolated / "notebooks"
    samples.make(folder, "quick", *samples.finishing())
    slow = SLOW.replace("FOLDER", str(isolated))
    samples.make(folder, "slow", slow, *samples.finishing())
    path = isolated / "two.yml"
    path.write_text(PIPELINE.replace("NOTEBOOKS", str(folder)))
    return path


def start(pipeline: Path) -> subprocess.Popen[str]:
    program = "from kpfnb.cli.app import main; main()"
    command = [sys.executable, "-c", program, "pipeline", "run", str(pipeline)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def listed(notebook: str = "") -> list[RunRecord]:
    return runs.list_runs(settings.load_settings().runs_dir, notebook=notebook)


@pytest.mark.slow
def test_a_killed_pipeline_leaves_nothing_running_and_is_resumed(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(pipeline) as process:
        wait_until_started(process)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)
    assert not [child for child in family if child.is_running()]
    (killed,) = listed("pipeline-two")
    assert killed.outcome is Outcome.CRASHED

    Path("go").touch()
    monkeypatch.setenv("KPFNB_KERNEL", "plain")
    plan = make_plan(load_pipeline(str(pipeline)), {})
    done = runner.run_pipeline(plan, resume=True)
    assert {name: state.word for name, state in done.states.items()} == {
        "quick": "already done",
        "slow": "succeeded",
    }
    assert [len(listed(name)) for name in ("quick", "slow", "pipeline-two")] == [1, 2, 2]
    slow = listed("slow")[0]
    assert (slow.parent, slow.parameters["label"]) == (done.record.id, "x")
    old_page = (killed.directory / "report.html").read_text()
    assert 'http-equiv="refresh"' not in old_page
    assert "crashed" in old_page


@pytest.mark.slow
def test_ctrl_c_stops_the_kernel_and_all_is_recorded(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_KERNEL", "plain")
    with start(pipeline) as process:
        wait_until_started(process)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == Outcome.FAILED.exit_code
    assert "slow: failed, stopped by the operator" in output
    (record,) = listed("pipeline-two")
    assert (record.outcome, record.reason) == (Outcome.FAILED, "stopped by the operator")
    assert [record.outcome for record in listed("slow")] == [Outcome.FAILED]
