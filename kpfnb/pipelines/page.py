"""The page of a pipeline's run: its steps as a picture and a table, with links to their reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from kpfnb.outcomes import Outcome
from kpfnb.pipelines import picture
from kpfnb.pipelines.definition import Pipeline
from kpfnb.pipelines.steps import Phase, StepState
from kpfnb.runs import Record, report
from kpfnb.runs import view as runview
from kpfnb.runs.view import Link

REFRESH_SECONDS = 5
"""The page of a run that goes on shows itself anew so often."""

SIGNS: dict[str, str] = {
    **runview.SIGNS,
    Phase.WAITING: "·",
    Phase.ALREADY_DONE: "✔",
    Phase.NOT_NEEDED: "–",
    Phase.BLOCKED: "‖",
}
"""Steps are told by word, sign and colour, never by colour alone."""


def render(
    pipeline: Pipeline,
    record: Record,
    states: Mapping[str, StepState],
    resumes: str = "",
    *,
    zone: ZoneInfo,
) -> str:
    """The page as HTML that needs no script and no other file; all text is escaped.

    resumes : the name of the directory of the run that this one continues
    zone : of the times that people see
    """
    from markupsafe import Markup

    environment = runview.environment()
    style = runview.style() + environment.loader.get_source(environment, "pipeline.css")[0]
    return str(
        environment.get_template("pipeline.html").render(
            name=pipeline.name,
            title=pipeline.title or pipeline.name,
            run=runview.view(record, zone),
            resumes=resumes and Link(resumes[-8:], f"../{quote(resumes)}/{report.FILE_NAME}"),
            refresh_seconds=0 if record.outcome else REFRESH_SECONDS,
            layout=picture.layout({state.name: state.needs for state in states.values()}),
            box_width=picture.WIDTH,
            box_height=picture.HEIGHT,
            steps={
                state.name: _shown(_settled(state, record), pipeline) for state in states.values()
            },
            parameters=_parameters(pipeline, record),
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.policy(style),
        )
    )


def line(state: StepState) -> str:
    """A step in one line of a terminal."""
    took = runview.duration(state.seconds) if state.seconds is not None else ""
    text = f"{SIGNS[state.word]} {state.name}: {state.word}"
    return ", ".join(filter(None, [text, state.reason, took]))


def _settled(state: StepState, record: Record) -> StepState:
    if record.outcome and state.phase is Phase.RUNNING:
        # The pipeline's process died while it was running
        return replace(state, phase=Phase.RAN, outcome=Outcome.CRASHED)
    return state


def _shown(state: StepState, pipeline: Pipeline) -> dict[str, Any]:
    """What the page tells of a step."""
    return {
        "name": state.name,
        "title": pipeline.steps[state.name].title if state.name in pipeline.steps else "",
        "notebook": state.notebook,
        "word": state.word,
        "style": state.word.replace(" ", "-"),
        "sign": SIGNS[state.word],
        "reason": state.reason,
        "attempts": state.attempts,
        "duration": "" if state.seconds is None else runview.duration(state.seconds),
        "parameters": [(name, runview.shown(value)) for name, value in state.parameters.items()],
        "run": state.run[-8:],
        "target": f"../../{quote(state.run)}/{report.FILE_NAME}" if state.run else "",
    }


def _parameters(pipeline: Pipeline, record: Record) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "value": runview.shown(record.parameters.get(name)),
            "help": declared.help,
        }
        for name, declared in pipeline.parameters.items()
    ]
