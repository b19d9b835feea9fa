"""Clusters by settings: an address, SLURM, Kubernetes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpfnb.compute import clusters
from kpfnb.compute.item_map import map_items
from kpfnb.core.atomic import read_json
from kpfnb.core.errors import ServiceUnavailableError
from tests.compute import functions

TOP = Path(__file__).parents[2]
SECONDS = 120


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen]:
    """A program that runs while the block does."""
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    with subprocess.Popen(
        [sys.executable, "-m", *arguments], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address(file: Path) -> str:
    """Where the scheduler that wrote the file can be reached."""
    end = time.monotonic() + SECONDS
    while not file.exists() or not file.read_text().endswith("}"):
        assert time.monotonic() < end, "no scheduler came"
        time.sleep(0.05)
    return read_json(file)["address"]


@pytest.mark.slow
def test_a_scheduler_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    workers = ["--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1"]
    with (
        program("distributed.cli.dask_scheduler", *options, "--port", "0"),
        program("distributed.cli.dask_worker", *workers, "--no-dashboard"),
    ):
        monkeypatch.setenv("KPFNB_CLUSTER", address(file))
        outcomes = map_items(functions.nap, [0.1, 600, 0.2], timeout_seconds=2, max_load=10_000)
        assert outcomes.values() == [0.1, None, 0.2]
        assert outcomes[1].error == "timed out after 2 s"
        assert os.getpid() not in map_items(functions.pid_of, [1], isolate=True).values()


def test_workers_that_cannot_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    workers = ["--scheduler-file", str(file), "--no-nanny", "--no-dashboard"]
    with (
        program("distributed.cli.dask_scheduler", *options, "--port", "0"),
        program("distributed.cli.dask_worker", *workers),
    ):
        monkeypatch.setenv("KPFNB_CLUSTER", address(file))
        with pytest.raises(ServiceUnavailableError, match="workers need a nanny"):
            map_items(functions.double, [1], timeout_seconds=5)
        assert map_items(functions.double, [1], isolate=True).values() == [2]


def test_no_scheduler_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("KPFNB_CLUSTER", "tcp://127.0.0.1:9")
    with pytest.raises(ServiceUnavailableError, match="no Dask scheduler answers at tcp:"):
        map_items(functions.double, [1], isolate=True)


@pytest.mark.slow
def test_a_scheduler_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 3.0)
    with (
        program("distributed.cli.dask_scheduler", *options, "--port", "0") as scheduler,
        program("distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-dashboard"),
    ):
        monkeypatch.setenv("KPFNB_CLUSTER", address(file))
        items = [-scheduler.pid, 600, 600]
        outcomes = map_items(kill_or_nap, items, isolate=True)
    assert {part.error for part in outcomes} == {"the connection to the Dask scheduler was lost"}


def kill_or_nap(item: int) -> None:
    if item < 0:
        os.kill(-item, signal.SIGKILL)
    time.sleep(600)


SBATCH = """#!/bin/sh
cp "$1" {folder}/job.sh
setsid sh {folder}/job.sh > /dev/null 2>&1 &
echo $! >> {folder}/jobs
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -9 -- -"$1"
"""


PYTHON = f"""#!/bin/sh
exec {sys.executable} "$@"
"""


@pytest.mark.parametrize("place", ["on PATH", "beside Python"])
def test_slurm(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL, "python": PYTHON}.items():
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    if place == "on PATH":
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    else:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    monkeypatch.setenv("KPFNB_CLUSTER", "slurm")
    outcomes = map_items(functions.double, range(20), workers=1, isolate=True)
    assert outcomes.values() == [2 * number for number in range(20)]
    assert len((tmp_path / "jobs").read_text().split()) == 1


def test_no_slurm_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_CLUSTER", "slurm")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableError, match="no sbatch"):
        map_items(functions.double, [1], isolate=True)


def test_no_kubernetes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_CLUSTER", "kubernetes")
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", None)
    with pytest.raises(ServiceUnavailableError, match="dask-kubernetes is not installed"):
        map_items(functions.double, [1], isolate=True)
