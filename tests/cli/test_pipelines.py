from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kpfnb import runs
from kpfnb.cli import app
from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError
from kpfnb.notebook import runner
from kpfnb.runs import RunRecord
from kpfnb.runs.classification import CellError, RunEndFacts
from tests import samples

PIPELINE = """
title: Two of them
parameters: {n: {default: 3, help: how many}}
steps:
  first: {title: Count, notebook: task, parameters: {n: {parameter: n}}}
  second:
    notebook: task
    parameters: {label: {step: first, value: label}, n: 9}
    when: {step: first, value: label}
    retries: 2
    backoff_seconds: 0
    timeout_seconds: 60
"""


@pytest.fixture(autouse=True)
def project(isolated: Path) -> None:
    (isolated / "kpfnb.toml").touch()
    samples.make(isolated / "notebooks", "task")
    (isolated / "pipelines").mkdir()
    (isolated / "pipelines/two.yml").write_text(PIPELINE)


def ending(facts: RunEndFacts) -> Callable[..., RunRecord]:
    """Replaces `run_notebook`: every notebook ends with these facts."""

    def run(name: str, given: Mapping[str, Any], *, parent: str, **rest: Any) -> RunRecord:
        record = runs.start_run(name, parent=parent, parameters=dict(given))
        if facts.result:
            runs.write_result(record, facts.result)
        return runs.finish_run(record, facts)

    return run


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"outcome": "succeeded", "reason": "done", "figures": {}, "values": {"label": "x"}}
    monkeypatch.setattr(runner, "run_notebook", ending(RunEndFacts(result=result)))


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app.app, ["pipeline", *arguments])


@pytest.mark.usefixtures("good")
def test_run_prints_each_step_the_end_and_the_page() -> None:
    done = call("run", "two", "-p", "n=4")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0].startswith("✔ first: succeeded, done, ")
    assert "✔ pipeline-two succeeded: all of 2 steps succeeded" in lines
    page = Path(lines[-1].removeprefix("report: "))
    assert page.name == "report.html" and page.exists()


@pytest.mark.usefixtures("good")
def test_resuming_what_is_done_says_so() -> None:
    call("run", "two")
    done = call("run", "two", "--resume")
    assert done.exit_code == 0
    assert "✔ first: already done" in done.stdout
    assert "nothing to do: run " in done.stdout
    assert json.loads(call("run", "two", "--resume", "--json").stdout)["nothing_to_do"] is True


def test_the_exit_code_is_that_of_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = RunEndFacts(error=CellError(2, "ValueError", "no light"))
    monkeypatch.setattr(runner, "run_notebook", ending(facts))
    done = call("run", "two", "--json")
    assert done.exit_code == 1
    values = json.loads(done.stdout)
    assert values["outcome"] == "failed"
    assert [step["phase"] for step in values["steps"]] == ["ran", "blocked"]


def test_a_dry_run_prints_the_plan_and_writes_nothing() -> None:
    done = call("run", "two", "--dry-run", "-p", "n=4")
    assert done.exit_code == 0
    assert "1. first: Count (to run)\n     notebook: task\n     n = 4\n" in done.stdout
    assert "     label = label of first\n" in done.stdout
    assert "     only if not empty: label of first\n" in done.stdout
    assert not Path("work").exists()
    steps = json.loads(call("run", "two", "--dry-run", "--json").stdout)["steps"]
    assert [step["name"] for step in steps] == ["first", "second"]


@pytest.mark.usefixtures("good")
def test_a_dry_run_of_resuming_says_what_is_done() -> None:
    call("run", "two")
    (Path("pipelines") / "two.yml").write_text(PIPELINE.replace("n: 9", "n: 8"))
    done = call("run", "two", "--dry-run", "--resume")
    assert "first: Count (already done)" in done.stdout
    assert "second (to run)" in done.stdout


def test_list_and_show_print_the_steps_in_order() -> None:
    assert "two: Two of them\n    first → second\n" in call("list").stdout
    shown = call("show", "two").stdout
    assert "  -p n=3  how many\n" in shown
    assert "     n = -p n\n" in shown
    assert "     more attempts: 2, the first after 0 s\n     stopped after: 60 s\n" in shown
    assert json.loads(call("show", "two", "--json").stdout)["steps"]["second"]["retries"] == 2
    assert "two" in [pipeline["name"] for pipeline in json.loads(call("list", "--json").stdout)]


def test_a_mistake_and_a_busy_pipeline_are_the_errors_of_the_command() -> None:
    assert isinstance(call("run", "tow").exception, InvalidInputError)
    with locks.acquire_lock("pipeline-two"):
        assert isinstance(call("run", "two").exception, AlreadyRunningError)
