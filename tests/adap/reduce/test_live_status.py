from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from kpfnb.adap.pypeit.command import RunningCommand
from kpfnb.adap.pypeit.memory import GB, MemoryReservation
from kpfnb.adap.reduce import live_status
from kpfnb.core import progress

LOG = "\n".join(f"    INFO | 2026-01-31 12:00:0{n} | a.py:f:{n} | step <{n}>" for n in range(6))


NOW = 1_000_000_000.0


def test_step_memory_time_and_the_end_of_the_log_are_shown(tmp_path: Path) -> None:
    (tmp_path / "A/Science").mkdir(parents=True)
    (tmp_path / "A/A.log").write_text(LOG)
    (tmp_path / "A/A_useful_warns.log").write_text("3 -- of an earlier run")
    for name, age in (("spec2d_b27.fits", 10), ("spec2d_b28.fits", 9999)):
        (tmp_path / "A/Science" / name).touch()
        os.utime(tmp_path / "A/Science" / name, (NOW - age, NOW - age))
    os.utime(tmp_path / "A/A.log", (NOW, NOW))
    page = live_status.render_runs(
        (MemoryReservation(2 * GB, GB // 2, "a <dataset>", str(tmp_path), NOW - 80),), NOW
    )
    for text in ("a &lt;dataset&gt;", "step &lt;5&gt;", "step &lt;3&gt;", "0.50", "2.00"):
        assert text in page
    assert "running for 1 min 20 s · 1 frame done" in page
    assert "step &lt;2&gt;" not in page
    assert "silent" not in page
    assert "12:00:05" not in page


def test_a_silent_run_is_marked(tmp_path: Path) -> None:
    frame = "    INFO | 2026-01-31 12:00:00 | a.py:f:9 | ----  -------- ***"
    (tmp_path / "A.log").write_text("\n".join([LOG.replace("INFO", "ERROR"), frame]))
    os.utime(tmp_path / "A.log", (NOW - 600, NOW - 600))
    page = live_status.render_runs((MemoryReservation(GB, 0, "a", str(tmp_path)),), NOW)
    assert "▲ log silent for 10 min 00 s" in page
    assert "ERROR: step &lt;5&gt;" in page
    assert "--" not in page


def test_without_a_log_or_a_run(tmp_path: Path) -> None:
    assert "starting" in live_status.render_runs(
        (MemoryReservation(GB, 0, "a", str(tmp_path)),), NOW
    )
    assert live_status.render_runs((), NOW) == "<p>PypeIt is not running</p>"


def test_a_command_without_a_reservation_has_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    os.utime(tmp_path / "a.log", (NOW, NOW))
    page = live_status.render_runs((RunningCommand("coadd <A>", str(tmp_path), NOW - 80),), NOW)
    assert "coadd &lt;A&gt;" in page and "step &lt;5&gt;" in page and "running for 1 min" in page
    assert "memory" not in page


def test_outside_of_jupyterlab_nothing_is_shown() -> None:
    with live_status.show_live_status(list):
        pass


class View:
    """What a page in a notebook is given; keeps it."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.changed = threading.Condition()

    def show(self, page: str) -> None:
        with self.changed:
            self.pages.append(page)
            self.changed.notify_all()

    def shows(self, text: str) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: any(text in page for page in self.pages), 30)


def test_in_a_notebook_it_follows_the_run_and_survives_a_failed_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, failures = View(), iter([OSError("the ledger is being written")])
    runs = [MemoryReservation(GB, 0, "night <1>", str(tmp_path))]

    def running() -> list[MemoryReservation]:
        if error := next(failures, None):
            raise error
        return list(runs)

    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "live_html", lambda: nullcontext(view.show))
    monkeypatch.setattr(live_status, "REFRESH_SECONDS", 0.01)
    with live_status.show_live_status(running):
        assert view.shows("night &lt;1&gt;")
        (tmp_path / "A.log").write_text(LOG)
        assert view.shows("step &lt;5&gt;")
        runs.append(MemoryReservation(GB, 0, "night 2", str(tmp_path)))
        assert view.shows("night 2")
