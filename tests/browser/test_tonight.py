"""A person leaves the notebook open: frames that arrive are counted without a key being pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.demo.headernight import COUNTS, plant
from tests.browser.conftest import Lab
from tests.browser.test_lab import look, page, run_from_top, wait_for_results

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NIGHT = "20240115"
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}


def test_frames_that_arrive_fill_the_bars(page: Any, lab: Lab, lab_home: Path) -> None:
    notebook = lab.folder / "tonight.ipynb"
    text = notebook.read_text()
    quick = text.replace('refresh: \\"int[5, 3600]\\" = 30', 'refresh: \\"int[5, 3600]\\" = 5')
    assert quick != text
    notebook.write_text(quick)
    root = lab_home / "work/kpf"
    plant(root, NIGHT, {**COUNTS, "bias": 1}, sizes=SMALL)
    run_from_top(page, lab, "tonight.ipynb")
    [result] = wait_for_results(page, lab_home, "tonight", 1)
    assert result["figures"]["verdict"] == "FAIL"
    assert result["outcome"] == "succeeded"
    row = page.get_by_role("row").filter(has=page.get_by_role("progressbar", name="Bias frames"))
    assert "1 of at least 4" in row.inner_text()
    look(page, "tonight")
    plant(root, NIGHT, COUNTS, sizes=SMALL)
    row.filter(has_text="8 of at least 4").wait_for()
    look(page, "tonight-filled")
