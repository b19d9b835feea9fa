"""One small simulated night, and one that the stand-in DRP has reduced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nights import small_night


def run_drp(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the stand-in DRP in a separate process."""
    return subprocess.run(
        [sys.executable, "-m", "kpfnb.demo.drp", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.fixture(scope="session")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small night and its products. Not to be changed."""
    root = tmp_path_factory.mktemp("reduced")
    small_night(root)
    process = run_drp(
        "--ncpus", 2, "--reprocess", root / "L0/20240115", "-c", "a.cfg", "-r", "b.rec"
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return root


@pytest.fixture
def unreduced(reduced: Path, tmp_path: Path) -> Path:
    """A data root with the small night and its masters, but no products; a test's own."""
    root = tmp_path / "kpf"
    for part in ("L0", "masters", "reference"):
        shutil.copytree(reduced / part, root / part)
    return root


def of_kind(root: Path, kind: str) -> list[Path]:
    """The L0s of one kind, junk left out."""
    from astropy.io import fits

    paths = []
    for path in sorted((root / "L0").glob("*/*.fits")):
        header = fits.getheader(path)
        if header["SIMKIND"] == kind and not header["SIMJUNK"]:
            paths.append(path)
    return paths
