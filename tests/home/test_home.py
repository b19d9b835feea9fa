"""The home page tells what runs, what failed and what there is, and starts nothing for it."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import psutil
import pytest

from kpfnb import home, runs, settings
from kpfnb.home import picture, tasks
from kpfnb.outcomes import Outcome
from kpfnb.runs.verdict import CellError, Facts
from kpfnb.services import valkey
from kpfnb.workqueue.queue import Queue
from tests import nights, samples


def ended(notebook: str, message: str = "", **parameters: object) -> runs.Record:
    record = runs.begin(notebook, parameters=parameters)
    error = CellError(3, "ValueError", message) if message else None
    return runs.finish(record, Facts(error=error, result={"outcome": "succeeded", "reason": "ok"}))


def test_an_empty_place_is_told_as_such() -> None:
    found = home.look()
    assert found.outcome is Outcome.SUCCEEDED
    assert found.reason == "0 running; 0 failed in 7 days"
    assert any("no queue server runs here" in note for note in found.notes)
    assert any("L0" in note for note in found.notes)
    assert not valkey.status().running
    assert found.figures()["tasks"] == len(found.tasks) > 5
    assert "Nothing runs." in found._repr_html_()


def test_what_runs_and_what_failed() -> None:
    ended("progress", "<script>")
    running = runs.begin("reprocess")
    other = psutil.Process(os.getppid())
    runs.write(replace(running, pid=other.pid, process_started=other.create_time()))
    found = home.look()
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
    [left] = home.look().failed
    assert left.parameters == {"start": "b"}


def test_its_own_runs_are_not_told() -> None:
    ended("home", "no")
    runs.begin("notebook")
    assert (home.look().failed, home.look().running) == ((), ())


def test_the_last_night_and_the_queues(tmp_path: Path) -> None:
    night = nights.small_night(settings.load().kpf_root)
    with Queue("work") as queue:
        queue.load(["a", "b"])
    try:
        found = home.look()
        assert found.night and [one.night for one in found.night.nights] == [night.night]
        assert found.to_dict()["queues"]["work"]["waiting"] == 2
        assert f"last night: {night.night}" in found.reason
    finally:
        valkey.stop()


def test_a_queue_server_that_does_not_answer_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KPFNB_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    assert any(note.startswith("queues: ") for note in home.look().notes)


def test_a_task_is_told_by_its_first_words(tmp_path: Path) -> None:
    (tmp_path / "kpfnb.toml").write_text("")
    samples.make(tmp_path / "notebooks", "mine")
    (tmp_path / "notebooks/broken.ipynb").write_text("{")
    found = {one.name: one for one in tasks.known()}
    assert found["mine"].title == "mine"
    assert (found["broken"].title, found["broken"].purpose) == ("broken", "")
    assert found["progress"].title == "Progress: how far is the processing?"
    assert found["progress"].purpose.startswith("For each night: how many")


@pytest.mark.parametrize(
    "counts", [{}, {("2024-01-15", "failed"): 2, ("2024-01-14", "running"): 1}]
)
def test_the_picture_has_a_bar_a_day(counts: dict[tuple[str, str], int]) -> None:
    [axes] = picture.draw(Counter(counts), 7, date(2024, 1, 15)).axes
    assert len(axes.get_xticklabels()) == 8
    assert sum(patch.get_height() for patch in axes.patches) == sum(counts.values())
