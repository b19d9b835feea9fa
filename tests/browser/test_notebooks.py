"""A person uses the notebooks in JupyterLab: form, Run, another value, reload, Stop."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.cases import CASES, Case
from tests.browser.notebook import PROJECT, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VOLATILE = re.compile(r"seconds|started|finished|taken|looked_at|run|log|since|items_per_second")
"""Keys whose values differ from run to run."""
TIMES = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?|\d+(\.\d+)? s\b|\d{8}T\d{6}\S*"
)
EVERYTHING = "KPFNB_BROWSE_EVERYTHING"


alone = pytest.mark.skipif(
    EVERYTHING not in os.environ,
    reason="minutes a notebook, and not steady yet beside other work: make browser",
)


@alone
@pytest.mark.parametrize("name", CASES)
def test_a_person_uses_it(name: str, page: Any, lab: Any, request: pytest.FixtureRequest) -> None:
    case = _filled_in(CASES[name], request)
    notebook = Notebook(page, lab, name)
    notebook.open()
    notebook.run_to_form()
    notebook.fill(case.first)
    first = notebook.run(case.button)
    notebook.fill(case.change)
    second = notebook.run(case.button)
    assert _told(first) != _told(second)
    notebook.look()

    _reload_and_stop(notebook, case)

    repeated = notebook.run(case.button)
    assert _plain(repeated) == _plain(_papermill(notebook))


def _reload_and_stop(notebook: Notebook, case: Case) -> None:
    notebook.flag.touch()
    notebook.button(case.button).click()
    held = notebook.page.get_by_text(re.compile(r"held: \d+"))
    held.wait_for()
    notebook.reload()
    held.wait_for()
    assert notebook.button("Run").is_disabled()
    for label, value in case.change.items():
        assert str(notebook.value(label)) == str(value)
    notebook.button("■ Stop").click()
    notebook.status("stopped by the operator")
    notebook.flag.unlink()
    notebook.wait_until_idle()
    record = notebook.record()
    assert (record["outcome"], record["reason"]) == ("failed", "stopped by the operator")


def _papermill(notebook: Notebook) -> dict[str, Any]:
    """The result of plain papermill with the parameters of the last run in JupyterLab."""
    record = notebook.record()
    parameters = notebook.home / f"{notebook.name}.yml"
    parameters.write_text(yaml.safe_dump(record["parameters"]))
    source = PROJECT / "notebooks" / f"{notebook.name}.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(parameters.with_suffix(".ipynb")),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KPFNB_")}
    subprocess.run(
        [*command, "-f", str(parameters), "--no-progress-bar"],
        cwd=notebook.home,
        env=environment,
        check=True,
        capture_output=True,
    )
    results = sorted((notebook.home / "work/runs/notebook").glob("*/result.json"))
    result: dict[str, Any] = json.loads(results[-1].read_text())
    return result


def _filled_in(case: Case, request: pytest.FixtureRequest) -> Case:
    """The case with the values of the fixtures that it needs."""
    made = {name: request.getfixturevalue(name) for name in case.needs}
    first = {k: v.format(**made) if isinstance(v, str) else v for k, v in case.first.items()}
    return Case(case.change, first, case.needs, case.button)


def _told(result: dict[str, Any]) -> tuple[Any, ...]:
    return result["outcome"], result["figures"], _plain(result)


def _plain(result: dict[str, Any]) -> Any:
    """What has to be the same whoever runs it."""
    return {key: _steady(result[key]) for key in ("outcome", "reason", "figures", "values")}


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(one) for key, one in value.items() if not VOLATILE.fullmatch(str(key))}
    if isinstance(value, list):
        return [_steady(one) for one in value]
    return TIMES.sub("TIME", value) if isinstance(value, str) else value


def test_a_wrong_value_is_told_as_one_types(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    before = len(notebook.runs())
    notebook.fill({"version": "two"})
    wrong = page.get_by_role("alert").filter(has_text="must be a version")
    wrong.wait_for()
    notebook.button("Run").click()
    page.get_by_role("alert").filter(has_text="parameter version").nth(1).wait_for()
    # The run that begin() began, and no other
    assert len(notebook.runs()) == before
    notebook.look("progress-wrong")
    notebook.fill({"version": "2.9"})
    wrong.first.wait_for(state="hidden")


@alone
def test_a_run_is_stopped_and_goes_on(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "reprocess")
    notebook.open()
    notebook.run_to_form()
    before = notebook.runs()
    notebook.button("Run").click()
    page.get_by_text(re.compile(r"reprocessing: [1-9]\d* of")).wait_for()
    notebook.button("■ Stop").click()
    stopped = notebook.ended(before)
    assert stopped["outcome"] in ("partial", "failed")
    assert stopped["figures"]["not reached"] > 0
    notebook.look("reprocess-stopped")
    done = notebook.run()
    assert done["outcome"] == "succeeded"
    assert done["figures"]["done"] == stopped["figures"]["not reached"]
    again = notebook.run()
    assert again["figures"]["products"] == 0


@alone
def test_the_observation_under_the_mouse_is_told(page: Any, lab: Any, ingested: None) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    notebook.run_all()
    canvas = page.locator(".jupyter-matplotlib-canvas-container canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    for step in range(12, 60):
        page.mouse.move(box["x"] + box["width"] * step / 90, box["y"] + box["height"] * 0.45)
        page.wait_for_timeout(60)
        if canvas.evaluate("canvas => canvas.toDataURL()") != before:
            break
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
