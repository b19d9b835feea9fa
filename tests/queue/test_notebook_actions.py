from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import ipywidgets
import pytest

from kpfnb.core import progress
from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.notebook import runner
from kpfnb.queue import notebook_actions
from kpfnb.queue.client import Queue
from kpfnb.queue.records import QueueItemStatus

pytestmark = pytest.mark.usefixtures("embedded")


def test_loads_requeues_and_parks():
    assert repr(notebook_actions.apply_changes("trial")) == "nothing was changed"
    first = notebook_actions.apply_changes("trial", load=["a", "b"], park=["b"])
    assert repr(first) == "load: 2 of 2 new\npark: 1 waiting → parked"
    assert (
        repr(notebook_actions.apply_changes("trial", requeue=["b"], dry_run=True))
        == "requeue: 1 parked → waiting"
    )
    assert notebook_actions.queue_status("trial").counts[QueueItemStatus.PARKED] == 1
    with pytest.raises(InvalidInputError, match="can't be an item"):
        notebook_actions.apply_changes("trial", load=["two\nlines"])


def test_buttons_move_the_selected_items(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    run = SimpleNamespace(interactive=True)
    notebook_actions.apply_changes("trial", load=["<a>", "b", "c"], park=["c"])
    notebook_actions.show_action_buttons(run, notebook_actions.queue_status("trial"))
    chooser, *rows = shown
    (requeue, _), (park, message) = (row.children for row in rows)
    assert chooser.options == (("c (parked)", "c"), ("<a> (waiting)", "<a>"), ("b (waiting)", "b"))
    chooser.value = ("<a>", "c")
    park.click()
    assert message.value == "park: 1 waiting → parked; 1 parked unchanged"
    assert notebook_actions.queue_status("trial").counts[QueueItemStatus.PARKED] == 2
    chooser.value = ("c",)
    requeue.click()
    assert notebook_actions.queue_status("trial").counts[QueueItemStatus.PARKED] == 1
    monkeypatch.setenv("KPFNB_REDIS_URL", "unix:///nowhere/<b>")
    park.click()
    assert "does not answer" in message.value and "<b>" not in message.value


@pytest.fixture
def container(monkeypatch):
    """The box of widgets that a notebook shows progress in."""
    box = ipywidgets.VBox()
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    progress.set_container(box)
    yield box
    progress.set_container(None)


def test_a_queue_is_watched_until_nothing_is_open(container, monkeypatch):
    notebook_actions.apply_changes("trial", load=["a", "b"])
    seen = []

    def sleep(_):
        seen.append(container.children[0].value)
        notebook_actions.apply_changes("trial", park=["a" if len(seen) == 1 else "b"])

    monkeypatch.setattr(progress, "sleep_responsive", sleep)
    notebook_actions.show_live("trial", 600)
    assert "2 waiting" in seen[0] and "1 parked, 1 waiting" in seen[1] and len(seen) == 2
    assert container.children == ()


def test_while_workers_run_it_is_shown_who_does_what(container, monkeypatch, tmp_path):
    notebook_actions.apply_changes("trial", load=["a", "b"])
    with Queue("trial") as queue:
        queue.report_and_claim("host/1", "r1")
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/seen ]; do sleep 0.05; done\necho ok\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    seen = []

    def sleep(_):
        if container.children and "host/1" in container.children[0].value:
            seen.append(container.children[0].value)
            (tmp_path / "seen").touch()

    monkeypatch.setattr(progress, "sleep_responsive", sleep)
    log = notebook_actions.run_task_workers("test", "trial", 2, parameters={"sleep": 0.0})
    assert log.lines == ("2 test workers: ok",)
    assert "<td>a</td><td>host/1</td>" in seen[0] and "0 of 2 finished" in seen[0]
    assert container.children == ()


def test_a_queue_is_watched_for_the_given_time_at_most(container):
    notebook_actions.apply_changes("trial", load=["a"])
    notebook_actions.show_live("trial", 0)
    assert notebook_actions.queue_status("trial").counts[QueueItemStatus.WAITING] == 1


def test_without_a_browser_no_buttons_are_shown(monkeypatch):
    monkeypatch.delattr("IPython.display.display")
    notebook_actions.show_action_buttons(
        SimpleNamespace(interactive=False), notebook_actions.queue_status("trial")
    )


@pytest.mark.slow
def test_the_notebook_as_a_whole(monkeypatch):
    monkeypatch.setenv("KPFNB_QUEUE_ATTEMPTS", "1")
    parameters = {
        "items": ["star-1", "star-2", "broken <b>"],
        "test_workers": 2,
        "test_sleep": 0,
        "test_fail": "broken",
        "require_done": True,
    }
    record = runner.run_notebook("queue", parameters)
    assert record.outcome is Outcome.PARTIAL
    assert record.reason.startswith("1 parked, 2 done; broken <b>: RuntimeError: broken <b> failed")
    result = json.loads((record.directory / "result.json").read_text())
    assert [item["name"] for item in result["values"]["parked"]] == ["broken <b>"]
    page = (record.directory / "report.html").read_text()
    assert "broken &lt;b&gt; failed on request" in page and "2 test workers: partial" in page
    with Queue("demo") as queue:
        assert queue.item("broken <b>").error == "RuntimeError: broken <b> failed on request"


def test_workers_that_can_not_start_are_reported(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho starting >&2\necho 'no PypeIt here' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(
        ServiceUnavailableError, match="2 test workers ended with code 2: starting no PypeIt here"
    ):
        notebook_actions.run_task_workers("test", "trial", 2, parameters={"sleep": 0.0})
