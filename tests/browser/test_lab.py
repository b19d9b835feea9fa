"""A person opens a notebook in JupyterLab, runs it from top to bottom, and uses its form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import nights
from tests.browser.conftest import Lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

IDLE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.sessionContext?.session?.kernel?.status === 'idle';
}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
WAIT = 180_000
"""Milliseconds: a machine that is busy with other tests is slow."""


@pytest.fixture(scope="module")
def observed(lab_home: Path) -> Path:
    """A small simulated night where the notebooks look for one."""
    return nights.small_night(lab_home / "work/kpf")


@pytest.fixture
def page(browser: Any, lab: Lab) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()


def run_from_top(page: Any, lab: Lab, notebook: str) -> None:
    """Open a notebook and run all its cells."""
    page.goto(lab.address(notebook))
    page.wait_for_selector(".jp-Notebook")
    page.wait_for_function(IDLE)
    page.evaluate(RUN_ALL)


def wait_for_results(page: Any, home: Path, notebook: str, number: int) -> list[dict[str, Any]]:
    """The results of that notebook's runs, oldest first, once there are so many."""
    for _ in range(WAIT // 200):
        files = sorted((home / "work/runs" / notebook).glob("*/result.json"))
        if len(files) >= number:
            page.wait_for_function(IDLE)
            return [json.loads(file.read_text()) for file in files]
        page.wait_for_timeout(200)
    raise AssertionError(f"{notebook} has not finished {number} runs")


def look(page: Any, name: str) -> None:
    """Nothing failed on the page; keep a picture of it for people."""
    assert page.locator('.jp-RenderedText[data-mime-type*="error"]').count() == 0
    assert page.errors == []
    folder = Path(__file__).parents[2] / "work/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(folder / f"{name}.png"))


def press_run(page: Any) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def test_progress_then_another_range(page: Any, lab: Lab, lab_home: Path, observed: Path) -> None:
    run_from_top(page, lab, "progress.ipynb")
    [first] = wait_for_results(page, lab_home, "progress", 1)
    assert first["outcome"] == "succeeded"
    assert first["figures"]["nights"] == 1
    look(page, "progress")

    page.get_by_label("start", exact=True).fill("2024-01-16")
    press_run(page)
    _, second = wait_for_results(page, lab_home, "progress", 2)
    assert second["figures"]["nights"] == 0
    page.wait_for_selector("text=no nights 20240116")
    look(page, "progress-empty")


def test_a_wrong_value_is_told_before_any_work(
    page: Any, lab: Lab, lab_home: Path, observed: Path
) -> None:
    before = len(list((lab_home / "work/runs/progress").glob("*/result.json")))
    run_from_top(page, lab, "progress.ipynb")
    wait_for_results(page, lab_home, "progress", before + 1)
    page.get_by_label("version", exact=True).fill("two")
    press_run(page)
    page.get_by_role("alert").filter(has_text="parameter version").wait_for()
    assert len(list((lab_home / "work/runs/progress").glob("*/result.json"))) == before + 1
    look(page, "progress-wrong")


def test_reprocess_then_nothing_left_to_do(
    page: Any, lab: Lab, lab_home: Path, observed: Path
) -> None:
    run_from_top(page, lab, "reprocess.ipynb")
    [first] = wait_for_results(page, lab_home, "reprocess", 1)
    assert first["outcome"] == "succeeded"
    assert first["figures"]["done"] > 0
    look(page, "reprocess")

    press_run(page)
    _, second = wait_for_results(page, lab_home, "reprocess", 2)
    assert second["figures"]["already done"] == first["figures"]["done"]
    assert second["figures"]["products"] == 0
    look(page, "reprocess-again")


@pytest.mark.pypeit
def test_reduce_dry(page: Any, lab: Lab, lab_home: Path, kast_frames: Path) -> None:
    notebook = lab.folder / "reduce.ipynb"
    text = notebook.read_text()
    dry = text.replace('dry_run: \\"bool\\" = False', 'dry_run: \\"bool\\" = True')
    dry = dry.replace('raw: \\"path\\" = \\"\\"', f'raw: \\"path\\" = \\"{kast_frames}\\"')
    assert dry != text
    notebook.write_text(dry)
    run_from_top(page, lab, "reduce.ipynb")
    [result] = wait_for_results(page, lab_home, "reduce", 1)
    assert result["outcome"] == "succeeded"
    assert result["figures"]["raw frames"] == 9
    look(page, "reduce-dry")
