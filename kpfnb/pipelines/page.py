"""The page of a pipeline's run: its steps as a picture and a table, with links to their reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from kpfnb.core.result import Outcome
from kpfnb.pipelines.spec import Pipeline
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs import RunRecord, formatting, report
from kpfnb.runs.formatting import PageLink

# A pipeline as a picture: its steps from left to right, each after what it needs.

BOX_WIDTH, BOX_HEIGHT = 216, 74  # of a step's box, pixels
GAP_X, GAP_Y = 64, 22
MARGIN = 6

StepNeeds = Mapping[str, Sequence[str]]
"""The names of the steps that each step needs, steps in the order that they run."""


@dataclass(frozen=True)
class StepBox:
    """A step's place: its upper left corner, in pixels."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class StepLayout:
    """Where everything is; `edges` are SVG paths."""

    width: float
    height: float
    boxes: list[StepBox]
    edges: list[str]


def layout_steps(needs: StepNeeds) -> StepLayout:
    """Places for the steps and curves for what they need.

    Arrows that others imply are left out. A longer arrow gets a free lane past the steps between.
    """
    chains = [
        _lane_chain(start, end, step_columns(needs)) for end, start in transitive_reduction(needs)
    ]
    columns = _order_columns(needs, chains)
    tallest = max(len(column) for column in columns)
    corners = {
        name: (
            MARGIN + x * (BOX_WIDTH + GAP_X),
            MARGIN + (y + (tallest - len(column)) / 2) * (BOX_HEIGHT + GAP_Y),
        )
        for x, column in enumerate(columns)
        for y, name in enumerate(column)
    }
    return StepLayout(
        width=2 * MARGIN + len(columns) * (BOX_WIDTH + GAP_X) - GAP_X,
        height=2 * MARGIN + tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y,
        boxes=[StepBox(name, *corners[name]) for name in needs],
        edges=[_curve([corners[stop] for stop in chain]) for chain in chains],
    )


def step_columns(needs: StepNeeds) -> dict[str, int]:
    """The column of each step: one after the last step that it needs."""
    found: dict[str, int] = {}
    for name, needed in needs.items():
        found[name] = 1 + max((found[need] for need in needed), default=-1)
    return found


def transitive_reduction(needs: StepNeeds) -> Iterator[tuple[str, str]]:
    """(step, needed step) without the pairs that others imply."""
    behind: dict[str, set[str]] = {}
    for name, needed in needs.items():
        behind[name] = set(needed).union(*(behind[need] for need in needed))
        for need in needed:
            if not any(need in behind[other] for other in needed if other != need):
                yield name, need


def _lane_chain(start: str, end: str, depth: Mapping[str, int]) -> list[str]:
    """The stops of an arrow: a free lane, named by both ends, in each column between them."""
    lanes = [f"{start} → {end} {column}" for column in range(depth[start] + 1, depth[end])]
    return [start, *lanes, end]


def _order_columns(needs: StepNeeds, chains: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names in each column, near to what they come from so that few arrows cross."""
    depth = step_columns(needs)
    columns: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for name in needs:
        columns[depth[name]].append(name)
    before: dict[str, list[str]] = {}
    for chain in chains:
        for offset, (left, right) in enumerate(pairwise(chain)):
            before.setdefault(right, []).append(left)
            if right not in needs:
                columns[depth[chain[0]] + 1 + offset].append(right)
    for previous, column in pairwise(columns):
        rows = {name: row for row, name in enumerate(previous)}
        column.sort(key=lambda name: _mean([rows[left] for left in before[name] if left in rows]))
    return columns


def _curve(corners: Sequence[tuple[float, float]]) -> str:
    """From the right side of the first box through the lanes to the left side of the last."""
    middles = [(x, y + BOX_HEIGHT / 2) for x, y in corners]
    parts = [f"M{middles[0][0] + BOX_WIDTH:g},{middles[0][1]:g}"]
    for (_, y_before), (x, y) in pairwise(middles):
        bend = x - GAP_X / 2
        parts += [f"C{bend:g},{y_before:g} {bend:g},{y:g} {x:g},{y:g}", f"H{x + BOX_WIDTH:g}"]
    # the last stop is a box: the arrow ends at its left side
    return " ".join(parts[:-1])


def _mean(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows)


REFRESH_SECONDS = 5
"""The page of a run that goes on shows itself anew so often."""

STEP_SIGNS: dict[str, str] = {
    **formatting.OUTCOME_SIGNS,
    StepPhase.WAITING: "·",
    StepPhase.ALREADY_DONE: "✔",
    StepPhase.NOT_NEEDED: "–",
    StepPhase.BLOCKED: "‖",
}
"""Steps are told by word, sign and colour, never by colour alone."""


def render_run_page(
    pipeline: Pipeline,
    record: RunRecord,
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

    environment = formatting.template_environment()
    style = formatting.stylesheet() + environment.loader.get_source(environment, "pipeline.css")[0]
    return str(
        environment.get_template("pipeline.html").render(
            name=pipeline.name,
            title=pipeline.title or pipeline.name,
            run=formatting.run_context(record, zone),
            resumes=resumes and PageLink(resumes[-8:], f"../{quote(resumes)}/{report.REPORT_NAME}"),
            refresh_seconds=0 if record.outcome else REFRESH_SECONDS,
            layout=layout_steps({state.name: state.needs for state in states.values()}),
            box_width=BOX_WIDTH,
            box_height=BOX_HEIGHT,
            steps={
                state.name: _step_context(_with_crash(state, record), pipeline)
                for state in states.values()
            },
            parameters=_parameter_context(pipeline, record),
            # The package's own style sheets
            style=Markup(style),  # noqa: S704
            policy=report.content_policy(style),
        )
    )


def step_line(state: StepState) -> str:
    """A step in one line of a terminal."""
    took = formatting.format_run_duration(state.seconds) if state.seconds is not None else ""
    text = f"{STEP_SIGNS[state.word]} {state.name}: {state.word}"
    return ", ".join(filter(None, [text, state.reason, took]))


def _with_crash(state: StepState, record: RunRecord) -> StepState:
    if record.outcome and state.phase is StepPhase.RUNNING:
        # The pipeline's process died while it was running
        return replace(state, phase=StepPhase.RAN, outcome=Outcome.CRASHED)
    return state


def _step_context(state: StepState, pipeline: Pipeline) -> dict[str, Any]:
    """What the page tells of a step."""
    return {
        "name": state.name,
        "title": pipeline.steps[state.name].title if state.name in pipeline.steps else "",
        "notebook": state.notebook,
        "word": state.word,
        "style": state.word.replace(" ", "-"),
        "sign": STEP_SIGNS[state.word],
        "reason": state.reason,
        "attempts": state.attempts,
        "duration": "" if state.seconds is None else formatting.format_run_duration(state.seconds),
        "parameters": [
            (name, formatting.format_value(value)) for name, value in state.parameters.items()
        ],
        "run": state.run[-8:],
        "target": f"../../{quote(state.run)}/{report.REPORT_NAME}" if state.run else "",
    }


def _parameter_context(pipeline: Pipeline, record: RunRecord) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "value": formatting.format_value(record.parameters.get(name)),
            "help": declared.help,
        }
        for name, declared in pipeline.parameters.items()
    ]
