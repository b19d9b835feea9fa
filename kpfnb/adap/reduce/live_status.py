"""The PypeIt runs of this machine as they go: what each does, its memory, the end of its log."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.pypeit import log as phases
from kpfnb.adap.pypeit import log as pypeitlog
from kpfnb.adap.pypeit import memory, useful_warnings
from kpfnb.adap.pypeit.memory import MemoryReservation
from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.core.text import format_duration

REFRESH_SECONDS = 2.0
LOG_LINES = 3
SILENT_SECONDS = 120
"""PypeIt seldom says nothing for so long."""

# Of one height, whatever the log says: what is below must not move while it is read
_LOG_STYLE = (
    f"margin: 2px 0 0; height: {1.4 * LOG_LINES:.1f}em; line-height: 1.4; font-size: 0.85em; "
    "overflow: hidden; white-space: pre; text-overflow: ellipsis"
)
_RUN_STYLE = "border-left: 4px solid #0072B2; padding: 0 0 0 10px; margin: 0 0 12px"


@contextmanager
def show_live_status() -> Iterator[None]:
    """While the block lasts, show what runs in JupyterLab; anywhere else nothing."""
    if not progress.in_notebook():
        yield
        return
    ended = threading.Event()
    with progress.live_html() as show:

        def follow() -> None:
            while not ended.wait(REFRESH_SECONDS):
                try:
                    show(render_runs(memory.list_reservations(), time.time()))
                except (KpfnbError, OSError):
                    # It only shows: the work tells of trouble itself
                    continue

        show(render_runs((), time.time()))
        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def render_runs(runs: list[MemoryReservation] | tuple[MemoryReservation, ...], now: float) -> str:
    """What runs as HTML, all text escaped; the longest at work first."""
    if not runs:
        return "<p>no PypeIt at work</p>"
    ordered = sorted(runs, key=lambda run: (run.since, run.name))
    return "".join(_render_run(run, now) for run in ordered)


def _render_run(run: MemoryReservation, now: float) -> str:
    log = _latest_log(Path(run.folder))
    facts = [f"{run.used / memory.GB:.2f} GB of memory ({run.reserved / memory.GB:.2f} expected)"]
    if run.since:
        facts.append(f"at work for {format_duration(now - run.since)}")
    if made := _count_spec2d(Path(run.folder), run.since):
        facts.append(f"{made} frame{'' if made == 1 else 's'} done")
    silent = now - log.stat().st_mtime if log else 0
    if silent > SILENT_SECONDS:
        facts.append(f"<b>▲ nothing new in its log for {format_duration(silent)}</b>")
    said = map(_format_line, pypeitlog.read_log_tail(log)) if log else ()
    # The frames that PypeIt draws about its tables say nothing
    lines = [line for line in said if any(map(str.isalnum, line))][-LOG_LINES:]
    return (
        f"<div style='{_RUN_STYLE}'><div><b>{html.escape(run.name)}</b> · "
        f"{html.escape(phases.current_step(log) if log else 'starting')}</div>"
        f"<div style='line-height: 1.4'><small>{' · '.join(facts)}</small></div>"
        f"<pre style='{_LOG_STYLE}'>{html.escape(chr(10).join(lines))}</pre></div>"
    )


def _format_line(line: str) -> str:
    """What a line of a log says; when and where it was said is of no use here."""
    told = pypeitlog.parse_log([line]).entries
    if not told:
        return line.strip()
    return f"{'' if told[0].level == 'INFO' else f'{told[0].level}: '}{told[0].text.strip()}"


def _count_spec2d(folder: Path, since: float) -> int:
    """How many frames have their spec2d from this run."""
    found = [
        path for top in ("", "*/") for path in folder.glob(f"{top}{SCIENCE_FOLDER}/spec2d_*.fits")
    ]
    return sum(path.stat().st_mtime >= since for path in found)


def _latest_log(folder: Path) -> Path | None:
    """The log that was written to last, in the folder or one below it."""
    found = [path for pattern in ("*.log", "*/*.log") for path in folder.glob(pattern)]
    logs = [path for path in found if not path.name.endswith(useful_warnings.SUFFIX)]
    return max(logs, key=lambda path: path.stat().st_mtime_ns) if logs else None
