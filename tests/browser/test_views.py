"""What is seen of work and of data in JupyterLab: live views, tables, plots, buttons."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import Lab, kpfnb
from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CLOCK = re.compile(r"assessed at \d\d:\d\d:\d\d")
CLOCK_MOVES = "seen => { const now = document.body.innerText.match(/assessed at [0-9:]+/); "
CLOCK_MOVES += "return now && now[0] !== seen; }"


def test_a_queue_is_watched_and_repaired(page: Any, lab: Lab, queue_server: None) -> None:
    notebook = Notebook(page, lab, "queue")
    notebook.open()
    notebook.fill({"queue": "hall", "items": "a, b", "watch_seconds": 3600})
    before = notebook.runs()
    notebook.button("Run").click()
    page.get_by_text("queue hall: 2 waiting").wait_for()
    # The watch goes on, and comes back to a browser that is reloaded
    notebook.reload()
    page.get_by_text("queue hall: 2 waiting").wait_for()
    kpfnb(notebook.home, "queue", "park", "hall", "a")
    page.get_by_text("queue hall: 1 parked, 1 waiting").wait_for()
    kpfnb(notebook.home, "queue", "park", "hall", "b")
    assert notebook.ended(before)["figures"]["parked"] == 2

    notebook.fill({"items": ""})
    notebook.run()
    items = page.locator("select[multiple]")
    items.select_option(["a (parked)", "b (parked)"])
    notebook.button("Retry selected").click()
    page.get_by_text("requeue: 2 parked → waiting").wait_for()
    items.select_option("b (waiting)")
    notebook.button("Set selected aside").click()
    page.get_by_text("park: 1 waiting → parked").wait_for()
    notebook.check_page("queue-repaired")
    notebook.fill({"watch_seconds": 0})
    figures = notebook.run()["figures"]
    assert (figures["waiting"], figures["parked"]) == (1, 1)


def test_what_is_missing_is_touched_when_confirmed(page: Any, lab: Lab, night: Any) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run()
    raws = sorted((notebook.home / "work/kpf").rglob("KP.*.fits"))
    before = {path: path.stat().st_mtime_ns for path in raws}
    touch = page.get_by_role("button", name=re.compile(r"^Touch \d+ L0 files"))
    touch.click()
    page.get_by_text(re.compile(r"^[1-9]\d* touched")).wait_for()
    assert any(path.stat().st_mtime_ns != before[path] for path in raws)
    assert touch.is_disabled()


def test_a_row_leads_to_its_header(page: Any, lab: Lab, night: Any) -> None:
    notebook = Notebook(page, lab, "progress")
    notebook.open()
    notebook.run()
    rows = page.locator("table.dataTable tbody tr")
    for number, choose in ((0, "click"), (1, "keyboard")):
        row = rows.nth(number)
        if choose == "click":
            row.click()
        else:
            rows.first.focus()
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Enter")
        obsid = re.search(r"KP\.\d{8}\.\d{5}\.\d\d", row.inner_text())
        assert obsid
        page.get_by_role("heading", name=obsid[0]).wait_for()
        page.get_by_role("rowheader", name="OBJECT", exact=True).wait_for()
    notebook.check_page("progress-row")


def test_the_night_page_refreshes_again_after_a_reload(page: Any, lab: Lab, night: Any) -> None:
    notebook = Notebook(page, lab, "tonight")
    notebook.open()
    notebook.fill({"refresh": 5})
    notebook.run()
    clock = page.get_by_text(CLOCK)
    clock.wait_for()
    notebook.wait_until_saved()
    notebook.reload()
    clock.wait_for()
    page.wait_for_function(CLOCK_MOVES, arg=CLOCK.search(clock.inner_text())[0])


def test_the_watcher_page_refreshes_again_after_a_reload(page: Any, lab: Lab, night: Any) -> None:
    notebook = Notebook(page, lab, "watch")
    notebook.open()
    notebook.fill({"refresh": 1})
    notebook.run()
    notebook.wait_until_saved()
    notebook.reload()
    page.get_by_text("No watcher has been started").last.wait_for()
    kpfnb(notebook.home, "watch", "quicklook", "--l0", "--once", "--since", "20990101")
    page.get_by_role("cell", name="quicklook", exact=True).wait_for()
    notebook.run()
    notebook.check_page("watch-running")


def test_the_observation_under_the_mouse_is_shown(page: Any, lab: Any, ingested: None) -> None:
    notebook = Notebook(page, lab, "timeseries")
    notebook.open()
    notebook.run_all()
    canvas = page.locator(".jupyter-matplotlib-canvas-container canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    for step in range(12, 60):
        page.mouse.move(box["x"] + box["width"] * step / 90, box["y"] + box["height"] * 0.45)
        page.wait_for_timeout(60)
        if canvas.evaluate("canvas => canvas.toDataURL()") != before:
            break
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
