"""The record of a pipeline run: the record of a run, and beside it the states of the steps.

`steps.json` and the page `report.html` are rewritten at each change of a step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kpfnb import runs
from kpfnb.core import atomic, logs
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.notebook import runner
from kpfnb.pipelines import page
from kpfnb.pipelines.plan import PipelinePlan
from kpfnb.pipelines.step_state import StepPhase, StepState, pipeline_outcome, summarize_steps
from kpfnb.runs import notification, report, site
from kpfnb.runs.classification import RunEndFacts

SCHEMA_VERSION = 1
RUN_KIND = "pipeline"
STEPS_NAME = "steps.json"

StepCallback = Callable[[StepState], object]
"""Called at each change of a step, from the thread that made it."""


@dataclass(frozen=True)
class PipelineRun:
    """One run of a pipeline, finished or not."""

    record: runs.RunRecord
    states: dict[str, StepState]
    resumes: str = ""
    """Name of the directory of the run that it continues."""
    nothing_to_do: bool = False
    """True if this is an earlier run that was to be resumed, but was complete."""

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.record.directory / report.REPORT_NAME

    @property
    def outcome(self) -> Outcome | None:
        """None while it runs."""
        return self.record.outcome

    @property
    def runs_dir(self) -> Path:
        """The runs directory, which also has the runs of the steps."""
        return self.record.directory.parents[1]

    def load_results(self) -> dict[str, dict[str, Any]]:
        """The `values` of the results of its steps."""
        return load_results(self.states, self.runs_dir)

    def states_with_result(self) -> dict[str, StepState]:
        """The steps whose result still exists."""
        return {name: self.states[name] for name in self.load_results()}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the run's record and its steps."""
        steps = [state.to_dict() for state in self.states.values()]
        return {
            **self.record.to_dict(),
            "nothing_to_do": self.nothing_to_do,
            "page": str(self.page),
            "steps": steps,
        }


def start_run(
    plan: PipelinePlan, states: dict[str, StepState], earlier: PipelineRun | None
) -> PipelineRun:
    """Start a run; `earlier` is the one that it continues."""
    pipeline = plan.pipeline
    record = runs.start_run(
        run_folder_name(pipeline.name),
        kind=RUN_KIND,
        parameters=plan.parameters,
        command=[
            *("kpfnb", "pipeline", "run", pipeline.source),
            *runner.format_cli_arguments(plan.parameters),
        ],
    )
    resumes = earlier.record.directory.name if earlier else ""
    return PipelineRun(record, states, resumes)


def load_results(states: Mapping[str, StepState], runs_dir: Path) -> dict[str, dict[str, Any]]:
    """The `values` of results by step; steps without a result are left out."""
    results = {}
    for name, state in states.items():
        file = runs_dir / state.run / runs.RESULT_NAME
        if state.run and file.exists():
            results[name] = atomic.read_json(file).get("values", {})
    return results


def referenced_runs(directory: Path) -> set[str]:
    """The run directories, below the runs directory, that a pipeline's page links to."""
    try:
        values = atomic.read_json(directory / STEPS_NAME)
        steps = {step["run"] for step in values["steps"] if step.get("run")}
    except (OSError, InvalidInputError, KeyError, TypeError, AttributeError):
        return set()
    resumed = values.get("resumes")
    return steps | ({f"{directory.parent.name}/{resumed}"} if resumed else set())


def run_folder_name(pipeline: str) -> str:
    """Name of the directory that holds a pipeline's runs."""
    return f"{RUN_KIND}-{pipeline}"


def latest_run(plan: PipelinePlan, runs_dir: Path) -> PipelineRun | None:
    """The last run of that pipeline with the same parameters; None if there is none."""
    for directory in runs.list_directories(runs_dir, run_folder_name(plan.pipeline.name)):
        record = runs.current_record(directory)
        if record.parameters == plan.parameters and (directory / STEPS_NAME).exists():
            return read_run(record)
    return None


def read_run(record: runs.RunRecord) -> PipelineRun:
    """The pipeline run of a record; `InvalidInputError` if its steps can't be read."""
    file = record.directory / STEPS_NAME
    values = atomic.read_json(file)
    if not isinstance(values, dict) or values.get("schema", SCHEMA_VERSION + 1) > SCHEMA_VERSION:
        raise InvalidInputError(
            f"{file} was written by a newer kpfnb, or is damaged", "start without it"
        )
    try:
        states = [StepState.from_dict(state) for state in values["steps"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{file} is damaged: {error}", "start without --resume") from None
    return PipelineRun(record, {state.name: state for state in states}, values["resumes"])


class PipelineJournal:
    """The current run: changes of its steps are recorded before they are reported.

    `zone` is read at the start: settings that become invalid later must not end the run.
    """

    def __init__(
        self, plan: PipelinePlan, run: PipelineRun, notify: StepCallback, zone: ZoneInfo
    ) -> None:
        self._plan = plan
        self._notify = notify
        self._zone = zone
        self._lock = threading.Lock()
        self.run = run
        self.write()

    def set_state(self, state: StepState) -> None:
        """Record the new state of a step, then report it."""
        with self._lock:
            self.run = replace(self.run, states={**self.run.states, state.name: state})
            self.write()
        self._notify(state)

    def finish(self, stopped: str = "") -> PipelineRun:
        """Classify and record how the pipeline ended; `stopped` says who stopped it."""
        states = self.run.states
        result = {
            "outcome": pipeline_outcome(
                state.outcome or Outcome.SKIPPED for state in states.values()
            ),
            "reason": summarize_steps(states.values()),
            "figures": step_counts(states),
            "values": {"steps": [state.to_dict() for state in states.values()]},
        }
        runs.write_result(self.run.record, result)
        record = runs.finish_run(self.run.record, RunEndFacts(result=result, stop_reason=stopped))
        self.run = replace(self.run, record=record)
        self.write()
        site.update_site(record)
        notification.notify_of_end(record, self.run.page)
        return self.run

    def write(self) -> None:
        """Write the states of the steps, and the page."""
        steps = [state.to_dict() for state in self.run.states.values()]
        head = {"schema": SCHEMA_VERSION, "resumes": self.run.resumes}
        atomic.write_json(self.run.record.directory / STEPS_NAME, {**head, "steps": steps})
        write_run_page(self._plan, self.run, self._zone)


def write_run_page(plan: PipelinePlan, run: PipelineRun, zone: ZoneInfo) -> None:
    """Write the page of a run; `zone` is the time zone that it shows."""
    html = page.render_run_page(plan.pipeline, run.record, run.states, run.resumes, zone=zone)
    atomic.write_text(run.page, logs.redact_secrets(html))


def step_counts(states: Mapping[str, StepState]) -> dict[str, int | float | str]:
    """The key figures for the run list."""
    good = sum(state.outcome is Outcome.SUCCEEDED for state in states.values())
    reused = sum(state.phase is StepPhase.ALREADY_DONE for state in states.values())
    return {"steps": len(states), "succeeded": good, "already done": reused}
