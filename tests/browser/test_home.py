"""The live home page in a browser: it follows changes, stops and repeats runs, and saves clicks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import jupyterlab
from kpfnb import runs
from kpfnb.notebook import runner
from kpfnb.runs.classification import CellError, RunEndFacts
from tests.browser.conftest import Lab
from tests.pages.test_pages import AXE

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

HOSTILE = "<img src=x onerror=alert(1)>"
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def home(page: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page, and the work directory of the server as that of the test."""
    monkeypatch.setenv("KPFNB_WORK_DIR", str(lab.work_dir))
    monkeypatch.delenv("KPFNB_DATA_ROOT", raising=False)
    page.goto(lab.page_address())
    page.locator("#running .content > *").first.wait_for()
    return page


@pytest.fixture
def running(home: Any) -> Iterator[tuple[runs.RunRecord, subprocess.Popen[bytes]]]:
    """A run whose process Ctrl-C ends, with hostile text."""
    command = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(300)"]
    with subprocess.Popen(command, stdout=-1, stderr=-3) as process:
        assert process.stdout and process.stdout.readline()
        started = psutil.Process(process.pid).create_time()
        record = runs.start_run("reprocess", parameters={"targets": [HOSTILE]})
        record = replace(record, pid=process.pid, process_started=started)
        runs.write_record(record)
        yield record, process
        process.kill()
    runs.discard_run(record)


def test_the_bar_of_a_run_moves_and_stop_asks_once(home: Any, running: Any) -> None:
    record, process = running
    row = home.locator(f'[data-run="{record.id}"]')
    row.get_by_text(f"targets={HOSTILE}").wait_for()
    for done in (3, 7):
        values = {"title": HOSTILE, "done": done, "total": 10, "failed": 0, "note": ""}
        (record.directory / "progress.json").write_text(json.dumps(values))
        row.get_by_text(f"{done} of 10 ({10 * done} %)").wait_for()
        assert row.locator("progress").get_attribute("value") == str(done)
    stop = home.get_by_role("button", name=f"Stop reprocess {record.id}")
    stop.click()
    home.get_by_role("button", name="Keep running").click()
    assert process.poll() is None
    stop.click()
    home.locator("#confirm").get_by_role("button", name="Stop").click()
    home.get_by_text("asked to stop").wait_for()
    assert process.wait(20) != 0
    row.wait_for(state="detached")
    assert home.problems == []


def test_a_failure_shows_its_log_and_goes_away_when_a_retry_succeeds(home: Any) -> None:
    values = runner.check_notebook_parameters(runner.find_notebook("watch"), {})
    failed = runs.start_run("watch", parameters=values)
    (failed.directory / "log.txt").write_text(f"the last line {HOSTILE}")
    runs.finish_run(failed, RunEndFacts(error=CellError(3, "OSError", HOSTILE)))
    part = home.locator("#failed")
    part.get_by_text(f"OSError: {HOSTILE}").first.wait_for()
    part.get_by_text("end of the log").click()
    part.get_by_text(f"the last line {HOSTILE}").wait_for()
    part.get_by_text(re.compile("^kpfnb run watch")).wait_for()
    part.get_by_role("button", name=f"Retry watch {failed.id}").click()
    home.get_by_text("Started: kpfnb run watch").wait_for()
    part.get_by_text("None in the last 7 days.").wait_for()
    assert home.problems == []


def test_it_says_that_the_server_is_gone_and_pauses_when_hidden(home: Any) -> None:
    home.route("**/api/state", lambda route: route.abort())
    home.get_by_text("The server does not answer.").wait_for()
    home.unroute("**/api/state")
    home.locator("#connection").wait_for(state="hidden")
    asked: list[str] = []
    home.on("request", lambda request: asked.append(request.url))
    home.evaluate(HIDE, True)
    home.wait_for_timeout(500)
    asked.clear()
    home.wait_for_timeout(5000)
    assert asked == []
    home.evaluate(HIDE, False)
    home.wait_for_timeout(2000)
    assert any(url.endswith("/api/state") for url in asked)


@pytest.mark.parametrize("width", [1440, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(home: Any, running: Any, width: int, scheme: str) -> None:
    from axe_playwright_python.base import AXE_FILE_PATH

    home.emulate_media(color_scheme=scheme)
    home.set_viewport_size({"width": width, "height": 900})
    home.locator(f'[data-run="{running[0].id}"]').wait_for()
    home.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
    assert home.evaluate(AXE) == []
    assert not home.evaluate(TOO_WIDE)


def test_what_people_ask_most_takes_few_clicks(page: Any, lab: Lab, home: Any) -> None:
    home.get_by_text("which does not exist").wait_for()
    jupyterlab.make_tree(lab.work_dir)
    for task in jupyterlab.TASKS:
        person = jupyterlab.Person(page)
        jupyterlab.open_home(page, lab.page_address())
        task.do(person)
        assert person.clicks <= task.most_clicks, task.title
        assert person.problems == []
    assert not [text for text in page.problems if not re.search("favicon", text)]
