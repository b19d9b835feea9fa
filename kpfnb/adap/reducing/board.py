"""The PypeIt runs of this machine as they go: step, memory and the end of each log."""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb import live
from kpfnb.adap.pypeit import memory, pypeitlog
from kpfnb.adap.pypeit.memory import Reservation
from kpfnb.adap.reducing import usefulwarnings
from kpfnb.errors import KpfnbError

EVERY_SECONDS = 2.0
LINES = 3
TAIL_BYTES = 4000


@contextmanager
def shown() -> Iterator[None]:
    """While the block lasts, show a table in JupyterLab; anywhere else nothing."""
    if not live.in_notebook():
        yield
        return
    from IPython.display import HTML, display

    handle = display(HTML(page(())), display_id=True)
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(EVERY_SECONDS):
            try:
                handle.update(HTML(page(tuple(memory.running()))))
            except (KpfnbError, OSError):
                # It only shows: the work tells of trouble itself
                continue

    watcher = threading.Thread(target=follow, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        handle.update(HTML(page(())))


def page(runs: tuple[Reservation, ...]) -> str:
    """The table as HTML, all text escaped."""
    if not runs:
        return "<p>no PypeIt at work</p>"
    head = "".join(
        f"<th scope='col'>{title}</th>"
        for title in ("at work", "step", "memory (GB)", "expected (GB)", "end of its log")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, runs))}</tbody></table>"


def _row(run: Reservation) -> str:
    lines = _tail(Path(run.folder))
    step = pypeitlog.parse(lines).last_step or "starting"
    cells = (
        html.escape(step),
        f"{run.taken / memory.GB:.2f}",
        f"{run.reserved / memory.GB:.2f}",
        f"<pre style='margin: 0'>{html.escape(chr(10).join(lines[-LINES:]))}</pre>",
    )
    rest = "".join(f"<td style='text-align: left'>{cell}</td>" for cell in cells)
    return f"<tr><th scope='row'>{html.escape(run.name)}</th>{rest}</tr>"


def _tail(folder: Path) -> list[str]:
    """The last lines of the log that was written to last, in the folder or one below it."""
    found = [path for pattern in ("*.log", "*/*.log") for path in folder.glob(pattern)]
    logs = [path for path in found if not path.name.endswith(usefulwarnings.SUFFIX)]
    if not logs:
        return []
    return pypeitlog.tail(max(logs, key=lambda path: path.stat().st_mtime_ns), TAIL_BYTES)
