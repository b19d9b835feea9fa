from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kpfnb.core.result import Outcome
from kpfnb.pipelines import page
from kpfnb.pipelines.spec import DeclaredParameter, Pipeline, PipelineStep
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs import RunRecord

EVIL = "<script>alert('x')</script>&\""

STATES = {
    "look": StepState(
        "look", "progress", [], StepPhase.RAN, Outcome.SUCCEEDED, EVIL, 1, "", 3.25, "progress/r-1"
    ),
    "work": StepState("work", "reprocess", ["look"], StepPhase.RUNNING, parameters={"label": EVIL}),
    "after": StepState("after", "progress", ["work"]),
}
PIPELINE = Pipeline(
    name="nightly",
    title=EVIL,
    parameters={"night": DeclaredParameter(default=EVIL, help=EVIL)},
    steps={name: PipelineStep(notebook="progress", title=EVIL) for name in STATES},
)
RECORD = RunRecord(
    id="0d9fb68e",
    notebook="pipeline-nightly",
    kind="pipeline",
    started="2024-01-15T10:00:00.000Z",
    reason=EVIL,
    parameters={"night": EVIL},
    directory=Path("runs/pipeline-nightly/x"),
)


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def render(record: RunRecord = RECORD, resumes: str = "") -> str:
    return page.render_run_page(PIPELINE, record, STATES, resumes, zone=ZoneInfo("UTC"))


def test_no_text_becomes_markup_and_every_tag_is_closed() -> None:
    html = render()
    tags = Tags(html)
    assert tags.open == []
    assert "script" not in [tag for tag, _ in tags.seen]
    assert "alert(" in html
    assert not [name for _, values in tags.seen for name in values if name.startswith("on")]


def test_each_step_is_a_box_and_a_row_with_a_link_to_its_report() -> None:
    tags = Tags(render())
    links = [values.get("href") for tag, values in tags.seen if tag == "a"]
    assert links.count("../../progress/r-1/report.html") == 2
    boxes = [values["class"] for tag, values in tags.seen if tag == "g"]
    assert boxes == ["succeeded", "running", "waiting"]
    assert len([tag for tag, values in tags.seen if values.get("class") == "edge"]) == 2


def test_the_page_reloads_itself_while_the_pipeline_runs() -> None:
    assert 'http-equiv="refresh"' in render()
    assert 'http-equiv="refresh"' not in render(replace(RECORD, outcome=Outcome.SUCCEEDED))


def test_a_step_that_ran_when_the_pipeline_died_is_shown_as_crashed() -> None:
    tags = Tags(render(replace(RECORD, outcome=Outcome.CRASHED)))
    boxes = [values["class"] for tag, values in tags.seen if tag == "g"]
    assert boxes == ["succeeded", "crashed", "waiting"]


def test_a_resumed_run_links_to_the_one_before() -> None:
    html = render(resumes="20240115T100000.000000Z-aa77532a")
    assert 'href="../20240115T100000.000000Z-aa77532a/report.html">aa77532a</a>' in html


def test_every_word_of_a_step_has_a_sign_and_a_style() -> None:
    words = {*map(str, Outcome), *map(str, StepPhase)} - {StepPhase.RAN}
    style = re.search(r"<style>(.*?)</style>", render(), re.S)
    assert style
    for word in words:
        assert page.STEP_SIGNS[word]
        assert re.search(rf"\.{word.replace(' ', '-')}\b[^}}]*--tone", style[1])


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (STATES["after"], "· after: waiting"),
        (replace(STATES["look"], reason="done"), "✔ look: succeeded, done, 3.2 s"),
        (
            StepState("b", "x", phase=StepPhase.BLOCKED, reason="needs a, which failed"),
            "‖ b: blocked, needs a, which failed",
        ),
    ],
)
def test_a_step_in_one_line(state: StepState, text: str) -> None:
    assert page.step_line(state) == text
