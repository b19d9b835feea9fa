"""The form in JupyterLab, and what is seen of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab
from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHANNELS = re.compile("/channels")
"""The websocket of a kernel."""
LATENCY_MILLISECONDS = 100
MOST_TABS = 60
HIDE_CODE = "() => window.jupyterapp.commands.execute('notebook:hide-all-cell-code')"
OPEN = "path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => {})"
PRESS_AND_LEAVE = """button => {
  const {shell} = window.jupyterapp;
  button.click();
  shell.activateById([...shell.widgets('main')].find(widget => widget !== shell.currentWidget).id);
}"""
WAIT_FOR_OPTION = """async (field, wanted) => {
  while (![...field.list.options].some(option => option.value === wanted))
    await new Promise(resolve => setTimeout(resolve, 50));
}"""
COUNTS_ON = "seen => Number(document.body.innerText.match(/held: (\\d+)/)?.[1]) > seen"


def test_an_invalid_value_is_reported_while_typing(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    before = len(notebook.runs())
    notebook.fill({"version": "two"})
    wrong = page.get_by_role("alert").filter(has_text="must be a version")
    wrong.wait_for()
    notebook.button("Run").click()
    page.get_by_role("alert").filter(has_text="parameter version").nth(1).wait_for()
    # The run that begin() began, and no other
    assert len(notebook.runs()) == before
    notebook.check_page("progress-wrong")
    notebook.fill({"version": "2.9"})
    wrong.first.wait_for(state="hidden")


def test_keywords_are_completed_and_explained(page: Any, lab: Any) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    notebook.run_to_form()
    field = page.get_by_label("keywords", exact=True)
    field.press_sequentially("CCFRV, airm")
    field.evaluate(WAIT_FOR_OPTION, "CCFRV, AIRMASS")
    assert field.input_value() == "CCFRV, airm"
    field.fill("CCFRV, AIRMASS")
    page.get_by_text("CCFRV: [km/s] Velocity of SCI, both CCDs; AIRMASS: Airmass").wait_for()
    notebook.check_page("timeseries-suggestions")


def test_a_run_is_stopped_and_goes_on(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "reprocess")
    notebook.open()
    notebook.run_to_form()
    before = notebook.runs()
    notebook.button("Run").click()
    page.get_by_text(re.compile(r"products: [1-9]\d* of")).wait_for()
    notebook.button("■ Stop").click()
    stopped = notebook.ended(before)
    assert stopped["outcome"] in ("partial", "failed")
    assert stopped["figures"]["not reached"] > 0
    notebook.check_page("reprocess-stopped")
    done = notebook.run()
    assert done["outcome"] == "succeeded"
    assert done["figures"]["done"] == stopped["figures"]["not reached"]
    again = notebook.run()
    assert again["figures"]["products"] == 0


def test_keys_alone_are_enough(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    page.get_by_label("start", exact=True).focus()
    tab_to(page, page.get_by_label("version", exact=True))
    page.keyboard.type("2.8")
    tab_to(page, notebook.button("Run"))
    before = notebook.runs()
    page.keyboard.press("Enter")
    notebook.ended(before)
    assert notebook.record()["parameters"]["version"] == "2.8"


def tab_to(page: Any, wanted: Any) -> None:
    """Press Tab until something has the focus."""
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} times Tab do not lead to {wanted}")


def test_a_double_click_is_one_run(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    before = notebook.runs()
    notebook.button("Run").dblclick()
    notebook.ended(before)
    notebook.wait_until_all_is_done()
    assert len(set(notebook.runs()) - set(before)) == 1


def test_what_was_typed_last_is_what_runs(page: Any, lab: Lab, night: Path) -> None:
    """A browser far away: what is typed takes its time, and the press of Run waits for it."""

    def far_away(route: Any) -> None:
        server = route.connect_to_server()

        def pass_on(message: Any) -> None:
            page.wait_for_timeout(LATENCY_MILLISECONDS)
            server.send(message)

        route.on_message(pass_on)

    page.route_web_socket(CHANNELS, far_away)
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    page.get_by_label("version", exact=True).press_sequentially("2.10.111")
    notebook.run()
    assert notebook.record()["parameters"]["version"] == "2.10.111"


def test_hidden_code_runs_too(page: Any, lab: Lab) -> None:
    notebook = Notebook(page, lab, "archive")
    notebook.open()
    notebook.run_to_form()
    page.evaluate(HIDE_CODE)
    # The first cell below the form counts while this is there
    notebook.flag.touch()
    before = notebook.runs()
    notebook.button("Dry run").click()
    notebook.held().wait_for()
    notebook.flag.unlink()
    assert notebook.ended(before)["outcome"] == "succeeded"


def test_it_runs_while_another_notebook_is_in_front(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    page.evaluate(OPEN, "home.ipynb")
    notebook.bring_to_front()
    notebook.run_to_form()
    before = notebook.runs()
    page.evaluate(PRESS_AND_LEAVE, notebook.button("Run").element_handle())
    notebook.ended(before)


def test_a_lost_connection_does_not_stop_the_work(page: Any, lab: Lab, night: Path) -> None:
    connections: list[Any] = []

    def connect(route: Any) -> None:
        connections.append(route)
        route.connect_to_server()

    page.route_web_socket(CHANNELS, connect)
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run_to_form()
    before = notebook.runs()
    notebook.flag.touch()
    notebook.button("Run").click()
    notebook.held().wait_for()
    seen = notebook.counted()
    for connection in connections.copy():
        connection.close()
    # The same page, with no reload, goes on to show the progress
    page.wait_for_function(COUNTS_ON, arg=seen + 20)
    notebook.flag.unlink()
    assert notebook.ended(before)["outcome"] == "succeeded"
    notebook.status("succeeded")
    notebook.check_page("progress-reconnected")
