"""Fields of a form: the calendar of nights, suggestions, folded parameters, folded code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

BELOW_THE_FORM = """() => {
  const form = document.querySelector('.kpfnb-form').closest('.jp-Cell');
  return form.nextElementSibling.getBoundingClientRect().top;
}"""
WIDTH, HEIGHT = 1440, 900


def open_form(page: Any, lab: Any, name: str) -> Notebook:
    notebook = Notebook(page, lab, name)
    notebook.open()
    return notebook


def test_a_night_is_chosen_from_the_calendar(page: Any, lab: Any, night: Path) -> None:
    notebook = open_form(page, lab, "ingest")
    assert notebook.value("start") == "last"
    page.get_by_text("last: 20240115, ").first.wait_for()
    opener = page.get_by_role("button", name="calendar").first
    opener.click()
    calendar = page.get_by_role("dialog", name="calendar of start")
    day = calendar.get_by_role("button", name=re.compile(r"20240115, \d+ files?$"))
    day.wait_for()
    assert day.evaluate("element => element === document.activeElement")
    calendar.get_by_text("1 night with L0 files").wait_for()
    notebook.check_page("calendar")
    # By keys alone: two days back, a month back and forth, and the week before
    for key in ("ArrowLeft", "ArrowLeft", "PageUp"):
        page.keyboard.press(key)
    calendar.get_by_text("December 2023").wait_for()
    calendar.get_by_text("no night with L0 files").wait_for()
    for key in ("PageDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    calendar.wait_for(state="hidden")
    assert notebook.value("start") == "20240106"
    page.get_by_role("button", name="last night").first.click()
    assert notebook.value("start") == "last"
    opener.click()
    page.keyboard.press("Escape")
    calendar.wait_for(state="hidden")
    result = notebook.run()
    assert result["outcome"] == "succeeded"
    assert notebook.record()["parameters"]["start"] == "20240115"
    # The field is as the person left it: tomorrow it means another night
    assert notebook.value("start") == "last"


def test_a_night_is_one_more_target(page: Any, lab: Any, night: Path) -> None:
    notebook = open_form(page, lab, "reprocess")
    notebook.fill({"targets": "20240101"})
    page.get_by_role("button", name="calendar").first.click()
    page.get_by_role("dialog").get_by_role("button", name="20240102, no files").click()
    assert notebook.value("targets") == "20240101, 20240102"


def test_rarely_changed_parameters_are_folded(page: Any, lab: Any, night: Path) -> None:
    notebook = open_form(page, lab, "reprocess")
    silence = page.get_by_label("silence", exact=True)
    assert not silence.is_visible()
    page.get_by_role("button", name="More parameters").click()
    silence.fill("5")
    page.get_by_role("button", name="Fewer parameters").click()
    page.get_by_role("button", name="changed: silence").wait_for()
    notebook.check_page("reprocess-folded")


def test_the_answer_begins_on_the_first_screen_and_a_click_opens_code(
    page: Any, lab: Any, night: Path
) -> None:
    notebook = open_form(page, lab, "progress")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    assert page.evaluate(BELOW_THE_FORM) < 0.8 * HEIGHT
    cell = page.locator(".jp-CodeCell").first
    assert not cell.locator(".cm-editor").is_visible()
    cell.locator(".jp-Placeholder").first.click()
    cell.locator(".cm-editor").wait_for()
    assert notebook.value("start") == "last"
