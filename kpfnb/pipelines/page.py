"""The page of a pipeline run: its steps as a diagram and a table, with links to their reports."""

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

BOX_WIDTH, BOX_HEIGHT = 216, 74
"""Size of a step's box, pixels."""
GAP_X, GAP_Y = 64, 22
MARGIN = 6

StepNeeds = Mapping[str, Sequence[str]]
"""The names of the steps that each step needs; steps in running order."""
REFRESH_SECONDS = 5
"""How often the page of a running pipeline reloads itself."""


@dataclass(frozen=True)
class StepBox:
    """The box of a step: its upper left corner, in pixels."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class StepLayout:
    """The layout of the diagram in pixels; `edges` are SVG paths."""

    width: float
    height: float
    boxes: list[StepBox]
    edges: list[str]


def layout_steps(needs: StepNeeds) -> StepLayout:
    """Lay out the steps from left to right, each after the steps that it needs.

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
    columns: dict[str, int] = {}
    for name, needed in needs.items():
        columns[name] = 1 + max((columns[need] for need in needed), default=-1)
    return columns


def transitive_reduction(needs: StepNeeds) -> Iterator[tuple[str, str]]:
    """Pairs (step, needed step) without those that other pairs imply."""
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
    """The names in each column, ordered so that few arrows cross."""
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
    # The last stop is a box: the arrow ends at its left side
    return " ".join(parts[:-1])


def _mean(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows)


STEP_SIGNS: dict[str, str] = {
    **formatting.OUTCOME_SIGNS,
    StepPhase.WAITING: "·",
    StepPhase.ALREADY_DONE: "✔",
    StepPhase.NOT_NEEDED: "–",
    StepPhase.BLOCKED: "‖",
}
"""Steps differ by word, sign and colour, never by colour alone."""


def render_run_page(
    pipeline: Pipeline,
    record: RunRecord,
    states: Mapping[str, StepState],
    resumes: str = "",
    *,
    zone: ZoneInfo,
) -> str:
    """Render the page as HTML without scripts or other files; all text is escaped.

    Parameters
    ----------
    resumes : name of the directory of the run that this one continues
    zone : time zone of the times on the page
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
    """The state of a step as one line of text."""
    duration = "" if state.seconds is None else formatting.format_run_duration(state.seconds)
    text = f"{STEP_SIGNS[state.word]} {state.name}: {state.word}"
    return ", ".join(filter(None, [text, state.reason, duration]))


def _with_crash(state: StepState, record: RunRecord) -> StepState:
    if record.outcome and state.phase is StepPhase.RUNNING:
        # The pipeline's process died while it was running
        return replace(state, phase=StepPhase.RAN, outcome=Outcome.CRASHED)
    return state


def _step_context(state: StepState, pipeline: Pipeline) -> dict[str, Any]:
    """The values of a step for the template."""
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
