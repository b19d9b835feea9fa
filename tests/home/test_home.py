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
from kpfnb.home import dashboard
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
    assert loaded.reason == "0 running; 0 unresolved failures in the last 7 days"
    assert any("no queue server runs here" in note for note in loaded.notes)
    assert any("L0" in note for note in loaded.notes)
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
        assert loaded.night and [row.night for row in loaded.night.nights] == [night.night]
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
    loaded = {notebook.name: notebook for notebook in dashboard.list_task_notebooks()}
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
    assert [page.name for page in loaded.verdict.pages] == ["report.html", "verdict.html"]
    assert "re-run the verdict" in page
    assert "observations now" not in page
    grown = replace(loaded, verdict=replace(loaded.verdict, observations=3, line="<script>"))
    assert "observations now" in grown._repr_html_()
    assert "<script" not in grown._repr_html_()


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
