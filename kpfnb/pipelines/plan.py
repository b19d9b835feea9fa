"""A pipeline checked against its notebooks, and the decision what becomes of each step."""

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
"""By step, the `values` of its result; only steps that have one."""

MAX_BACKOFF_SECONDS = 3600.0
RETRIED_OUTCOMES = (Outcome.FAILED, Outcome.CRASHED)
"""A rejected step would be rejected again; a partial one has named what it lacks."""

_IRRELEVANT_SETTINGS = {"workers", "cluster", "time_zone"}
"""Settings that change how the work is done or shown, not what comes out."""


@dataclass(frozen=True)
class PipelinePlan:
    """A pipeline that can be run: all that can be known before is checked."""

    pipeline: Pipeline
    parameters: dict[str, Any]
    """The pipeline's, in the types of the notebooks."""
    order: list[str]
    sources: dict[str, str]
    """By step, a digest of what its notebook does."""

    def step(self, name: str) -> PipelineStep:
        """The step as it is written."""
        return self.pipeline.steps[name]

    def waiting_states(self) -> dict[str, StepState]:
        """The states before anything was done, in the order of running."""
        return {
            name: StepState(name, self.step(name).notebook, self.step(name).preceding_steps())
            for name in self.order
        }


def make_plan(pipeline: Pipeline, given: Mapping[str, Any]) -> PipelinePlan:
    """Check a pipeline and its parameters against the notebooks; nothing is run.

    Raises
    ------
    InvalidInputError : an unknown notebook or parameter, named with its step
    InvalidParameterError : an impossible value, named with its step
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
    """What becomes of a step when all that it needs has ended: it waits for its run, or is settled.

    It is settled where a need has failed, where its `when` is empty, and where `earlier` (the run
    that is resumed) did it with the same notebook, kpfnb and parameters, after the same runs of
    what it needs.
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
        known = resolve_parameters(plan, step, results)
    except LookupError as error:
        return state.blocked(Outcome.REJECTED, str(error.args[0]))
    # A step has effects besides its result: after a need that ran anew, it runs anew
    inputs = json_digest(plan.sources[name], known, [states[one].run for one in state.needs])
    before = earlier.get(name)
    if before and before.outcome is Outcome.SUCCEEDED and before.run and before.inputs == inputs:
        return replace(before, needs=state.needs, phase=StepPhase.ALREADY_DONE)
    return replace(state, parameters=known, inputs=inputs)


def resolve_parameters(
    plan: PipelinePlan, step: PipelineStep, results: StepResults
) -> dict[str, Any]:
    """The parameters given to a step's notebook; LookupError tells which value is not there."""
    found = {}
    for name, value in step.parameters.items():
        if isinstance(value, FromStep):
            value = _resolve_reference(value, results)
        found[name] = (
            plan.parameters[value.parameter] if isinstance(value, FromParameter) else value
        )
    return found


def retry_delay(step: PipelineStep, state: StepState) -> float | None:
    """How long to wait before the next attempt; None where there is none."""
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
    """The pipeline's parameters that a step uses: each with the name in its notebook."""
    return {
        value.parameter: name
        for name, value in step.parameters.items()
        if isinstance(value, FromParameter)
    }


def _check_parameters(step: PipelineStep, values: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's parameters that the step uses, in the types of its notebook."""
    declared = runner.inspect_notebook(runner.find_notebook(step.notebook))
    defaults = {parameter.name: parameter.default for parameter in declared}
    given = {}
    for name, value in step.parameters.items():
        if isinstance(value, FromStep):
            # not known yet: the notebook's own check will see it
            value = defaults.get(name)
        given[name] = values[value.parameter] if isinstance(value, FromParameter) else value
    checked = parameters.validate_parameters(declared, given)
    return {ours: checked[theirs] for ours, theirs in _parameter_names(step).items()}


def _notebook_digest(notebook: str) -> str:
    """What a notebook does, in short: its code, kpfnb's version, and the places of the settings."""
    code = [
        "".join(cell["source"])
        for cell in atomic.read_json(runner.find_notebook(notebook))["cells"]
        if cell["cell_type"] == "code"
    ]
    places = settings.load_settings().model_dump(mode="json", exclude=_IRRELEVANT_SETTINGS)
    return json_digest(kpfnb.__version__, code, places)
