"""A small simulated night that the stand-in DRP has reduced, made once; and copies of parts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.demo.night import DEMO_NIGHT, simulate_night
from tests.demo.conftest import run_drp

COUNTS = {"bias": 1, "dark": 0, "flat": 1, "lfc": 1, "etalon": 0, "thar": 0, "star": 1, "sun": 0}
STAR, BIAS = "KP.20240115.18026.47", "KP.20240115.03617.02"


@pytest.fixture(scope="session")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a bias, a flat, a comb, a star and a junk star. Not to be changed."""
    root = tmp_path_factory.mktemp("quicklook")
    simulate_night(root, DEMO_NIGHT, counts=COUNTS)
    done = run_drp("--ncpus", 1, "--reprocess", root / f"L0/{DEMO_NIGHT}")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def take(reduced: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies files of the night (by glob) into the test's own data root, and gives that root."""

    def copy(*patterns: str) -> Path:
        root = tmp_path / "data"
        for pattern in patterns:
            paths = sorted(reduced.glob(pattern))
            assert paths, pattern
            for path in paths:
                copied = root / path.relative_to(reduced)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copied)
        return root

    return copy
