"""What a person does with a notebook in JupyterLab, and what has to come of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.browser.cases import CASES, Case
from tests.browser.conftest import Lab
from tests.browser.notebook import PROJECT, STORED_PICTURE, Notebook

VOLATILE = re.compile(r"seconds|started|finished|taken|looked_at|run|log|since|items_per_second")
"""Keys whose values differ from run to run."""
ATTEMPTS = 3
"""A run or item of another test may end between the two runs that are compared."""
AS_BEFORE = "nights were last scanned in full"
"""Said once a night's files have rested for long enough: by the clock, not by what is asked."""
TIMES = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?|\d+(\.\d+)? s\b|\d{8}T\d{6}\S*"
)


def uses(name: str, page: Any, lab: Lab, request: pytest.FixtureRequest) -> None:
    """Form, Run, another value, reload, Stop; and plain papermill gives the same result."""
    case = _filled_in(CASES[name], request)
    notebook = Notebook(page, lab, name)
    notebook.open()
    notebook.fill(case.first)
    first = notebook.run(case.button)
    notebook.fill(case.change)
    second = notebook.run(case.button)
    assert _plain(first) != _plain(second)
    assert page.locator(STORED_PICTURE).count() == 0
    notebook.check_page()

    _reload_and_stop(notebook, case)

    assert any(_is_same_as_papermill(notebook, case) for _ in range(ATTEMPTS))


def _reload_and_stop(notebook: Notebook, case: Case) -> None:
    notebook.flag.touch()
    notebook.button(case.button).click()
    notebook.held().wait_for()
    notebook.reload()
    notebook.held().wait_for()
    assert notebook.button("Run").is_disabled()
    for label, value in case.change.items():
        assert str(notebook.value(label)) == str(value)
    notebook.button("■ Stop").click()
    notebook.status("stopped by the operator")
    notebook.flag.unlink()
    notebook.wait_until_idle()
    record = notebook.record()
    assert (record["outcome"], record["reason"]) == ("failed", "stopped by the operator")


def _is_same_as_papermill(notebook: Notebook, case: Case) -> bool:
    return bool(_plain(notebook.run(case.button)) == _plain(_papermill(notebook)))


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
    fixtures = {name: request.getfixturevalue(name) for name in case.needs}
    first = {k: v.format(**fixtures) if isinstance(v, str) else v for k, v in case.first.items()}
    return Case(case.change, first, case.needs, case.button)


def _plain(result: dict[str, Any]) -> Any:
    """What has to be the same in the browser and on the command line."""
    return {key: _steady(result[key]) for key in ("outcome", "reason", "figures", "values")}


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _steady(item) for key, item in value.items() if not VOLATILE.fullmatch(str(key))
        }
    if isinstance(value, list):
        return [_steady(item) for item in value if not _is_by_the_clock(item)]
    return TIMES.sub("TIME", value) if isinstance(value, str) else value


def _is_by_the_clock(value: Any) -> bool:
    return isinstance(value, str) and AS_BEFORE in value
