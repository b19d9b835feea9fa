"""The plan of a pipeline: checked against its notebooks; and the decision on each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import kpfnb
from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.notebook import parameters, runner
from kpfnb.pipelines.spec import FromParameter, FromStep, Pipeline, PipelineStep
from kpfnb.pipelines.step_state import StepPhase, StepState, blocking_reason, get_path, json_digest

StepStates = Mapping[str, StepState]
StepResults = Mapping[str, Mapping[str, Any]]
"""The `values` of results by step; only steps that have a result."""

MAX_BACKOFF_SECONDS = 3600.0
RETRIED_OUTCOMES = (Outcome.FAILED, Outcome.CRASHED)
"""A rejected step would be rejected again; a partial one names what is missing."""

_IRRELEVANT_SETTINGS = {"workers", "cluster", "time_zone"}
"""Settings that change how the work is done or shown, but not its results."""


@dataclass(frozen=True)
class PipelinePlan:
    """A pipeline that can be run: everything that is known before the run is checked."""

    pipeline: Pipeline
    parameters: dict[str, Any]
    """The pipeline's parameters, in the types of the notebooks."""
    order: list[str]
    sources: dict[str, str]
    """A digest of each step's notebook, by step."""

    def step(self, name: str) -> PipelineStep:
        """The step in the specification."""
        return self.pipeline.steps[name]

    def waiting_states(self) -> dict[str, StepState]:
        """The initial states, in running order."""
        return {
            name: StepState(name, self.step(name).notebook, self.step(name).preceding_steps())
            for name in self.order
        }


def make_plan(pipeline: Pipeline, given: Mapping[str, Any]) -> PipelinePlan:
    """Check a pipeline and its parameters against the notebooks; nothing is run.

    Raises
    ------
    InvalidInputError : an unknown notebook or parameter, named with its step
    InvalidParameterError : an invalid value, named with its step
    InvalidSettingsError : a night is `last`, and the data root has none
    """
    values = pipeline.complete_parameters(given)
    for name, step in pipeline.steps.items():
        try:
            values.update(_check_parameters(step, values))
        except KpfnbError as error:
            raise type(error)(
                f"pipeline {pipeline.name}: step {name}: {error.what}", error.hint
            ) from None
    used = {name for step in pipeline.steps.values() for name in _parameter_names(step)}
    for name in values.keys() - used:
        raise InvalidInputError(
            f"pipeline {pipeline.name}: no step uses the parameter {name!r}",
            "give it to a step, or remove it",
        )
    sources = {name: _notebook_digest(step.notebook) for name, step in pipeline.steps.items()}
    return PipelinePlan(pipeline, values, pipeline.order(), sources)


def next_state(
    plan: PipelinePlan, name: str, states: StepStates, results: StepResults, earlier: StepStates
) -> StepState:
    """The state of a step when all that it needs has ended: ready to run, or settled.

    It is settled if a required step failed, if its `when` is empty, and if `earlier` (the
    run that is resumed) did it with the same notebook, kpfnb version and parameters, after the same
    runs of the steps that it needs.
    """
    state, step = states[name], plan.step(name)
    if reason := blocking_reason(states[need] for need in step.required_steps()):
        return state.blocked(Outcome.SKIPPED, reason)
    try:
        if step.when and not _resolve_reference(step.when, results):
            reason = f"{step.when.value} of {step.when.step} is empty"
            return replace(
                state, phase=StepPhase.NOT_NEEDED, outcome=Outcome.SUCCEEDED, reason=reason
            )
        values = resolve_parameters(plan, step, results)
    except LookupError as error:
        return state.blocked(Outcome.REJECTED, str(error.args[0]))
    # A step has effects besides its result: if a step that it needs ran again, it runs again
    inputs = json_digest(plan.sources[name], values, [states[need].run for need in state.needs])
    before = earlier.get(name)
    if before and before.outcome is Outcome.SUCCEEDED and before.run and before.inputs == inputs:
        return replace(before, needs=state.needs, phase=StepPhase.ALREADY_DONE)
    return replace(state, parameters=values, inputs=inputs)


def resolve_parameters(
    plan: PipelinePlan, step: PipelineStep, results: StepResults
) -> dict[str, Any]:
    """The parameters of a step's notebook; `LookupError` names a missing value."""
    values = {}
    for name, value in step.parameters.items():
        if isinstance(value, FromStep):
            value = _resolve_reference(value, results)
        values[name] = (
            plan.parameters[value.parameter] if isinstance(value, FromParameter) else value
        )
    return values


def retry_delay(step: PipelineStep, state: StepState) -> float | None:
    """The delay (s) before the next attempt; None if there is none."""
    if state.outcome not in RETRIED_OUTCOMES or state.attempts > step.retries:
        return None
    return min(step.backoff_seconds * 2 ** (state.attempts - 1), MAX_BACKOFF_SECONDS)


def _resolve_reference(reference: FromStep, results: StepResults) -> Any:
    if reference.step not in results:
        raise LookupError(f"step {reference.step} was not needed, so it has no {reference.value}")
    try:
        return get_path(results[reference.step], reference.value)
    except LookupError as error:
        raise LookupError(f"step {reference.step} gave {error.args[0]}") from None


def _parameter_names(step: PipelineStep) -> dict[str, str]:
    """The pipeline's parameters that a step uses, each with its name in the notebook."""
    return {
        value.parameter: name
        for name, value in step.parameters.items()
        if isinstance(value, FromParameter)
    }


def _check_parameters(step: PipelineStep, values: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's parameters that the step uses, in the types of its notebook.

    The newest night stands in place of `last`.
    """
    declared = runner.inspect_notebook(runner.find_notebook(step.notebook))
    defaults = {parameter.name: parameter.default for parameter in declared}
    given = {}
    for name, value in step.parameters.items():
        if isinstance(value, FromStep):
            # Not known yet: the notebook checks it later
            value = defaults.get(name)
        given[name] = values[value.parameter] if isinstance(value, FromParameter) else value
    checked = parameters.validate_parameters(declared, given)
    targets = _parameter_names(step)
    used = [parameter for parameter in declared if parameter.name in targets.values()]
    # Here, once for all steps: a night may end while they run
    resolved = parameters.resolve_parameters(used, checked)
    return {name: resolved[target] for name, target in targets.items()}


def _notebook_digest(notebook: str) -> str:
    """A digest of a notebook's code, the version of kpfnb, and the relevant settings."""
    code = [
        "".join(cell["source"])
        for cell in atomic.read_json(runner.find_notebook(notebook))["cells"]
        if cell["cell_type"] == "code"
    ]
    relevant = settings.load_settings().model_dump(mode="json", exclude=_IRRELEVANT_SETTINGS)
    return json_digest(kpfnb.__version__, code, relevant)
