"""The home page shows runs, failures and tasks, and starts nothing for it."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from kpfnb import home, runs
from kpfnb.compute.services import valkey
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.home import tasks
from kpfnb.home.calendar import CalendarReader
from kpfnb.home.plots import draw_runs
from kpfnb.kpf.nightreport import report
from kpfnb.notebook.display.figures import hover_plot
from kpfnb.queue.client import Queue
from kpfnb.runs.classification import CellError, RunEndFacts
from tests import nights, samples
from tests.kpf.verdict.conftest import NIGHT, SMALL


def ended(notebook: str, message: str = "", **parameters: object) -> runs.RunRecord:
    record = runs.start_run(notebook, parameters=parameters)
    error = CellError(3, "ValueError", message) if message else None
    return runs.finish_run(
        record, RunEndFacts(error=error, result={"outcome": "succeeded", "reason": "ok"})
    )


def test_an_empty_work_directory() -> None:
    loaded = home.load_dashboard()
    assert loaded.outcome is Outcome.SUCCEEDED
    assert loaded.reason.startswith("no L0 directory in the data root")
    assert loaded.reason.endswith("0 running; 0 unresolved failures in the last 7 days")
    assert any("no queue server runs here" in note for note in loaded.notes)
    assert "which does not exist" in loaded.root_problem
    assert not valkey.server_status().running
    assert loaded.key_figures()["tasks"] == len(loaded.tasks) > 5
    assert "Nothing is running." in loaded._repr_html_()


def test_what_runs_and_what_failed() -> None:
    ended("progress", "<script>")
    running = runs.start_run("reprocess")
    other = psutil.Process(os.getppid())
    runs.write_record(replace(running, pid=other.pid, process_started=other.create_time()))
    loaded = home.load_dashboard()
    assert [run.id for run in loaded.running] == [running.id]
    assert [run.notebook for run in loaded.failed] == ["progress"]
    assert loaded.counts[running.started[:10], "running"] == 1
    page = loaded._repr_html_()
    assert "<script>" not in page
    assert "ValueError: &lt;script&gt;" in page


def test_a_later_good_run_resolves_a_failure() -> None:
    ended("progress", "no", start="a")
    ended("progress", "no", start="b")
    ended("progress", start="a")
    [left] = home.load_dashboard().failed
    assert left.parameters == {"start": "b"}


def test_runs_of_the_home_page_itself_are_left_out() -> None:
    ended("home", "no")
    runs.start_run("notebook")
    assert (home.load_dashboard().failed, home.load_dashboard().running) == ((), ())


def test_the_last_night_and_the_queues(tmp_path: Path) -> None:
    night = nights.small_night(settings.load_settings().kpf_root)
    with Queue("work") as queue:
        queue.load(["a", "b"])
    try:
        loaded = home.load_dashboard()
        assert loaded.night and loaded.night.night == night.night
        assert loaded.to_dict()["queues"]["work"]["waiting"] == 2
        assert f"last night: {night.night}" in loaded.reason
    finally:
        valkey.stop_server()


def test_a_queue_server_that_does_not_answer_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KPFNB_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    assert any(note.startswith("queues: ") for note in home.load_dashboard().notes)


def test_a_task_has_the_title_and_first_paragraph_of_its_notebook(tmp_path: Path) -> None:
    (tmp_path / "kpfnb.toml").write_text("")
    samples.make(tmp_path / "notebooks", "mine")
    (tmp_path / "notebooks/broken.ipynb").write_text("{")
    loaded = {notebook.name: notebook for notebook in tasks.list_task_notebooks()}
    assert loaded["mine"].title == "mine"
    assert (loaded["broken"].title, loaded["broken"].purpose) == ("broken", "")
    assert loaded["progress"].title == "Progress: how far is the processing?"
    assert loaded["progress"].purpose.startswith("For each night: how many")


def test_the_verdict_of_the_night_is_shown_with_links_to_its_pages(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    assert f"{NIGHT}: no verdict yet" in home.load_dashboard()._repr_html_()
    assert home.load_dashboard().to_dict()["verdict"] is None
    report.write_report(NIGHT)
    loaded = home.load_dashboard()
    assert loaded.to_dict()["verdict"] == "PASS"
    assert f"last night: {NIGHT} PASS" in loaded.reason
    page = loaded._repr_html_()
    assert f"✔ PASS {NIGHT}: " in page
    assert [page.name for page in loaded.night.verdict.pages] == ["report.html", "verdict.html"]
    assert f"kpfnb run tonight -p night={NIGHT}" in page
    assert "stale" not in page
    hostile = replace(loaded.night.verdict, line="<script>")
    assert (
        "<script" not in replace(loaded, night=replace(loaded.night, verdict=hostile))._repr_html_()
    )


def test_a_verdict_is_stale_when_files_have_changed_since(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    report.write_report(NIGHT)
    assert not home.load_dashboard().to_dict()["verdict_stale"]
    next((isolated / "data/L2" / NIGHT).glob("*.fits")).unlink()
    loaded = home.load_dashboard()
    assert "1 L2 file removed" in loaded.to_dict()["verdict_stale"]
    assert f"last night: {NIGHT} PASS (stale)" in loaded.reason
    page = loaded._repr_html_()
    assert "1 L2 file removed" in page
    assert "kpfnb run reprocess" in page


def test_rejected_and_skipped_runs_are_no_failures() -> None:
    for name in ("InvalidParameterError", "InvalidInputError", "AlreadyRunningError"):
        record = runs.start_run("progress", parameters={"start": name})
        runs.finish_run(record, RunEndFacts(error=CellError(0, name, "no")))
    assert home.load_dashboard().failed == ()


def test_a_failure_is_resolved_by_a_success_and_not_by_a_start() -> None:
    failed = ended("progress", "no", start="a", end="")
    again = runs.start_run("progress", parameters={"end": "", "start": "a"})
    other = psutil.Process(os.getppid())
    alive = replace(again, pid=other.pid, process_started=other.create_time())
    runs.write_record(alive)
    assert [run.id for run in home.load_dashboard().failed] == [failed.id]
    runs.finish_run(alive, RunEndFacts(error=CellError(0, "InvalidInputError", "no")))
    assert [run.id for run in home.load_dashboard().failed] == [failed.id]
    ended("progress", start="a", end="")
    assert home.load_dashboard().failed == ()


def test_the_data_root_that_does_not_exist_comes_first(isolated: Path) -> None:
    page = home.load_dashboard()._repr_html_()
    assert page.index("which does not exist") < page.index("Running now")
    (isolated / "data/L0").mkdir(parents=True)
    loaded = home.load_dashboard()
    assert (loaded.root_problem, loaded.night) == ("", None)


def test_the_first_line_leads_to_the_live_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Live home page" not in home.load_dashboard()._repr_html_()
    monkeypatch.setenv("KPFNB_LAB_URL", "/kpfnb/")
    page = home.load_dashboard()._repr_html_()
    assert page.startswith('<p><a href="/kpfnb/"')
    assert '<a href="/kpfnb/open/progress"' in page


def test_the_calendar_counts_files_and_reads_changes_only(isolated: Path) -> None:
    raw = isolated / "data/L0/20240102"
    raw.mkdir(parents=True)
    (raw.parent / "20240101").mkdir()
    (raw / "KP.20240102.00001.00.fits").touch()
    (raw / "notes.txt").touch()
    reader = CalendarReader()
    [night] = reader.read(settings.load_settings())
    assert (night.night, night.files, night.verdict, night.page) == ("20240102", 1, None, None)
    (raw / "KP.20240102.00002.00.fits").touch()
    assert [night.files for night in reader.read(settings.load_settings())] == [2]


def test_the_tooltip_of_a_bar_has_the_runs_of_its_day() -> None:
    ended("progress", "<b>no")
    ended("quicklook")
    loaded = home.load_dashboard()
    [tooltip] = hover_plot(loaded).tooltips.values()
    today = loaded.failed[0].started[:10]
    assert tooltip(SimpleNamespace(xdata=7.2, ydata=0)).splitlines() == [
        f"{today}: 1 succeeded, 1 failed",
        f"progress: {loaded.failed[0].reason}",
    ]
    assert tooltip(SimpleNamespace(xdata=-3, ydata=0)) == ""


def test_the_plot_has_a_bar_a_day() -> None:
    counts = {("2024-01-15", "failed"): 2, ("2024-01-14", "running"): 1}
    [axes] = draw_runs(Counter(counts), ["2024-01-14", "2024-01-15"]).axes
    assert len(axes.get_xticklabels()) == 2
    assert sum(patch.get_height() for patch in axes.patches) == sum(counts.values())
