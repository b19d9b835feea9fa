"""The page of a pipeline's run: its steps as a picture and a table, with links to their reports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kpfnb import files, pipelinepicture, runs, settings
from kpfnb.outcomes import Outcome
from kpfnb.pipelinefile import Pipeline
from kpfnb.pipelinestate import Phase, StepState

FILE_NAME = "report.html"
TEMPLATE = Path(__file__).parent / "templates/pipeline.html"
REFRESH_SECONDS = 5
"""The page of a run that goes on shows itself anew so often."""

LOOKS = {
    Outcome.SUCCEEDED: ("good", "✓"),
    Outcome.PARTIAL: ("partly", "◐"),
    Outcome.FAILED: ("bad", "✗"),
    Outcome.CRASHED: ("bad", "✗"),
    Outcome.REJECTED: ("bad", "⊘"),
    Outcome.SKIPPED: ("partly", "–"),
}
"""Tone and sign of each outcome; nothing is told by colour alone."""

PHASE_LOOKS = {
    Phase.WAITING: ("idle", "○"),
    Phase.RUNNING: ("busy", "▸"),
    Phase.ALREADY_DONE: ("good", "✓"),
    Phase.NOT_NEEDED: ("idle", "–"),
    Phase.BLOCKED: ("partly", "–"),
}


def write(
    path: Path,
    pipeline: Pipeline,
    record: runs.Record,
    states: Mapping[str, StepState],
    resumes: str = "",
) -> None:
    """Write the page at `path`; `resumes` names the directory of the run that it continues."""
    files.write_text(path, render(pipeline, record, states, resumes))


def render(
    pipeline: Pipeline, record: runs.Record, states: Mapping[str, StepState], resumes: str = ""
) -> str:
    """The page as HTML that needs no script and no other file; all text is escaped."""
    import jinja2

    word = record.outcome.value if record.outcome else "running"
    tone, glyph = LOOKS[record.outcome] if record.outcome else PHASE_LOOKS[Phase.RUNNING]
    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=pipeline.name,
        title=pipeline.title or pipeline.name,
        word=word,
        tone=tone,
        glyph=glyph,
        id=record.id,
        started=local_time(record.started),
        duration=duration(record.seconds),
        reason=record.reason,
        resumes=resumes and {"id": resumes[-8:], "href": f"../{resumes}/{FILE_NAME}"},
        refresh_seconds=0 if record.outcome else REFRESH_SECONDS,
        layout=pipelinepicture.layout({state.name: state.needs for state in states.values()}),
        box_width=pipelinepicture.WIDTH,
        box_height=pipelinepicture.HEIGHT,
        steps={state.name: _shown(state, record) for state in states.values()},
        parameters=[
            {"name": name, "value": str(record.parameters.get(name, "")), "help": declared.help}
            for name, declared in pipeline.parameters.items()
        ],
    )


def look(state: StepState) -> tuple[str, str]:
    """The tone and the sign of a step."""
    if state.phase is Phase.RAN and state.outcome:
        return LOOKS[state.outcome]
    return PHASE_LOOKS[state.phase]


def duration(seconds: float | None) -> str:
    """Seconds as people read them: `4.2 s`, `3 min 10 s`, `2 h 05 min`; '' for none."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def local_time(moment: str) -> str:
    """An ISO 8601 time in the zone that people see."""
    return (
        datetime.fromisoformat(moment)
        .astimezone(settings.load().zone)
        .strftime("%Y-%m-%d %H:%M:%S %Z")
    )


def _shown(state: StepState, record: runs.Record) -> dict[str, Any]:
    """What the page tells of a step."""
    if record.outcome and state.phase is Phase.RUNNING:
        # it was running when the pipeline's process died
        state = replace(state, phase=Phase.RAN, outcome=Outcome.CRASHED)
    tone, glyph = look(state)
    report = record.directory.parents[1] / state.run / FILE_NAME
    return {
        "name": state.name,
        "notebook": state.notebook,
        "word": state.word,
        "tone": tone,
        "glyph": glyph,
        "reason": state.reason,
        "attempts": state.attempts,
        "duration": duration(state.seconds),
        "run": state.run[-8:],
        "href": Path(os.path.relpath(report, record.directory)).as_posix() if state.run else "",
    }
