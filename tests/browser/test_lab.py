"""A person opens a notebook in JupyterLab, changes a parameter in the form and presses Run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpfnb.demo import tree
from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IDLE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.sessionContext?.session?.kernel?.status === 'idle';
}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
SECONDS = 1000
WAIT = 60 * SECONDS


@pytest.fixture
def page(browser: Any, lab: Lab) -> Any:
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    page = context.new_page()
    page.console_errors = []
    page.on("pageerror", lambda error: page.console_errors.append(str(error)))
    yield page
    context.close()


def open_and_run(page: Any, lab: Lab, notebook: str) -> None:
    page.goto(lab.address(notebook))
    page.wait_for_selector(".jp-Notebook", timeout=WAIT)
    page.wait_for_function(IDLE, timeout=WAIT)
    page.evaluate(RUN_ALL)


def results(home: Path, notebook: str) -> list[dict[str, Any]]:
    files = sorted((home / "work/runs" / notebook).glob("*/result.json"))
    return [json.loads(file.read_text()) for file in files]


def shoot(page: Any, name: str) -> None:
    """Keep a picture to look at, where the run of the tests says so."""
    folder = Path(__file__).parents[2] / "work/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"))


def test_progress_by_hand_then_by_its_form(page: Any, lab: Lab, lab_home: Path) -> None:
    tree.plant(lab_home / "work/kpf", ["20240115", "20240116"], 3, levels=("L0", "2D"))
    open_and_run(page, lab, "progress.ipynb")
    page.wait_for_selector("text=1 night", timeout=WAIT)
    page.wait_for_selector(".jp-OutputArea-output img", timeout=WAIT)
    page.wait_for_function(IDLE, timeout=WAIT)
    [first] = results(lab_home, "progress")
    assert first["figures"]["nights"] == 1
    shoot(page, "progress")

    end = page.get_by_label("end")
    end.fill("2024-01-16")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector("text=2 nights", timeout=WAIT)
    page.wait_for_function(IDLE, timeout=WAIT)
    shoot(page, "progress-two-nights")
    _, second = results(lab_home, "progress")
    assert second["figures"]["nights"] == 2
    assert page.console_errors == []
