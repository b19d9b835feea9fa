import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kpfnb import runs
from kpfnb.core.result import Outcome
from kpfnb.runs import report

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PIXEL = "iVBORw0KGgo="


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def render(*outputs, source="work()", **record):
    cell = new_code_cell(source, outputs=list(outputs), execution_count=1)
    given = replace(runs.start_run("progress"), outcome=Outcome.SUCCEEDED, **record)
    return report.render_report(given, new_notebook(cells=[cell]))


def shown(**data):
    return new_output(
        "display_data", {name.replace("_", "/", 1): value for name, value in data.items()}
    )


def test_hostile_text_stays_text():
    html = render(
        new_output("stream", text=EVIL),
        new_output("error", ename="E", evalue=EVIL, traceback=[EVIL]),
        shown(text_html=f"<b onclick='x()' style='color:red'>bold</b>{EVIL}<iframe src='//x'>"),
        shown(text_markdown=f"[a](javascript:alert(1)) {EVIL}"),
        shown(text_plain=EVIL),
        shown(text_latex=EVIL),
        shown(image_png=f'{PIXEL}"onerror="alert(1)'),
        shown(**{"image_svg+xml": f"<svg onload='alert(1)'>{EVIL}</svg>"}),
        source=EVIL,
        reason=EVIL,
        parameters={EVIL: EVIL},
        figures={EVIL: EVIL},
        error={"cell": 1, "name": "E", "message": EVIL + "more"},
    )
    for tag, attributes in Tags(html).tags:
        assert tag not in ("script", "iframe", "object", "form", "svg")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not str(attributes.get("href", "")).startswith("javascript:")
        assert attributes.get("src", "data:image/").startswith("data:image/")
    assert "<b>bold</b>" in html


def test_the_page_needs_nothing_else_and_says_so():
    html = render(shown(image_png=PIXEL))
    tags = Tags(html).tags
    (policy,) = [attributes["content"] for _, attributes in tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert [tag for tag, _ in tags if tag == "link"] == []
    assert f"data:image/png;base64,{PIXEL}" in html


def test_the_policy_allows_the_style_that_is_there():
    import base64
    import hashlib

    html = render()
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" in html.replace("&#43;", "+")


def test_the_head_has_outcome_and_key_figures():
    html = render(reason="3 of 4 done", figures={"nights": 4}, parameters={"start": "20240101"})
    for text in ("✔ succeeded", "3 of 4 done", "nights", "20240101", "kpfnb 0.1.0"):
        assert text in html


def test_code_is_folded_away():
    html = render(source="first()\nsecond()")
    assert re.search(r"<details class=\"code\"><summary>\[1\] first\(\) …</summary>", html)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text/html": "<i>rich</i>", "text/plain": "poor"}, "<i>rich</i>"),
        ({"image/png": PIXEL, "text/plain": "Figure"}, PIXEL),
        ({report.WIDGET: "{}", "text/plain": "IntSlider(5)"}, "IntSlider(5)"),
        ({report.WIDGET: "{}", "text/html": "<i>x</i>", "text/plain": "poor"}, "poor"),
        ({"application/x-odd": "?"}, "application/x-odd"),
    ],
)
def test_of_several_forms_the_best_is_shown(data, expected):
    assert expected in render(new_output("display_data", data))


def test_a_progress_bar_leaves_its_last_state():
    html = render(new_output("stream", text=" 10%\r 50%\r100%\r\ndone\n"))
    assert "100%\ndone" in html and "50%" not in html


def test_papermills_own_marks_are_left_out():
    mark = new_markdown_cell("An Exception was encountered")
    mark.metadata["tags"] = [report.ERROR_MARKER]
    notebook = new_notebook(cells=[mark, new_markdown_cell("# Title")])
    html = report.render_report(runs.start_run("x"), notebook)
    assert "An Exception" not in html and "Title" in html


def test_a_heading_has_no_link_to_a_place_that_is_not_there():
    notebook = new_notebook(cells=[new_markdown_cell("# How far?")])
    html = report.render_report(runs.start_run("progress"), notebook)
    assert "<h1>How far?</h1>" in html
    assert 'href="#' not in html
