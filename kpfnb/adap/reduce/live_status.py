"""What is running, live in JupyterLab: each PypeIt command with its step and the end of its log."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.pypeit import memory, useful_warnings
from kpfnb.adap.pypeit.command import RunningCommand
from kpfnb.adap.pypeit.log import current_step, parse_log, read_log_tail
from kpfnb.adap.pypeit.memory import MemoryReservation
from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.core.text import format_count, format_duration

LiveRun = MemoryReservation | RunningCommand

REFRESH_SECONDS = 2.0
LOG_LINES = 3
SILENT_SECONDS = 120
"""PypeIt is seldom silent for longer."""

# A fixed height, whatever the log says: the page below must not move while it is read
_LOG_STYLE = (
    f"margin: 2px 0 0; height: {1.4 * LOG_LINES:.1f}em; line-height: 1.4; font-size: 0.85em; "
    "overflow: hidden; white-space: pre; text-overflow: ellipsis"
)
_RUN_STYLE = "border-left: 4px solid #0072B2; padding: 0 0 0 10px; margin: 0 0 12px"


@contextmanager
def show_live_status(list_runs: Callable[[], Sequence[LiveRun]]) -> Iterator[None]:
    """Show in JupyterLab what is running during the block; elsewhere do nothing.

    list_runs : `kpfnb.adap.pypeit.memory.list_reservations` for the reductions on this machine,
        `kpfnb.adap.pypeit.command.running_commands` for the commands of this process
    """
    if not progress.in_notebook():
        yield
        return
    stop = threading.Event()
    with progress.live_html() as show:

        def refresh() -> None:
            while not stop.wait(REFRESH_SECONDS):
                try:
                    show(render_runs(list_runs(), time.time()))
                except (KpfnbError, OSError):
                    # A display only: the reduction itself reports what is wrong
                    continue

        show(render_runs((), time.time()))
        watcher = threading.Thread(target=refresh, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


def render_runs(runs: Sequence[LiveRun], now: float) -> str:
    """What is running as HTML, all text escaped; the longest run first."""
    if not runs:
        return "<p>PypeIt is not running</p>"
    ordered = sorted(runs, key=lambda run: (run.since, run.name))
    return "".join(_render_run(run, now) for run in ordered)


def _render_run(run: LiveRun, now: float) -> str:
    log = _latest_log(Path(run.folder))
    facts = []
    if isinstance(run, MemoryReservation):
        used, expected = (f"{size / memory.GB:.2f}" for size in (run.used, run.reserved))
        facts.append(f"{used} GB of memory ({expected} expected)")
    if run.since:
        facts.append(f"running for {format_duration(now - run.since)}")
    if count := _count_spec2d(Path(run.folder), run.since):
        facts.append(f"{format_count(count, 'frame')} done")
    silent = now - log.stat().st_mtime if log else 0
    if silent > SILENT_SECONDS:
        facts.append(f"<b>▲ log silent for {format_duration(silent)}</b>")
    messages = map(_format_line, read_log_tail(log)) if log else ()
    # Without the lines that only frame PypeIt's tables
    lines = [line for line in messages if any(map(str.isalnum, line))][-LOG_LINES:]
    step = current_step(log) if log else "starting"
    return (
        f"<div style='{_RUN_STYLE}'><div><b>{html.escape(run.name)}</b> · {html.escape(step)}</div>"
        f"<div style='line-height: 1.4'><small>{' · '.join(facts)}</small></div>"
        f"<pre style='{_LOG_STYLE}'>{html.escape(chr(10).join(lines))}</pre></div>"
    )


def _format_line(line: str) -> str:
    """The message of a log line, without its time and place in the code."""
    entries = parse_log([line]).entries
    if not entries:
        return line.strip()
    level, text = entries[0].level, entries[0].text.strip()
    return text if level == "INFO" else f"{level}: {text}"


def _count_spec2d(folder: Path, since: float) -> int:
    """The number of frames that have a spec2d from this run."""
    patterns = (f"{top}{SCIENCE_FOLDER}/spec2d_*.fits" for top in ("", "*/"))
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    return sum(path.stat().st_mtime >= since for path in paths)


def _latest_log(folder: Path) -> Path | None:
    """The most recently written log in the folder or one level below it."""
    paths = [path for pattern in ("*.log", "*/*.log") for path in folder.glob(pattern)]
    logs = [path for path in paths if not path.name.endswith(useful_warnings.SUFFIX)]
    return max(logs, key=lambda path: path.stat().st_mtime_ns) if logs else None
