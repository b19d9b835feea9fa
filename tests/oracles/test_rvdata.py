"""rvdata, a reader by others, takes a simulated observation for one of KPF's."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracles.nights import make_full_night

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

COUNTS = {"star": 1, "flat": 1, "lfc": 1}
"""A star, and the least that its reduction needs."""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What rvdata says of a full-size star: by level of KPF, the problem and the shapes it read."""
    for module in ("rvdata", "git"):
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed: make .venv/.test")
    root = tmp_path_factory.mktemp("rvdata")
    night = make_full_night(root, COUNTS, reduced=["star"])
    (obsid,) = (obsid for obsid, kind in night.kinds.items() if kind == "star")
    script = Path(__file__).parent / "rvdata_compliance.py"
    done = subprocess.run(
        [sys.executable, str(script), str(root), obsid, str(root)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(root)
    return json.loads(done.stdout)


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_its_standard_file_complies_with_its_rules(judged, level):
    assert judged[level]["problem"] == ""


def test_it_reads_all_orders_of_both_cameras(judged):
    shapes = judged["L1"]["shapes"]
    for trace in range(1, 6):
        for part in ("FLUX", "WAVE", "VAR", "BLAZE"):
            assert shapes[f"TRACE{trace}_{part}"] == [67, 4080]
    assert shapes["BJD_TDB"] == [67]
