"""Progress of long work: a bar in terminals and notebooks, otherwise lines in the log."""

from __future__ import annotations

import html
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from kpfnb.core import progress_file
from kpfnb.core.text import format_duration

logger = logging.getLogger(__name__)

SHOW_EVERY_SECONDS = 0.1
LOG_EVERY_SECONDS = 10.0
NOTE_LENGTH = 60
FAILURES_SHOWN = 20
MAX_BARS = 8
ANSWER_EVERY_SECONDS = 0.2

TOOK, STOPPED = "took", "stopped after"

_container: Any = None


def _do_nothing(*_: object) -> None: ...


_idle_callback: Callable[[], object] = _do_nothing


@dataclass
class ProgressState:
    """How far some work is."""

    total: int | None
    title: str
    done: int = 0
    failed: int = 0
    note: str = ""
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    ended: str = ""
    """How it ended: `took`, or `stopped after`; empty while it goes on."""

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started


def format_progress(state: ProgressState, seconds: float) -> str:
    """One line: `reading: 120 of 400 (30 %), 2 failed, 14/s, 20 s left, KP.20240101...`."""
    of_total = f" of {state.total} ({100 * state.done // state.total} %)" if state.total else ""
    parts = [f"{state.title}: {state.done}{of_total}"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.done and seconds > 0:
        rate = state.done / seconds
        parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each")
        if state.total and state.done < state.total and not state.ended:
            parts.append(f"{format_duration((state.total - state.done) / rate)} left")
    is_done = state.total is not None and state.done >= state.total
    if is_done or state.ended:
        parts.append(f"{TOOK if is_done else state.ended} {format_duration(seconds)}")
    elif state.note:
        parts.append(state.note)
    return ", ".join(parts)


class ProgressSink(Protocol):
    """A place where progress is shown."""

    def show(self, state: ProgressState) -> None:
        """Show the current state."""

    def show_failure(self, text: str, state: ProgressState) -> None:
        """Show a failure."""

    def close(self, state: ProgressState) -> None:
        """Show the end of the work."""


class ProgressBar:
    """Receives the progress of some work and shows it at most ten times a second."""

    def __init__(
        self,
        state: ProgressState,
        sink: ProgressSink,
        write: Callable[[ProgressState], object] = lambda _: None,
    ) -> None:
        self.state = state
        self._sink = sink
        self._write = write
        self._next = 0.0
        self._next_written = 0.0

    def update(
        self, *, done: int | None = None, failed: int | None = None, note: str | None = None
    ) -> None:
        """Set the numbers of items done (failed ones included) and failed, and the current item."""
        state = self.state
        state.done = state.done if done is None else done
        state.failed = state.failed if failed is None else failed
        state.note = state.note if note is None else note[:NOTE_LENGTH]
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SHOW_EVERY_SECONDS
            self._sink.show(state)
        if now >= self._next_written:
            self._next_written = now + progress_file.WRITE_EVERY_SECONDS
            self._write(state)

    def report_failure(self, name: str, error: str) -> None:
        """Report a failed item; after the first twenty, failures are only counted."""
        if len(self.state.failures) < FAILURES_SHOWN:
            text = " ".join(f"{name}: {error}".split())
            self.state.failures.append(text)
            self._sink.show_failure(text, self.state)


@contextmanager
def show_progress(total: int | None, title: str, *, shown: bool = True) -> Iterator[ProgressBar]:
    """Show progress during the block: in the notebook, on the terminal or in the log.

    tqdm draws the bar of terminals. A notebook has a `<progress>` element instead, which screen
    readers know and which lists failures.

    Parameters
    ----------
    total : number of items; None if it is not known
    title : what is being done
    shown : False shows nothing
    """
    state = ProgressState(total, title)
    face = _choose_sink(state) if shown else _NullSink()
    write = progress_file.write_progress if shown else _do_nothing
    try:
        yield ProgressBar(state, face, write)
        # Less than all of it: stopped by a person, or by a limit
        state.ended = TOOK if state.total is None or state.done >= state.total else STOPPED
    finally:
        state.ended = state.ended or STOPPED
        face.close(state)
        write(state)


def _choose_sink(state: ProgressState) -> ProgressSink:
    if in_notebook():
        return _WidgetSink(state)
    return _TerminalSink(state) if sys.stderr.isatty() else _LogSink()


def set_container(box: Any) -> None:
    """Show progress in this box of widgets (the form's) from now on; None: below the cell."""
    global _container
    _container = box


@contextmanager
def live_html() -> Iterator[Callable[[str], None]]:
    """Show HTML that changes during the block; gives a function that sets it. JupyterLab only."""
    import ipywidgets

    view = ipywidgets.HTML(layout={"width": "100%"})
    _display_widget(view)
    try:
        yield lambda html: setattr(view, "value", html)
    finally:
        if _container is not None:
            _container.children = tuple(child for child in _container.children if child is not view)
        view.close()


def set_idle_callback(callback: Callable[[], object]) -> None:
    """Call this while progress is shown and in `sleep_responsive`.

    There the notebook's kernel answers a browser page that is reloaded while a cell runs.
    """
    global _idle_callback
    _idle_callback = callback


def sleep_responsive(seconds: float) -> None:
    """Wait, and give the notebook's kernel a chance to answer its browser."""
    deadline = time.monotonic() + seconds
    _idle_callback()
    while (remaining := deadline - time.monotonic()) > 0:
        time.sleep(min(remaining, ANSWER_EVERY_SECONDS))
        _idle_callback()


def in_notebook() -> bool:
    """True in a notebook in JupyterLab; a headless one has no session name."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel") and "JPY_SESSION_NAME" in os.environ


def _display_widget(widget: Any) -> None:
    from IPython.display import display

    if _container is None:
        display(widget)
    else:
        _container.children = (*_container.children, widget)[-MAX_BARS:]


class _NullSink:
    def show(self, state: ProgressState) -> None: ...

    def show_failure(self, text: str, state: ProgressState) -> None: ...

    def close(self, state: ProgressState) -> None: ...


class _LogSink:
    """Lines without control characters, for cron, pipes and headless notebooks."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LOG_EVERY_SECONDS

    def show(self, state: ProgressState) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOG_EVERY_SECONDS
            logger.info(format_progress(state, state.seconds))

    def show_failure(self, text: str, state: ProgressState) -> None:
        logger.warning("%s: %s", state.title, text)

    def close(self, state: ProgressState) -> None:
        logger.info(format_progress(state, state.seconds))


class _TerminalSink:
    def __init__(self, state: ProgressState) -> None:
        from tqdm import tqdm

        class _Bar(tqdm):
            # No thread that redraws: the work reports every change itself
            monitor_interval = 0

        self._bar = _Bar(total=state.total, desc=state.title, file=sys.stderr, dynamic_ncols=True)

    def show(self, state: ProgressState) -> None:
        self._bar.n = state.done
        failed = f"{state.failed} failed, " if state.failed else ""
        self._bar.set_postfix_str(f"{failed}{state.note}".rstrip(", "))

    def show_failure(self, text: str, state: ProgressState) -> None:
        self._bar.write(text, file=sys.stderr)

    def close(self, state: ProgressState) -> None:
        state.note = ""
        self.show(state)
        self._bar.close()


class _WidgetSink:
    """A progress element of HTML and a line of text."""

    def __init__(self, state: ProgressState) -> None:
        import ipywidgets

        page = progress_html(state, state.seconds)
        self._html: Any = ipywidgets.HTML(page, layout={"width": "100%"})
        _display_widget(self._html)

    def show(self, state: ProgressState) -> None:
        self._html.value = progress_html(state, state.seconds)
        _idle_callback()

    def show_failure(self, text: str, state: ProgressState) -> None:
        self.show(state)

    def close(self, state: ProgressState) -> None:
        self.show(state)


def progress_html(state: ProgressState, seconds: float) -> str:
    """The progress as HTML, all text escaped."""
    label = html.escape(state.title, quote=True)
    value = f' value="{state.done}" max="{max(state.total, 1)}"' if state.total is not None else ""
    failures = "".join(f"<li>{html.escape(text)}</li>" for text in state.failures)
    more = state.failed - len(state.failures)
    if failures and more > 0:
        failures += f"<li>and {more} more</li>"
    return (
        f'<progress aria-label="{label}" style="width: 100%; max-width: 40em"{value}></progress>'
        f"<div>{html.escape(format_progress(state, seconds))}</div>"
        + (f'<ul aria-label="failures">{failures}</ul>' if failures else "")
    )
