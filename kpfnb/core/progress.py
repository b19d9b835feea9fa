"""Live progress of anything that lasts: a bar in terminal and notebook, lines in the log else."""

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

logger = logging.getLogger(__name__)

SHOW_EVERY_SECONDS = 0.1
LOG_EVERY_SECONDS = 10.0
NOTE_LENGTH = 60
FAILURES_SHOWN = 20
MOST_BARS = 8
ANSWER_EVERY_SECONDS = 0.2

_stage: Any = None


@dataclass
class State:
    """What is known of some work."""

    total: int | None
    title: str
    done: int = 0
    failed: int = 0
    note: str = ""
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self.started


def describe(state: State, seconds: float) -> str:
    """One line: `reading: 120 of 400 (30 %), 2 failed, 14/s, 20 s left, KP.20240101...`."""
    of_total = f" of {state.total} ({100 * state.done // state.total} %)" if state.total else ""
    parts = [f"{state.title}: {state.done}{of_total}"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.done and seconds > 0:
        rate = state.done / seconds
        parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each")
        if state.total and state.done < state.total:
            parts.append(f"{duration((state.total - state.done) / rate)} left")
    if state.total is not None and state.done >= state.total:
        parts.append(f"took {duration(seconds)}")
    elif state.note:
        parts.append(state.note)
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time span for people: `8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Face(Protocol):
    """One place where progress is shown."""

    def show(self, state: State) -> None:
        """Show how things stand."""

    def failure(self, text: str, state: State) -> None:
        """Show that something failed."""

    def close(self, state: State) -> None:
        """Show the end."""


class Bar:
    """Told how the work goes; shows it at most ten times a second."""

    def __init__(self, state: State, face: Face) -> None:
        self.state = state
        self._face = face
        self._next = 0.0

    def update(
        self, *, done: int | None = None, failed: int | None = None, note: str | None = None
    ) -> None:
        """Say how many are done (those that failed among them), and what is in work."""
        state = self.state
        state.done = state.done if done is None else done
        state.failed = state.failed if failed is None else failed
        state.note = state.note if note is None else note[:NOTE_LENGTH]
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SHOW_EVERY_SECONDS
            self._face.show(state)

    def failure(self, name: str, error: str) -> None:
        """Tell of one that failed, as it comes; after the first twenty they are only counted."""
        if len(self.state.failures) < FAILURES_SHOWN:
            text = " ".join(f"{name}: {error}".split())
            self.state.failures.append(text)
            self._face.failure(text, self.state)


@contextmanager
def progress(total: int | None, title: str, *, shown: bool = True) -> Iterator[Bar]:
    """Show progress while the block lasts, in whatever way suits where we are.

    Parameters
    ----------
    total : how many there are to do; None if nobody knows
    title : what is being done
    shown : False to show nothing
    """
    state = State(total, title)
    face = _face(state) if shown else _Nothing()
    try:
        yield Bar(state, face)
    finally:
        face.close(state)


def _face(state: State) -> Face:
    if in_notebook():
        return _Widget(state)
    return _Terminal(state) if sys.stderr.isatty() else _Log()


def show_in(box: Any) -> None:
    """From now on show progress in a box of widgets (that of the form); None: where the cell is."""
    global _stage
    _stage = box


@contextmanager
def page() -> Iterator[Callable[[str], None]]:
    """Show HTML that changes while the block lasts; gives what takes it. Only in JupyterLab."""
    import ipywidgets

    view = ipywidgets.HTML(layout={"width": "100%"})
    _put(view)
    try:
        yield lambda html: setattr(view, "value", html)
    finally:
        if _stage is not None:
            _stage.children = tuple(one for one in _stage.children if one is not view)
        view.close()


def pause(seconds: float) -> None:
    """Wait; a browser that is reloaded meanwhile gets what is shown."""
    from kpfnb.kernels import reattaching

    until = time.monotonic() + seconds
    reattaching.answer()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, ANSWER_EVERY_SECONDS))
        reattaching.answer()


def in_notebook() -> bool:
    """True in a notebook that a person looks at; a headless one has no session's name."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel") and "JPY_SESSION_NAME" in os.environ


def _put(widget: Any) -> None:
    from IPython.display import display

    if _stage is None:
        display(widget)
    else:
        _stage.children = (*_stage.children, widget)[-MOST_BARS:]


class _Nothing:
    def show(self, state: State) -> None: ...

    def failure(self, text: str, state: State) -> None: ...

    def close(self, state: State) -> None: ...


class _Log:
    """No control characters: for cron, pipes and headless notebooks."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LOG_EVERY_SECONDS

    def show(self, state: State) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOG_EVERY_SECONDS
            logger.info(describe(state, state.seconds))

    def failure(self, text: str, state: State) -> None:
        logger.warning("%s: %s", state.title, text)

    def close(self, state: State) -> None:
        logger.info(describe(state, state.seconds))


class _Terminal:
    def __init__(self, state: State) -> None:
        from tqdm import tqdm

        class Quiet(tqdm):
            # No thread that redraws: the work itself tells when something has changed
            monitor_interval = 0

        self._bar = Quiet(total=state.total, desc=state.title, file=sys.stderr, dynamic_ncols=True)

    def show(self, state: State) -> None:
        self._bar.n = state.done
        failed = f"{state.failed} failed, " if state.failed else ""
        self._bar.set_postfix_str(f"{failed}{state.note}".rstrip(", "))

    def failure(self, text: str, state: State) -> None:
        self._bar.write(text, file=sys.stderr)

    def close(self, state: State) -> None:
        state.note = ""
        self.show(state)
        self._bar.close()


class _Widget:
    """A native progress element, which screen readers know, and a line of text."""

    def __init__(self, state: State) -> None:
        import ipywidgets

        self._html: Any = ipywidgets.HTML(self._page(state), layout={"width": "100%"})
        _put(self._html)

    def show(self, state: State) -> None:
        from kpfnb.kernels import reattaching

        self._html.value = self._page(state)
        reattaching.answer()

    def failure(self, text: str, state: State) -> None:
        self.show(state)

    def close(self, state: State) -> None:
        self.show(state)

    @staticmethod
    def _page(state: State) -> str:
        return widget_html(state, state.seconds)


def widget_html(state: State, seconds: float) -> str:
    """The bar as HTML, all text escaped."""
    label = html.escape(state.title, quote=True)
    value = f' value="{state.done}" max="{max(state.total, 1)}"' if state.total is not None else ""
    failures = "".join(f"<li>{html.escape(text)}</li>" for text in state.failures)
    more = state.failed - len(state.failures)
    if failures and more > 0:
        failures += f"<li>and {more} more</li>"
    return (
        f'<progress aria-label="{label}" style="width: 100%; max-width: 40em"{value}></progress>'
        f"<div>{html.escape(describe(state, seconds))}</div>"
        + (f'<ul aria-label="failures">{failures}</ul>' if failures else "")
    )
