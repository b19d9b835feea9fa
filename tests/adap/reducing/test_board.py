from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import IPython.display
import pytest

from kpfnb import live
from kpfnb.adap.pypeit import memory
from kpfnb.adap.pypeit.memory import GB, Reservation
from kpfnb.adap.reducing import board

LOG = "\n".join(f"    INFO | 2026-01-31 12:00:0{n} | a.py:f:{n} | step <{n}>" for n in range(6))


def test_it_tells_step_memory_and_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A/A.log").write_text(LOG)
    (tmp_path / "A/A_useful_warns.log").write_text("3 -- of an earlier run")
    page = board.page((Reservation(2 * GB, GB // 2, "a <dataset>", str(tmp_path)),))
    for text in ("a &lt;dataset&gt;", "step &lt;5&gt;", "step &lt;3&gt;", "0.50", "2.00"):
        assert text in page
    assert "step &lt;2&gt;" not in page


def test_without_a_log_or_a_run(tmp_path: Path) -> None:
    assert "starting" in board.page((Reservation(GB, 0, "a", str(tmp_path)),))
    assert board.page(()) == "<p>no PypeIt at work</p>"


def test_it_shows_nothing_where_nobody_looks() -> None:
    with board.shown():
        pass


class Handle:
    """A display in a notebook; keeps what it showed."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.changed = threading.Condition()

    def update(self, page: Any) -> None:
        with self.changed:
            self.pages.append(page.data)
            self.changed.notify_all()

    def shows(self, text: str) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: any(text in one for one in self.pages), 30)


def test_in_a_notebook_it_follows_what_runs_and_survives_a_look_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, failures = Handle(), iter([OSError("the ledger is being written")])
    runs = [Reservation(GB, 0, "night <1>", str(tmp_path))]

    def running() -> list[Reservation]:
        if error := next(failures, None):
            raise error
        return list(runs)

    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda page, display_id: handle)
    monkeypatch.setattr(memory, "running", running)
    monkeypatch.setattr(board, "EVERY_SECONDS", 0.01)
    with board.shown():
        assert handle.shows("night &lt;1&gt;")
        (tmp_path / "A.log").write_text(LOG)
        assert handle.shows("step &lt;5&gt;")
        runs.append(Reservation(GB, 0, "night 2", str(tmp_path)))
        assert handle.shows("night 2")
    assert handle.pages[-1] == board.page(())
