"""`kpfnb run-pypeit` with real PypeIt: a trimmed file that is good beside one that is not.

About 40 CPU-s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kpfnb.adap.prepare import trim
from kpfnb.adap.profiles import spectrograph
from kpfnb.adap.pypeit import installation
from kpfnb.core.result import Outcome
from tests.adap.conftest import FAST, KAST_DATASET
from tests.conftest import PROJECT

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1500)]

NOT_USED = [f"n01_b{number}.fits.gz" for number in (12, 13, 22, 23, 24, 28)]
SETUP = f"{installation.KAST_SPECTROGRAPH}_A"
GOOD, BAD = (f"{name}/reduce/{SETUP}" for name in ("good", "bad"))


@dataclass
class Run:
    root: Path
    exit_code: int
    printed: str

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in json.loads(self.printed)["parts"]}


def call(root: Path, work_dir: Path) -> Run:
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()"]
    done = subprocess.run(
        [*command, "run-pypeit", str(root), "--workers", "2", "--json"],
        cwd=PROJECT,
        env={**os.environ, "KPFNB_WORK_DIR": str(work_dir)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return Run(root, done.returncode, done.stdout)


@pytest.fixture(scope="module")
def run(kast_night: Path, real_work_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("files")
    custom = root / "custom"
    custom.mkdir()
    parameter_file = custom / f"{KAST_DATASET.replace('/', '_')}_reduce.ini"
    parameter_file.write_text(f"[rdx]\n  spectrograph = {installation.KAST_SPECTROGRAPH}\n{FAST}")
    for name in ("good", "bad"):
        trim.trim_dataset(
            kast_night / "complete/raw",
            root / name,
            spectrograph.load_profile(installation.KAST_SPECTROGRAPH),
            dataset=KAST_DATASET,
            custom=custom,
            exclude=NOT_USED,
        )
    bad = root / BAD / f"{SETUP}.pypeit"
    bad.write_text(bad.read_text().replace("[rdx]", "[rdx]\n  no_such_parameter = 1"))
    return call(root, real_work_dir)


def test_a_failing_file_does_not_affect_the_other(run: Run) -> None:
    assert run.exit_code == Outcome.PARTIAL.exit_code
    assert {name: part["exit_codes"] for name, part in run.parts.items()} == {GOOD: [0], BAD: [1]}
    assert "no_such_parameter" in run.parts[BAD]["reason"]


def test_the_products_are_beside_the_file(run: Run) -> None:
    (science,) = run.parts[GOOD]["reductions"][0]["science"]
    assert (science["file"], science["reason"]) == ("n01_b27.fits.gz", "")
    folder = run.root / GOOD
    assert sorted(path.name[:10] for path in folder.glob("Science/*.fits")) == [
        "spec1d_n01",
        "spec2d_n01",
    ]
    assert (folder / f"{SETUP}_useful_warns.log").is_file()
    assert run.parts[GOOD]["peak_bytes"] > 3e8


def test_again_only_what_failed_is_run(run: Run, real_work_dir: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (run.root / "good").rglob("*.fits")}
    again = call(run.root, real_work_dir)
    assert again.parts[GOOD]["reason"].startswith("nothing to do")
    assert again.parts[BAD]["exit_codes"] == [1]
    assert {path: path.stat().st_mtime_ns for path in (run.root / "good").rglob("*.fits")} == before
