"""A person leaves the notebook open: frames that arrive are counted without a key being pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kpfnb.demo.headernight import COUNTS, plant
from tests.browser.conftest import Lab
from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NIGHT = "20240115"
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}


def test_frames_that_arrive_fill_the_bars(page: Any, lab: Lab, lab_home: Path) -> None:
    root = lab_home / "work/kpf"
    plant(root, NIGHT, {**COUNTS, "bias": 1}, sizes=SMALL)
    notebook = Notebook(page, lab, "tonight")
    notebook.open()
    notebook.run_to_form()
    notebook.fill({"refresh": 5})
    result = notebook.run()
    assert result["figures"]["verdict"] == "FAIL"
    assert result["outcome"] == "succeeded"
    row = page.get_by_role("row").filter(has=page.get_by_role("progressbar", name="Bias frames"))
    assert "1 of at least 4" in row.inner_text()
    notebook.look("tonight")
    plant(root, NIGHT, COUNTS, sizes=SMALL)
    row.filter(has_text="8 of at least 4").wait_for()
    notebook.look("tonight-filled")
