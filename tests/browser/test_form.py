"""The form in JupyterLab, and what is seen of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Lab
from tests.browser.notebook import FIND, RUN_ALL, SCREENSHOTS, Notebook
from tests.waiting import wait_for

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
COUNTS_BELOW = f"""name => {{
  {FIND}
  const cells = find(name).content.widgets;
  const form = cells.findIndex(cell => cell.model.sharedModel.source.startsWith('run.form('));
  return cells.slice(form + 1).filter(cell => cell.model.type === 'code')
    .map(cell => cell.model.executionCount);
}}"""
ALL_SHOWN = f"""name => {{
  {FIND}
  return find(name)?.content.widgets.filter(cell => cell.model.type === 'code')
    .every(cell => cell.model.executionCount);
}}"""
KERNEL_IS = f"""([name, status]) => {{
  {FIND}
  return find(name)?.sessionContext.kernelDisplayStatus === status;
}}"""
CLICK_LINK = """href => {
  const link = Object.assign(document.createElement('a'), {href});
  document.body.append(link);
  link.click();
  link.remove();
}"""
FIELD_HAS = """([label, value]) => [...document.querySelectorAll('.kpfnb-form .widget-label')]
  .some(element => element.textContent === label
    && element.parentElement.querySelector('input')?.value === value)"""
COUNTS_ON = "seen => Number(document.body.innerText.match(/held: (\\d+)/)?.[1]) > seen"


def test_an_invalid_value_is_reported_while_typing(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
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


def test_keywords_are_completed_and_explained(page: Any, lab: Any, ingested: None) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    field = page.get_by_label("keywords", exact=True)
    field.press_sequentially("EXPTIME, airm")
    field.evaluate(WAIT_FOR_OPTION, "EXPTIME, AIRMASS")
    assert field.input_value() == "EXPTIME, airm"
    field.fill("EXPTIME, AIRMASS")
    page.get_by_text(re.compile(r"EXPTIME: .*; AIRMASS: ")).first.wait_for()
    notebook.check_page("timeseries-suggestions")


def test_a_run_is_stopped_and_goes_on(page: Any, lab: Any, night: Path) -> None:
    notebook = Notebook(page, lab, "reprocess")
    notebook.open()
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
    page.get_by_label("version", exact=True).press_sequentially("2.10.111")
    notebook.run()
    assert notebook.record()["parameters"]["version"] == "2.10.111"


def test_hidden_code_runs_too(page: Any, lab: Lab) -> None:
    notebook = Notebook(page, lab, "archive")
    notebook.open()
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


@pytest.mark.parametrize(
    "name", ["archive", "coadd", "prepare", "queue", "reduce", "reprocess", "scorecard"]
)
def test_run_all_only_shows_the_form(name: str, page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, name)
    earlier = notebook.runs()
    notebook.open()
    before = _written(notebook.home)
    page.evaluate(RUN_ALL)
    notebook.wait_until_all_is_done()
    notebook.wait_for_form()
    assert set(page.evaluate(COUNTS_BELOW, f"{name}.ipynb")) == {None}
    # A form that waits for Run is no run
    assert notebook.runs() == earlier
    assert _written(notebook.home) == before
    notebook.check_page(f"{name}-form")


def _written(home: Path) -> list[Path]:
    """All files of the project but those of JupyterLab and the records of runs."""
    files = (path for path in (home / "work").rglob("*") if path.is_file())
    return sorted(path for path in files if not {"lab", "runs"} & set(path.parts))


def test_a_notebook_that_only_looks_shows_its_answer_at_once(
    page: Any, lab: Lab, night: Path
) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.status("succeeded")


def test_enter_in_a_field_runs(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    before = notebook.runs()
    field = page.get_by_label("version", exact=True)
    field.fill("2.7")
    field.press("Enter")
    notebook.ended(before)
    assert notebook.record()["parameters"]["version"] == "2.7"


def test_a_link_opens_it_filled_in(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "reprocess")
    earlier = notebook.runs()
    notebook.open(lab.page_address("open/reprocess") + "&ncpus=2&targets=20240115")
    assert notebook.value("ncpus") == "2"
    page.get_by_text("Filled in by the link: ").wait_for()
    # Once more from within, while it is open
    page.evaluate(CLICK_LINK, "/kpfnb/open/reprocess?ncpus=3")
    page.wait_for_function(FIELD_HAS, arg=["ncpus", "3"])
    notebook.wait_for_form()
    assert notebook.runs() == earlier, "a form that waits is no run"
    page.get_by_role("button", name="Use the cell's values", exact=True).click()
    page.get_by_text("Filled in by the link: ").wait_for(state="hidden")
    assert notebook.value("ncpus") == "0"


def test_a_browser_that_was_closed_in_mid_run_shows_all_when_it_is_back(
    page: Any, lab: Lab, night: Path
) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    before = notebook.runs()
    notebook.flag.touch()
    notebook.button("Run").click()
    notebook.held().wait_for()
    page.goto("about:blank")
    page.goto(lab.address("progress.ipynb").removesuffix("&reset"))
    notebook.held().wait_for()
    page.wait_for_function(KERNEL_IS, arg=["progress.ipynb", "busy"])
    page.goto("about:blank")
    notebook.flag.unlink()
    result = notebook.wait_for_result(before)
    assert result["outcome"] == "succeeded"
    directory = notebook.runs()[-1]
    wait_for(lambda: (directory / "report.html").exists())
    assert (directory / "notebook.ipynb").exists()
    page.goto(lab.address("progress.ipynb").removesuffix("&reset"))
    notebook.status("succeeded")
    page.wait_for_function(ALL_SHOWN, arg="progress.ipynb")
    page.wait_for_function(KERNEL_IS, arg=["progress.ipynb", "idle"])
    notebook.check_page("progress-returned")
    report = page.context.new_page()
    report.goto(f"{lab.url.rstrip('/')}{lab.file_path(directory / 'report.html')}")
    assert report.locator("img[src^='data:image/png']").count() >= 1
    assert report.locator("table").count() >= 2
    report.screenshot(path=str(SCREENSHOTS / "progress-report.png"), full_page=True)


def test_what_is_stopped_has_no_time_left(page: Any, lab: Lab, night: Path) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.flag.touch()
    notebook.button("Run").click()
    notebook.held().wait_for()
    notebook.button("■ Stop").click()
    notebook.status("stopped by the operator")
    page.get_by_text(re.compile(r"held: \d+.*, stopped after")).wait_for()
    notebook.flag.unlink()
