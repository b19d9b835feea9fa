from __future__ import annotations

import logging
import os
import pty
import sys
import termios
from types import SimpleNamespace

import ipywidgets
import pytest

from kpfnb.core import progress


def test_line_has_rate_and_time_left() -> None:
    state = progress.ProgressState(400, "reading", done=120, failed=2, note="KP.20240101.1.fits")
    assert progress.format_progress(state, seconds=10) == (
        "reading: 120 of 400 (30 %), 2 failed, 12/s, 23 s left, KP.20240101.1.fits"
    )


def test_line_of_slow_and_of_finished_work() -> None:
    assert progress.format_progress(progress.ProgressState(4, "reducing", done=1), 90) == (
        "reducing: 1 of 4 (25 %), 90 s each, 4 min 30 s left"
    )
    assert progress.format_progress(
        progress.ProgressState(4, "reducing", done=4, note="x"), 360
    ) == ("reducing: 4 of 4 (100 %), 90 s each, took 6 min 00 s")


def test_what_was_stopped_has_no_time_left(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(KeyboardInterrupt), progress.show_progress(4, "reducing") as bar:
        bar.update(done=1)
        raise KeyboardInterrupt
    with progress.show_progress(4, "reducing") as bar:
        # The work itself handles the interrupt, and returns what it has
        bar.update(done=1)
    assert len(caplog.messages) == 2
    for line in caplog.messages:
        assert "stopped after" in line and " left" not in line


def test_line_before_anything_is_known() -> None:
    assert progress.format_progress(progress.ProgressState(None, "watching"), 3) == "watching: 0"
    assert (
        progress.format_progress(progress.ProgressState(0, "reading"), 0) == "reading: 0, took 0 s"
    )


class Spy:
    def __init__(self) -> None:
        self.shown: list[int] = []
        self.failures: list[str] = []

    def show(self, state: progress.ProgressState) -> None:
        self.shown.append(state.done)

    def show_failure(self, text: str, state: progress.ProgressState) -> None:
        self.failures.append(text)

    def close(self, state: progress.ProgressState) -> None:
        self.shown.append(state.done)


def test_shown_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    spy = Spy()
    bar = progress.ProgressBar(progress.ProgressState(1000, "x"), spy)
    for done in range(1000):
        now += 0.001
        bar.update(done=done)
    assert len(spy.shown) == 10
    assert bar.state.done == 999


def test_only_the_first_failures_are_reported() -> None:
    spy = Spy()
    bar = progress.ProgressBar(progress.ProgressState(1000, "x"), spy)
    for number in range(100):
        bar.report_failure(f"item {number}", "ValueError: two\nlines")
    assert len(spy.failures) == progress.FAILURES_SHOWN
    assert spy.failures[0] == "item 0: ValueError: two lines"


def test_log_has_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with progress.show_progress(3, "reading") as bar:
        for done in range(4):
            bar.update(done=done)
        bar.report_failure("b", "OSError: gone")
    assert caplog.messages[0] == "reading: b: OSError: gone"
    assert caplog.messages[1].startswith("reading: 3 of 3 (100 %)")
    assert len(caplog.messages) == 2


def test_log_has_a_line_every_ten_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.show_progress(100, "reading") as bar:
        for done in range(100):
            now += 0.5
            bar.update(done=done)
    # At 10, 20, ... 50 s and at the end
    assert len(caplog.messages) == 6


def test_nothing_is_shown_when_progress_is_disabled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with progress.show_progress(3, "reading", shown=False) as bar:
        bar.update(done=3)
        bar.report_failure("b", "no")
    assert caplog.messages == []


def test_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 100))
    with os.fdopen(writer, "w") as terminal, os.fdopen(reader, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.show_progress(3, "reading") as bar:
            bar.update(done=1, failed=1, note="KP.1")
            bar.report_failure("b", "OSError: gone")
            bar.update(done=3)
        print("end of the test", file=terminal, flush=True)
        seen = b""
        while b"end of the test" not in seen:
            seen += screen.read(1000)
        shown = seen.decode()
    assert "reading" in shown
    assert "1 failed, KP.1" in shown
    assert "b: OSError: gone" in shown
    assert "3/3" in shown
    assert "\nend of the test" in shown


def test_notebook_has_a_native_progress_element(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list = []
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", displayed.append)
    with progress.show_progress(4, "reading") as bar:
        bar.update(done=2)
        bar.report_failure("<b>", "no")
        [widget] = displayed
        assert '<progress aria-label="reading"' in widget.value
        assert 'value="2" max="4"' in widget.value
        assert "&lt;b&gt;: no" in widget.value


def test_a_page_is_shown_in_the_form_while_it_lasts(request: pytest.FixtureRequest) -> None:
    stage = ipywidgets.VBox()
    request.addfinalizer(lambda: progress.set_container(None))
    progress.set_container(stage)
    with pytest.raises(KeyboardInterrupt), progress.live_html() as show:
        show("<p>first</p>")
        [view] = stage.children
        show("<p>second</p>")
        assert view.value == "<p>second</p>"
        raise KeyboardInterrupt
    assert stage.children == ()


def test_browsers_that_are_reloaded_in_a_pause_are_answered(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[float] = []
    request.addfinalizer(lambda: progress.set_idle_callback(lambda: None))
    progress.set_idle_callback(lambda: answered.append(now[0]))
    now = [0.0]
    clock = SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    monkeypatch.setattr(progress, "time", clock)
    progress.sleep_responsive(0.5)
    assert answered == pytest.approx([0, 0.2, 0.4, 0.5])


def test_widget_escapes_everything_and_counts_the_rest() -> None:
    state = progress.ProgressState(
        9, '<i>"t"</i>', note="<script>", failed=3, failures=["<u>x</u>"]
    )
    page = progress.progress_html(state, 1)
    assert "<i>" not in page
    assert "<script>" not in page
    assert "<u>" not in page
    assert "and 2 more" in page


def test_failures_that_were_only_counted_make_no_list() -> None:
    page = progress.progress_html(progress.ProgressState(3, "PypeIt", done=3, failed=2), 10)
    assert "2 failed" in page
    assert "more" not in page


@pytest.mark.parametrize(
    ("shell", "session", "expected"),
    [
        (SimpleNamespace(kernel=1), "a.ipynb", True),
        (SimpleNamespace(kernel=1), None, False),
        (SimpleNamespace(), "a.ipynb", False),
        (None, "a.ipynb", False),
    ],
)
def test_a_headless_notebook_differs_from_one_in_jupyterlab(
    monkeypatch: pytest.MonkeyPatch, shell: object, session: str | None, expected: bool
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert progress.in_notebook() is expected
