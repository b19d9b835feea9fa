"""A person looks at a time series in JupyterLab, and points at an observation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import nights
from tests.browser.conftest import Lab
from tests.browser.test_lab import look, page, run_from_top, wait_for_results

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def ingested(lab_home: Path) -> None:
    """A small night in the database that the notebook asks."""
    night = nights.small_night(lab_home / "work/kpf").night
    command = [sys.executable, "-c", "from kpfnb.cli import main; main()", "ingest", night]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KPFNB_")}
    subprocess.run(command, cwd=lab_home, env=environment, check=True)


def test_the_observation_under_the_mouse_is_told(
    page: Any, lab: Lab, lab_home: Path, ingested: None
) -> None:
    run_from_top(page, lab, "timeseries.ipynb")
    [result] = wait_for_results(page, lab_home, "timeseries", 1)
    assert result["outcome"] == "succeeded"
    canvas = page.locator(".jupyter-matplotlib-canvas-container canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    box = canvas.bounding_box()
    found = before
    for step in range(12, 60):
        page.mouse.move(box["x"] + box["width"] * step / 90, box["y"] + box["height"] * 0.45)
        page.wait_for_timeout(60)
        found = canvas.evaluate("canvas => canvas.toDataURL()")
        if found != before:
            break
    assert found != before
    look(page, "timeseries")
