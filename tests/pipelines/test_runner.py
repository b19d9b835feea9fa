from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kpfnb import runs
from kpfnb.core import atomic, locks
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    InvalidParameterError,
    InvalidSettingsError,
)
from kpfnb.core.project import SETTINGS_FILE_NAME
from kpfnb.core.result import Outcome
from kpfnb.notebook.runner import STOPPED_BY_OPERATOR
from kpfnb.pipelines import run_record
from kpfnb.pipelines.plan import PipelinePlan, make_plan, retry_delay
from kpfnb.pipelines.run_record import PipelineJournal, PipelineRun, read_run
from kpfnb.pipelines.runner import find_resumable, pipeline_lock_name, preview_steps, run_pipeline
from kpfnb.pipelines.spec import PipelineStep, load_pipeline
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs.classification import CellError, RunEndFacts

NIGHTLY = """
parameters:
  night: {default: "20240115", help: the night}
steps:
  look: {notebook: progress, parameters: {start: {parameter: night}}}
  work:
    notebook: reprocess
    parameters: {observations: {step: look, value: missing}}
    when: {step: look, value: missing}
  after: {notebook: progress, needs: [work], parameters: {start: {parameter: night}}}
  other: {notebook: reprocess}
"""
PROGRESS = 'start: "night" = ""  # first night'
REPROCESS = 'observations: "list[str]" = []  # ObsIDs\nncpus: "int[1, 64]" = 1  # cores'


def write_notebook(path: Path, parameters: str, code: str = "pass") -> None:
    def cell(source: str, *tags: str) -> dict[str, Any]:
        return {
            "cell_type": "code",
            "id": f"cell{len(source)}",
            "source": source,
            "metadata": {"tags": list(tags)},
            "outputs": [],
            "execution_count": None,
        }

    path.parent.mkdir(exist_ok=True)
    cells = [cell(parameters, "parameters"), cell(code)]
    atomic.write_json(path, {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(autouse=True)
def project(isolated: Path) -> Path:
    write_notebook(isolated / "notebooks/progress.ipynb", PROGRESS)
    write_notebook(isolated / "notebooks/reprocess.ipynb", REPROCESS)
    return isolated


def make(text: str = NIGHTLY, **given: Any) -> PipelinePlan:
    Path("nightly.yml").write_text(text)
    return make_plan(load_pipeline("nightly.yml"), given)


Behaviour = Callable[[Mapping[str, Any]], RunEndFacts]


def good(**values: Any) -> RunEndFacts:
    result = {"outcome": "succeeded", "reason": "done", "figures": {}, "values": values}
    return RunEndFacts(result=result)


def failed(given: Mapping[str, Any]) -> RunEndFacts:
    return RunEndFacts(error=CellError(3, "ValueError", "no light"))


class Fake:
    """Runs steps without notebooks; `does` gives the outcome for each notebook."""

    def __init__(self, **does: Behaviour) -> None:
        self.does = {"progress": lambda given: good(missing=["a", "b"]), **does}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.timeouts: list[float | None] = []
        self.parents: set[str] = set()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def __call__(
        self,
        name: str,
        given: Mapping[str, Any],
        *,
        parent: str,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> runs.RunRecord:
        self.calls.append((name, dict(given)))
        self.timeouts.append(timeout_seconds)
        self.parents.add(parent)
        record = runs.start_run(name, parent=parent, parameters=dict(given))
        facts = self.does.get(name, lambda given: good())(given)
        if facts.result:
            runs.write_result(record, facts.result)
        return runs.finish_run(record, facts)


def run(plan: PipelinePlan, fake: Fake, **options: Any) -> PipelineRun:
    return run_pipeline(plan, run_step=fake, **options)


def words(run: PipelineRun) -> dict[str, str]:
    return {name: state.word for name, state in run.states.items()}


def test_each_step_runs_after_what_it_needs_with_values_from_it() -> None:
    fake = Fake()
    done = run(make(night="20240116"), fake, jobs=1)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.record.reason == "all of 4 steps succeeded"
    assert ("reprocess", {"observations": ["a", "b"]}) in fake.calls
    assert fake.calls.count(("progress", {"start": "20240116"})) == 2
    assert fake.parents == {done.record.id}
    order = list(done.states)
    assert order.index("look") < order.index("work") < order.index("after")


def test_the_record_is_listed_and_has_each_step() -> None:
    done = run(make(), Fake())
    assert done.record.directory.parent.name == "pipeline-nightly"
    (listed,) = runs.list_runs(done.runs_dir, notebook="pipeline-nightly")
    assert (listed.kind, listed.outcome) == ("pipeline", Outcome.SUCCEEDED)
    assert listed.figures == {"steps": 4, "succeeded": 4, "already done": 0}
    assert listed.parameters == {"night": "20240115"}
    assert listed.command[2:] == ["run", "nightly.yml", "-p", "night=20240115"]
    result = listed.read_result()
    assert result and [step["name"] for step in result["values"]["steps"]] == list(done.states)
    look = runs.read_record(done.runs_dir / done.states["look"].run)
    assert (look.notebook, look.parent) == ("progress", listed.id)
    assert read_run(listed).states == done.states


def test_a_failed_step_stops_only_what_needs_it() -> None:
    plan = make(NIGHTLY.replace("other: {notebook: reprocess}", "other: {notebook: progress}"))
    done = run(plan, Fake(reprocess=failed))
    assert words(done) == {
        "look": "succeeded",
        "other": "succeeded",
        "work": "failed",
        "after": "blocked",
    }
    assert done.states["after"].reason == "needs work, which failed"
    assert done.states["after"].outcome is Outcome.SKIPPED
    assert done.states["work"].reason.endswith("ValueError: no light")
    assert done.outcome is Outcome.FAILED
    assert done.record.reason == "work failed; after blocked"


def test_a_step_after_another_runs_however_that_one_ended() -> None:
    plan = make(NIGHTLY.replace("needs: [work]", "after: [work]"))
    fake = Fake(reprocess=failed)
    done = run(plan, fake)
    assert words(done)["after"] == "succeeded"
    assert fake.names[-1] == "progress"
    assert done.outcome is Outcome.FAILED


def test_a_partial_step_allows_its_dependents() -> None:
    def partial(given: Mapping[str, Any]) -> RunEndFacts:
        result = {"outcome": "partial", "reason": "1 of 2", "figures": {}, "values": {}}
        return RunEndFacts(result=result)

    done = run(make(), Fake(reprocess=partial))
    assert words(done)["after"] == "succeeded"
    assert done.outcome is Outcome.PARTIAL


def test_a_step_is_not_needed_where_there_is_nothing_to_do() -> None:
    fake = Fake(progress=lambda given: good(missing=[]))
    done = run(make(), fake)
    assert done.states["work"].word == "not needed"
    assert done.states["work"].reason == "missing of look is empty"
    assert done.states["after"].word == "succeeded"
    assert done.outcome is Outcome.SUCCEEDED
    assert "reprocess" not in [name for name, given in fake.calls if "observations" in given]


def test_a_value_that_a_step_does_not_give_is_named() -> None:
    done = run(make(NIGHTLY.replace("value: missing", "value: mising")), Fake())
    assert done.states["work"].outcome is Outcome.REJECTED
    assert done.states["work"].reason == ("step look gave no value 'mising'; values are: missing")
    assert done.outcome is Outcome.FAILED


def test_a_failed_step_is_tried_again_and_a_rejected_one_is_not() -> None:
    attempts = iter([failed({}), RunEndFacts(kernel_died=True), good()])
    text = "steps: {a: {notebook: reprocess, retries: 3, backoff_seconds: 0, timeout_seconds: 9}}"
    fake = Fake(reprocess=lambda given: next(attempts))
    done = run(make(text), fake)
    assert (done.states["a"].attempts, done.states["a"].word) == (3, "succeeded")
    assert fake.timeouts == [9, 9, 9]

    rejected = Fake(
        reprocess=lambda given: RunEndFacts(error=CellError(1, "InvalidInputError", "no data"))
    )
    done = run(make(text), rejected)
    assert (done.states["a"].attempts, done.states["a"].word) == (1, "rejected")


@pytest.mark.parametrize(
    ("outcome", "attempts", "delay"),
    [
        (Outcome.FAILED, 1, 10),
        (Outcome.CRASHED, 2, 20),
        (Outcome.FAILED, 3, 40),
        (Outcome.FAILED, 15, 3600),
        (Outcome.FAILED, 21, None),
        (Outcome.REJECTED, 1, None),
        (Outcome.PARTIAL, 1, None),
        (Outcome.SUCCEEDED, 1, None),
    ],
)
def test_the_delay_doubles(outcome: Outcome, attempts: int, delay: float | None) -> None:
    step = PipelineStep(notebook="a", retries=20)
    state = StepState("a", "a", outcome=outcome, attempts=attempts)
    assert retry_delay(step, state) == delay


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (AlreadyRunningError("kpf is already running"), Outcome.SKIPPED, "kpf is already running"),
        (InvalidSettingsError("no room"), Outcome.REJECTED, "no room"),
        (RuntimeError("what?"), Outcome.FAILED, "RuntimeError: what?"),
    ],
)
def test_an_error_in_starting_a_step_is_its_outcome(
    error: Exception, outcome: Outcome, reason: str
) -> None:
    def refuse(given: Mapping[str, Any]) -> RunEndFacts:
        raise error

    done = run(make(), Fake(reprocess=refuse))
    assert (done.states["work"].outcome, done.states["work"].reason) == (outcome, reason)
    assert done.states["after"].word == "blocked"


def test_independent_steps_run_at_the_same_time_but_no_more_than_jobs() -> None:
    both = threading.Barrier(2, timeout=30)
    running: list[int] = []
    counts: list[int] = []

    def meet(given: Mapping[str, Any]) -> RunEndFacts:
        running.append(1)
        counts.append(len(running))
        both.wait()
        running.pop()
        return good()

    text = "steps: {" + ", ".join(f"s{n}: {{notebook: reprocess}}" for n in range(4)) + "}"
    done = run(make(text), Fake(reprocess=meet), jobs=2)
    assert done.outcome is Outcome.SUCCEEDED
    assert max(counts) == 2


# --- resume -------------------------------------------------------------------------------------


def test_resuming_runs_only_what_is_not_done() -> None:
    first = run(make(), Fake(reprocess=failed))
    fake = Fake()
    second = run(make(), fake, resume=True)
    assert words(second) == {
        "look": "already done",
        "other": "succeeded",
        "work": "succeeded",
        "after": "succeeded",
    }
    assert sorted(fake.names) == ["progress", "reprocess", "reprocess"]
    assert second.states["look"].run == first.states["look"].run
    assert second.resumes == first.record.directory.name
    assert second.outcome is Outcome.SUCCEEDED


def test_resuming_a_run_that_succeeded_does_nothing() -> None:
    first = run(make(), Fake())
    fake = Fake()
    second = run(make(), fake, resume=True)
    assert second.record == first.record
    assert (first.nothing_to_do, second.nothing_to_do) == (False, True)
    assert set(words(second).values()) == {"already done"}
    assert fake.calls == []
    assert len(runs.list_directories(first.runs_dir, "pipeline-nightly")) == 1


def test_without_resume_everything_runs_again() -> None:
    run(make(), Fake())
    fake = Fake()
    run(make(), fake)
    assert len(fake.calls) == 4


def test_only_a_run_with_the_same_parameters_is_resumed() -> None:
    run(make(), Fake())
    fake = Fake()
    run(make(night="20240116"), fake, resume=True)
    assert len(fake.calls) == 4
    # the same night, as a number
    fake = Fake()
    run(make(night=20240115), fake, resume=True)
    assert fake.calls == []


@pytest.mark.parametrize("what", ["notebook", "settings", "step", "result"])
def test_a_step_whose_inputs_changed_runs_again_with_what_depends_on_it(
    what: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(make(), Fake())
    text = NIGHTLY
    if what == "notebook":
        write_notebook(project / "notebooks/progress.ipynb", PROGRESS, "print(1)")
    elif what == "settings":
        monkeypatch.setenv("KPFNB_DATA_ROOT", str(project / "elsewhere"))
    elif what == "step":
        text = text.replace('default: "20240115"', "default: 20240115").replace(
            "look: {notebook: progress, parameters: {start: {parameter: night}}}",
            "look: {notebook: progress, parameters: {start: '20240114'}}",
        )
    else:
        (first.runs_dir / first.states["look"].run / "result.json").unlink()
    fake = Fake(progress=lambda given: good(missing=["c"]))
    second = run(make(text), fake, resume=True)
    expected = "succeeded" if what == "settings" else "already done"
    assert words(second)["other"] == expected
    assert [words(second)[name] for name in ("look", "work", "after")] == ["succeeded"] * 3


def test_saving_outputs_in_a_notebook_changes_nothing(project: Path) -> None:
    run(make(), Fake())
    path = project / "notebooks/progress.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    notebook["cells"][1]["source"] = [notebook["cells"][1]["source"]]
    path.write_text(json.dumps(notebook))
    fake = Fake()
    run(make(), fake, resume=True)
    assert fake.calls == []


def test_if_a_required_step_runs_again_its_dependents_run_again() -> None:
    partial = {"outcome": "partial", "reason": "", "figures": {}, "values": {"missing": ["a"]}}
    run(make(), Fake(progress=lambda given: RunEndFacts(result=partial)))
    fake = Fake(progress=lambda given: good(missing=["a"]))
    second = run(make(), fake, resume=True)
    assert words(second) == {
        "look": "succeeded",
        "work": "succeeded",
        "after": "succeeded",
        "other": "already done",
    }


def test_a_damaged_record_is_reported_and_can_be_ignored() -> None:
    first = run(make(), Fake())
    (first.record.directory / "steps.json").write_text('{"schema": 1, "steps": [{}]}')
    with pytest.raises(InvalidInputError, match=r"steps\.json is damaged"):
        run(make(), Fake(), resume=True)
    (first.record.directory / "steps.json").write_text('{"schema": 99, "steps": []}')
    with pytest.raises(InvalidInputError, match="newer kpfnb"):
        run(make(), Fake(), resume=True)
    assert run(make(), Fake()).outcome is Outcome.SUCCEEDED


# --- stopping and locks -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_running_steps_starts_no_others_and_is_recorded(number: int) -> None:
    class Stopped(Fake):
        def __call__(self, name: str, given: Mapping[str, Any], **rest: Any) -> runs.RunRecord:
            os.kill(os.getpid(), number)
            assert rest["stop"].wait(30)
            self.does["progress"] = lambda given: RunEndFacts(stop_reason=STOPPED_BY_OPERATOR)
            return super().__call__(name, given, **rest)

    before = signal.getsignal(number)
    text = NIGHTLY.replace("  other: {notebook: reprocess}\n", "").replace(
        "look: {", "look: {retries: 5, backoff_seconds: 1000, "
    )
    fake = Stopped()
    done = run(make(text), fake)
    assert signal.getsignal(number) is before
    assert fake.names == ["progress"]
    assert words(done) == {"look": "failed", "work": "blocked", "after": "blocked"}
    assert done.states["work"].reason == "the pipeline was stopped"
    assert (done.outcome, done.record.reason) == (Outcome.FAILED, STOPPED_BY_OPERATOR)
    # The next run continues
    assert run(make(text), Fake(), resume=True).outcome is Outcome.SUCCEEDED


def test_a_second_run_of_the_pipeline_is_refused_and_leaves_no_record() -> None:
    plan = make()
    busy = pytest.raises(AlreadyRunningError, match="pipeline-nightly is already running")
    with locks.acquire_lock(pipeline_lock_name(plan)), busy:
        run(plan, Fake())
    assert not Path("work/runs").exists()


def test_pipelines_with_one_lock_exclude_each_other() -> None:
    assert pipeline_lock_name(make("lock: kpf\n" + NIGHTLY)) == "pipeline-kpf"


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    fake = Fake()
    plan = make()
    monkeypatch.setattr(run_record.atomic, "write_text", full)
    with pytest.raises(InvalidSettingsError, match="No space left"):
        run(plan, fake)


def test_settings_that_become_invalid_during_the_run_do_not_hide_its_end(project: Path) -> None:
    def damage_settings(given: Mapping[str, Any]) -> RunEndFacts:
        (project / SETTINGS_FILE_NAME).write_text("half a li")
        return good(missing=["a"])

    done = run(make(), Fake(progress=damage_settings), jobs=1)
    assert words(done)["look"] == "succeeded"
    assert (words(done)["work"], words(done)["after"]) == ("rejected", "blocked")
    assert SETTINGS_FILE_NAME in done.states["work"].reason
    assert done.outcome is Outcome.FAILED and "work rejected" in done.record.reason
    assert runs.read_record(done.record.directory) == done.record
    assert read_run(done.record).states == done.states
    assert 'http-equiv="refresh"' not in done.page.read_text()


def test_a_step_whose_run_is_kept_in_another_directory_has_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KPFNB_WORK_DIR")

    def move(given: Mapping[str, Any]) -> RunEndFacts:
        (project / SETTINGS_FILE_NAME).write_text('work_dir = "elsewhere"')
        return good(missing=["a"])

    done = run(make(), Fake(progress=move), jobs=1)
    assert words(done)["look"] == "succeeded"
    assert (words(done)["work"], words(done)["after"]) == ("failed", "blocked")
    assert "elsewhere" in done.states["work"].reason
    assert runs.read_record(done.record.directory) == done.record
    assert done.outcome is Outcome.FAILED


def test_no_step_continues_after_the_pipeline_was_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, ended = threading.Event(), list[str]()
    write = PipelineJournal.write

    def full(self: PipelineJournal) -> None:
        if broken.is_set():
            raise OSError(28, "No space left on device")
        write(self)

    def run_step(name: str, given: Mapping[str, Any], **options: Any) -> runs.RunRecord:
        record = runs.start_run(name, parent=options["parent"])
        if name == "progress":
            assert options["stop"].wait(60)
            # A notebook needs some time to end
            time.sleep(0.2)
        broken.set()
        ended.append(name)
        return replace(record, outcome=Outcome.SUCCEEDED)

    monkeypatch.setattr(PipelineJournal, "write", full)
    plan = make("steps: {first: {notebook: progress}, second: {notebook: reprocess}}")
    with pytest.raises(InvalidSettingsError, match="No space left"):
        run_pipeline(plan, run_step=run_step)
    assert ended == ["reprocess", "progress"]


# --- before anything is run ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("notebook: reprocess}", "notebook: reproces}", "step other: no notebook 'reproces'"),
        ("{start: {parameter: night}}}\n  work", "{strat: '1'}}\n  work", "step look: unknown par"),
        ("{observations: {step", "{observatons: {step", "step work: unknown parameter 'observato"),
        (
            "notebook: reprocess}",
            "notebook: reprocess, parameters: {ncpus: 99}}",
            "1 to 64, not 99",
        ),
        ('default: "20240115"', 'default: "20240199"', "step look: parameter start: must be a val"),
        ("parameters:\n", "parameters:\n  x: {default: 1}\n", "no step uses the parameter 'x'"),
    ],
)
def test_a_pipeline_is_checked_against_its_notebooks(old: str, new: str, message: str) -> None:
    assert old in NIGHTLY
    with pytest.raises((InvalidInputError, InvalidParameterError)) as caught:
        make(NIGHTLY.replace(old, new, 1))
    assert message in caught.value.what


def test_given_parameters_are_checked_too() -> None:
    with pytest.raises(InvalidParameterError, match="start: must be a valid date"):
        make(night="20240199")
    with pytest.raises(InvalidInputError, match="did you mean night"):
        make(nihgt="20240115")


def test_a_preview_runs_nothing_and_shows_finished_steps() -> None:
    plan = make()
    assert {state.phase for state in preview_steps(plan, None).values()} == {StepPhase.WAITING}
    run(plan, Fake(reprocess=failed))
    states = preview_steps(plan, find_resumable(plan))
    assert {name: state.phase for name, state in states.items()} == {
        "look": StepPhase.ALREADY_DONE,
        "other": StepPhase.WAITING,
        "work": StepPhase.WAITING,
        "after": StepPhase.WAITING,
    }
    assert states["work"].parameters == {"observations": ["a", "b"]}
