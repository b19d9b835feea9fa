"""The home page tells what runs, what failed and what there is, and starts nothing for it."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from kpfnb import home, runs
from kpfnb.compute.services import valkey
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, write_night
from kpfnb.home import dashboard, plots
from kpfnb.kpf.nightreport import report
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


def test_an_empty_place_is_told_as_such() -> None:
    found = home.load_dashboard()
    assert found.outcome is Outcome.SUCCEEDED
    assert found.reason == "0 running; 0 still failing (7 days)"
    assert any("no queue server runs here" in note for note in found.notes)
    assert any("L0" in note for note in found.notes)
    assert not valkey.server_status().running
    assert found.key_figures()["tasks"] == len(found.tasks) > 5
    assert "Nothing runs." in found._repr_html_()


def test_what_runs_and_what_failed() -> None:
    ended("progress", "<script>")
    running = runs.start_run("reprocess")
    other = psutil.Process(os.getppid())
    runs.write_record(replace(running, pid=other.pid, process_started=other.create_time()))
    found = home.load_dashboard()
    assert [one.id for one in found.running] == [running.id]
    assert [one.notebook for one in found.failed] == ["progress"]
    assert found.counts[running.started[:10], "running"] == 1
    page = found._repr_html_()
    assert "<script>" not in page
    assert "ValueError: &lt;script&gt;" in page


def test_what_has_gone_well_since_is_no_failure_any_more() -> None:
    ended("progress", "no", start="a")
    ended("progress", "no", start="b")
    ended("progress", start="a")
    [left] = home.load_dashboard().failed
    assert left.parameters == {"start": "b"}


def test_its_own_runs_are_not_told() -> None:
    ended("home", "no")
    runs.start_run("notebook")
    assert (home.load_dashboard().failed, home.load_dashboard().running) == ((), ())


def test_the_last_night_and_the_queues(tmp_path: Path) -> None:
    night = nights.small_night(settings.load_settings().kpf_root)
    with Queue("work") as queue:
        queue.load(["a", "b"])
    try:
        found = home.load_dashboard()
        assert found.night and [one.night for one in found.night.nights] == [night.night]
        assert found.to_dict()["queues"]["work"]["waiting"] == 2
        assert f"last night: {night.night}" in found.reason
    finally:
        valkey.stop_server()


def test_a_queue_server_that_does_not_answer_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KPFNB_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    assert any(note.startswith("queues: ") for note in home.load_dashboard().notes)


def test_a_task_is_told_by_its_first_words(tmp_path: Path) -> None:
    (tmp_path / "kpfnb.toml").write_text("")
    samples.make(tmp_path / "notebooks", "mine")
    (tmp_path / "notebooks/broken.ipynb").write_text("{")
    found = {one.name: one for one in dashboard.list_task_notebooks()}
    assert found["mine"].title == "mine"
    assert (found["broken"].title, found["broken"].purpose) == ("broken", "")
    assert found["progress"].title == "Progress: how far is the processing?"
    assert found["progress"].purpose.startswith("For each night: how many")


def test_the_verdict_of_the_night_is_shown_with_the_way_to_its_pages(isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, DEFAULT_COUNTS, sizes=SMALL)
    assert f"{NIGHT}: not judged yet" in home.load_dashboard()._repr_html_()
    assert home.load_dashboard().to_dict()["verdict"] is None
    report.write_report(NIGHT)
    found = home.load_dashboard()
    assert found.to_dict()["verdict"] == "PASS"
    assert f"last night: {NIGHT} PASS" in found.reason
    page = found._repr_html_()
    assert f"✔ PASS {NIGHT}: " in page
    assert [one.name for one in found.verdict.pages] == ["report.html", "verdict.html"]
    assert "judge it again" in page
    assert "observations now" not in page
    grown = replace(found, verdict=replace(found.verdict, observations=3, line="<script>"))
    assert "observations now" in grown._repr_html_()
    assert "<script" not in grown._repr_html_()


def test_a_bar_tells_the_runs_of_its_day() -> None:
    ended("progress", "<b>no")
    ended("quicklook")
    found = home.load_dashboard()
    shown = found.hover_plot()
    [told] = shown.tooltips.values()
    today = found.failed[0].started[:10]
    assert told(SimpleNamespace(xdata=7.2, ydata=0)).splitlines() == [
        f"{today}: 1 succeeded, 1 failed",
        f"progress: {found.failed[0].reason}",
    ]
    assert told(SimpleNamespace(xdata=-3, ydata=0)) == ""


def test_the_picture_has_a_bar_a_day() -> None:
    counts = {("2024-01-15", "failed"): 2, ("2024-01-14", "running"): 1}
    [axes] = plots.draw_runs(Counter(counts), 7, date(2024, 1, 15)).axes
    assert len(axes.get_xticklabels()) == 8
    assert sum(patch.get_height() for patch in axes.patches) == sum(counts.values())
