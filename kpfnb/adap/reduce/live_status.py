"""The PypeIt runs of this machine as they go: what each does, its memory, the end of its log."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb import live
from kpfnb.adap.pypeit import memory, phases, pypeitlog
from kpfnb.adap.pypeit.memory import Reservation
from kpfnb.adap.reducing import usefulwarnings
from kpfnb.adap.reducing.products import SCIENCE
from kpfnb.errors import KpfnbError

EVERY_SECONDS = 2.0
LINES = 3
QUIET_SECONDS = 120
"""PypeIt seldom says nothing for so long."""

# Of one height, whatever the log says: what is below must not move while it is read
_LOG = (
    f"margin: 2px 0 0; height: {1.4 * LINES:.1f}em; line-height: 1.4; font-size: 0.85em; "
    "overflow: hidden; white-space: pre; text-overflow: ellipsis"
)
_RUN = "border-left: 4px solid #0072B2; padding: 0 0 0 10px; margin: 0 0 12px"


@contextmanager
def shown() -> Iterator[None]:
    """While the block lasts, show what runs in JupyterLab; anywhere else nothing."""
    if not live.in_notebook():
        yield
        return
    ended = threading.Event()
    with live.page() as show:

        def follow() -> None:
            while not ended.wait(EVERY_SECONDS):
                try:
                    show(page(memory.running(), time.time()))
                except (KpfnbError, OSError):
                    # It only shows: the work tells of trouble itself
                    continue

        show(page((), time.time()))
        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def page(runs: list[Reservation] | tuple[Reservation, ...], now: float) -> str:
    """What runs as HTML, all text escaped; the longest at work first."""
    if not runs:
        return "<p>no PypeIt at work</p>"
    ordered = sorted(runs, key=lambda run: (run.since, run.name))
    return "".join(_run(run, now) for run in ordered)


def _run(run: Reservation, now: float) -> str:
    log = _log(Path(run.folder))
    facts = [f"{run.taken / memory.GB:.2f} GB of memory ({run.reserved / memory.GB:.2f} expected)"]
    if run.since:
        facts.append(f"at work for {live.duration(now - run.since)}")
    if made := _made(Path(run.folder), run.since):
        facts.append(f"{made} frame{'' if made == 1 else 's'} done")
    silent = now - log.stat().st_mtime if log else 0
    if silent > QUIET_SECONDS:
        facts.append(f"<b>▲ nothing new in its log for {live.duration(silent)}</b>")
    said = map(_line, pypeitlog.tail(log)) if log else ()
    # The frames that PypeIt draws about its tables say nothing
    lines = [line for line in said if any(map(str.isalnum, line))][-LINES:]
    return (
        f"<div style='{_RUN}'><div><b>{html.escape(run.name)}</b> · "
        f"{html.escape(phases.doing(log) if log else 'starting')}</div>"
        f"<div style='line-height: 1.4'><small>{' · '.join(facts)}</small></div>"
        f"<pre style='{_LOG}'>{html.escape(chr(10).join(lines))}</pre></div>"
    )


def _line(line: str) -> str:
    """What a line of a log says; when and where it was said is of no use here."""
    told = pypeitlog.parse([line]).entries
    if not told:
        return line.strip()
    return f"{'' if told[0].level == 'INFO' else f'{told[0].level}: '}{told[0].text.strip()}"


def _made(folder: Path, since: float) -> int:
    """How many frames have their spec2d from this run."""
    found = [path for top in ("", "*/") for path in folder.glob(f"{top}{SCIENCE}/spec2d_*.fits")]
    return sum(path.stat().st_mtime >= since for path in found)


def _log(folder: Path) -> Path | None:
    """The log that was written to last, in the folder or one below it."""
    found = [path for pattern in ("*.log", "*/*.log") for path in folder.glob(pattern)]
    logs = [path for path in found if not path.name.endswith(usefulwarnings.SUFFIX)]
    return max(logs, key=lambda path: path.stat().st_mtime_ns) if logs else None
