from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import ipywidgets
import pytest

from kpfnb import notebooks
from kpfnb.errors import BadInput, ServiceUnavailable
from kpfnb.outcomes import Outcome
from kpfnb.workqueue import desk
from kpfnb.workqueue.queue import Queue
from kpfnb.workqueue.records import State

pytestmark = pytest.mark.usefixtures("embedded")


def test_loads_requeues_and_parks():
    assert repr(desk.tend("trial")) == "nothing was changed"
    first = desk.tend("trial", load=["a", "b"], park=["b"])
    assert repr(first) == "load: 2 of 2 new\npark: 1 waiting → parked"
    assert repr(desk.tend("trial", requeue=["b"], dry_run=True)) == "requeue: 1 parked → waiting"
    assert desk.look("trial").counts[State.PARKED] == 1
    with pytest.raises(BadInput, match="can't be an item"):
        desk.tend("trial", load=["two\nlines"])


def test_buttons_move_the_items_that_were_chosen(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    run = SimpleNamespace(interactive=True)
    desk.tend("trial", load=["<a>", "b", "c"], park=["c"])
    desk.buttons(run, desk.look("trial"))
    chooser, *rows = shown
    (requeue, _), (park, message) = (row.children for row in rows)
    assert chooser.options == (("c (parked)", "c"), ("<a> (waiting)", "<a>"), ("b (waiting)", "b"))
    chooser.value = ("<a>", "c")
    park.click()
    assert message.value == "park: 1 waiting → parked; 1 parked stay so"
    assert desk.look("trial").counts[State.PARKED] == 2
    chooser.value = ("c",)
    requeue.click()
    assert desk.look("trial").counts[State.PARKED] == 1
    monkeypatch.setenv("KPFNB_REDIS_URL", "unix:///nowhere/<b>")
    park.click()
    assert "does not answer" in message.value and "<b>" not in message.value


def test_a_queue_is_watched_until_nothing_is_open(monkeypatch):
    stage = ipywidgets.VBox()
    monkeypatch.setattr(desk.live, "_stage", stage)
    monkeypatch.setattr(desk.live, "in_notebook", lambda: True)
    desk.tend("trial", load=["a", "b"])
    seen = []

    def pause(_):
        seen.append(stage.children[0].value)
        desk.tend("trial", park=["a" if len(seen) == 1 else "b"])

    monkeypatch.setattr(desk.live, "pause", pause)
    desk.watch("trial", 600)
    assert "2 waiting" in seen[0] and "1 waiting, 1 parked" in seen[1] and len(seen) == 2
    assert stage.children == ()


def test_a_queue_is_watched_no_longer_than_was_asked(monkeypatch):
    monkeypatch.setattr(desk.live, "_stage", ipywidgets.VBox())
    monkeypatch.setattr(desk.live, "in_notebook", lambda: True)
    desk.tend("trial", load=["a"])
    desk.watch("trial", 0)
    assert desk.look("trial").counts[State.WAITING] == 1


def test_headless_there_are_no_buttons(monkeypatch):
    monkeypatch.delattr("IPython.display.display")
    desk.buttons(SimpleNamespace(interactive=False), desk.look("trial"))


def test_the_notebook_as_a_whole(monkeypatch):
    monkeypatch.setenv("KPFNB_QUEUE_ATTEMPTS", "1")
    given = {
        "items": ["star-1", "star-2", "broken <b>"],
        "test_workers": 2,
        "test_sleep": 0,
        "test_fail": "broken",
        "require_done": True,
    }
    record = notebooks.run("queue", given)
    assert (record.outcome, record.reason) == (Outcome.PARTIAL, "1 parked, 2 done")
    result = json.loads((record.directory / "result.json").read_text())
    assert [one["name"] for one in result["values"]["parked"]] == ["broken <b>"]
    page = (record.directory / "report.html").read_text()
    assert "broken &lt;b&gt; was to fail" in page and "2 test workers: partial" in page
    with Queue("demo") as queue:
        assert queue.item("broken <b>").error == "RuntimeError: broken <b> was to fail"


def test_workers_that_can_not_start_are_told(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho starting >&2\necho 'no PypeIt here' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(
        ServiceUnavailable, match="2 test workers ended with code 2: starting no PypeIt here"
    ):
        desk.work("test", "trial", 2, parameters={"sleep": 0.0})
