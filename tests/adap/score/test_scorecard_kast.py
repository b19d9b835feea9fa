"""Scorecards beside PypeIt's own objects: of real reductions, and of a mask that PypeIt writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kpfnb.adap.pypeit import installation
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import scorecard
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import atomic
from tests.adap import pypeit_scores
from tests.conftest import PROJECT

pytestmark = [pytest.mark.pypeit, pytest.mark.timeout(1500)]

PLAN = f"""\
[rdx]
  spectrograph = keck_deimos
setup read
Setup A:
  dispname: 1200G
setup end
data read
 path .
  filename | frametype | target | exptime | comb_id
  {pypeit_scores.FILE} | science | simulated | 1200.0 | -1
data end
"""


def in_pypeit(task: str, folder: Path, work_dir: Path) -> str:
    """Run a function with PypeIt's own objects, in a separate process."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.adap.pypeit_scores", task, str(folder)],
        cwd=PROJECT,
        env={**os.environ, **installation.pack_environment(work_dir)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def compare(card: Scorecard, work_dir: Path) -> None:
    messages = json.loads(in_pypeit("count", card.folder, work_dir).splitlines()[-1])
    ours = {row.science_file: row.to_dict() for row in card.rows}
    assert list(ours) == list(messages)
    for file, counts in messages.items():
        assert {name: ours[file][name] for name in counts} == counts


def test_real_frames(real: ReductionResult, real_work_dir: Path) -> None:
    card = scorecard.score_reduction(real.output, "kast/600_4310_d55/2015-05-20")
    compare(card, real_work_dir)
    assert [row.science_file for row in card.rows] == ["b27.fits.gz"]
    for row in card.rows:
        assert (row.status, row.det_count, row.slit_count) == ("COMPLETE", 1, 1)
        assert row.object_count >= 1
        assert 10 < row.exec_time < 3600
        assert 2e8 < row.mem_usage < 8e9
        assert row.git_commit == "2.0.1"
    assert all(0 < item.slit.rms < 0.4 and item.slit.coverage > 80 for item in card.slits)


def test_a_mask_with_every_fault(tmp_path: Path, real_work_dir: Path, kast_frames: Path) -> None:
    setup = tmp_path / "reduce/keck_deimos_A"
    (setup / "Science").mkdir(parents=True)
    atomic.write_text(setup / "keck_deimos_A.pypeit", PLAN)
    in_pypeit("make", setup, real_work_dir)
    card = scorecard.score_reduction(tmp_path / "reduce", "mask/1200G/2015-10-16")
    compare(card, real_work_dir)
    (row,) = card.rows
    assert (row.status, row.det_count, row.slit_count, row.bad_slit_count) == ("COMPLETE", 2, 10, 6)
    # None of what PypeIt counts is left untried
    assert all(value for name, value in row.to_dict().items() if name.endswith("_count"))
    assert min(item.slit_id for item in card.bad_slits) == "DET01:14"
