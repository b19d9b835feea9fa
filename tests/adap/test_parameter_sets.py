"""Each set of parameters for the bulk reductions, run by `kpfnb run -f` as its user would run it.

What PypeIt would take minutes for is a dry run; tests/adap runs the real thing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kpfnb.core import atomic
from kpfnb.core.result import Outcome
from kpfnb.demo import coadd_inputs, deimos_frames, delivery_inputs, reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedReducedFrame, SimulatedSlit
from tests.conftest import PROJECT

SETS = sorted(
    path
    for notebook in ("prepare", "reduce", "scorecard", "coadd", "archive")
    for path in (PROJECT / "params").glob(f"{notebook}.*.yml")
)
KAST = "longslit/600-4310_d55/2015-05-20"
QUEUED = "mask/config/2015-10-16"


def incoming(work: Path) -> None:
    deimos_frames.simulate_deimos_frames(work / "incoming")


def queued(work: Path) -> None:
    assert kpfnb(work, "queue", "load", "reduce", QUEUED).returncode == 0


def reduction(work: Path) -> None:
    frames = {"b27.fits": {"DET01": [SimulatedSlit(176)]}}
    reduced_datasets.write_reduction(work / "reductions/shane_kast_blue", frames)


def reduced_masks(work: Path) -> None:
    reduced_datasets.simulate_datasets(work / "datasets", 2)


def night(work: Path) -> None:
    frames = [
        SimulatedReducedFrame(f"b{n}.fits.gz", moment=f"2015-05-20T06:{n}:00.000") for n in (27, 28)
    ]
    star = SimulatedReducedFrame(
        "b24.fits.gz", "Feige 66", "standard", moment="2015-05-20T05:00:00.000"
    )
    place = work / "datasets" / KAST / "complete/reduce"
    coadd_inputs.write_setup(place, [star, *frames], "shane_kast_blue")


def mask(work: Path) -> None:
    frames = [SimulatedReducedFrame(f"DE.20151016.{n}.fits") for n in (20000, 21000)]
    config = "041615B1/1200G_8800_OG550"
    coadd_inputs.write_setup(work / "datasets" / config / "2015-10-16/complete/reduce", frames)


def coadded(work: Path) -> None:
    delivery_inputs.make_datasets(work / "datasets")


def coadded_on_the_remote(work: Path) -> None:
    delivery_inputs.make_datasets(work / "remote/data")


@dataclass
class Case:
    """What has to be there, what else is asked for, and what is to come."""

    prepare: Callable[[Path], None] = lambda work: None
    options: tuple[str, ...] = ()
    outcome: Outcome = Outcome.SUCCEEDED
    reason: str = ""


DRY = ("-p", "dry_run=true")
CASES = {
    # Two of the simulated frames have bad headers
    "prepare.deimos": Case(incoming, (), Outcome.PARTIAL, "27 of 27 frames copied, 3 datasets"),
    "prepare.kast": Case(reason="9 of 9 frames linked, 1 dataset (1 complete)"),
    "reduce.kast": Case(options=DRY, reason="would reduce 9 of 9 frames"),
    "reduce.queue": Case(queued, DRY, Outcome.SKIPPED, f"{QUEUED}: waiting"),
    "scorecard.kast": Case(reduction, reason="1 science frame; 0 of 1 slit bad"),
    "scorecard.deimos": Case(
        reduced_masks, reason="2 reductions scored, 5 science frames, 1 of them"
    ),
    "coadd.kast": Case(night, DRY, reason="would coadd spectra, targets: 1, exposures: 2"),
    "coadd.deimos": Case(mask, DRY, reason="would coadd spectra, targets: 1, exposures: 2"),
    "archive.kast": Case(coadded, reason="3 delivered"),
    "archive.deimos": Case(coadded_on_the_remote, reason="3 delivered"),
}


def kpfnb(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    remotes = {name: str(work / "remote" / name) for name in ("data", "backup", "koa")}
    variables = {"KPFNB_WORK_DIR": str(work), "KPFNB_REMOTES": json.dumps(remotes)}
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **variables}, capture_output=True, text=True
    )


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    for name in ("data", "backup", "koa"):
        (tmp_path / "work/remote" / name).mkdir(parents=True)
    yield tmp_path / "work"
    kpfnb(tmp_path / "work", "services", "stop")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", SETS, ids=lambda file: file.stem)
def test_it_runs(file: Path, work: Path, request: pytest.FixtureRequest) -> None:
    if "kast" in file.stem:
        request.getfixturevalue("kast_frames")
    case = CASES[file.stem]
    case.prepare(work)
    notebook = file.stem.partition(".")[0]
    done = kpfnb(work, "run", notebook, "-f", str(file), *case.options)
    assert done.returncode == case.outcome.exit_code, done.stdout + done.stderr
    (result,) = work.glob(f"runs/{notebook}/*/result.json")
    record = atomic.read_json(result)
    assert record["outcome"] == case.outcome
    assert case.reason in record["reason"]
