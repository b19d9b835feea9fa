"""Where all is found: what runs, what failed, queues, watchers, the last night, every task."""

from __future__ import annotations

import os
import socket
from collections import Counter
from datetime import UTC, datetime, timedelta

from kpfnb import runs, settings
from kpfnb.errors import KpfnbError
from kpfnb.home import tasks
from kpfnb.home.overview import Home, Judged, QueueCounts
from kpfnb.kpf import obsid, progress
from kpfnb.kpf.progress import Progress
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessing, pages
from kpfnb.runs import Record
from kpfnb.services import valkey
from kpfnb.watching import overview as watchers
from kpfnb.workqueue.queue import Queue, queues

OWN_NAME = "home"


def look(*, days: int = 7) -> Home:
    """How everything stands now.

    Nothing is started for it: the embedded queue server is asked only where it runs. What can't
    be told is a note.

    days : failures and counts of runs of so many days
    """
    here = settings.load()
    notes: list[str] = []
    since = datetime.now(UTC) - timedelta(days=days)
    listed = runs.listing(here.runs_dir, since=since)
    found = [one for one in listed if one.notebook != OWN_NAME and not _is_mine(one)]
    latest = {(one.notebook, str(one.parameters)): one for one in reversed(found)}
    night = _last_night(notes)
    return Home(
        days=days,
        zone=here.zone,
        counts=Counter((one.started[:10], str(one.outcome or "running")) for one in found),
        running=tuple(one for one in found if one.outcome is None),
        failed=tuple(
            one
            for one in found
            if one.outcome
            and not one.outcome.is_good
            and latest[one.notebook, str(one.parameters)] is one
        ),
        queues=_queues(notes),
        watchers=watchers.look(),
        night=night,
        verdict=_verdict(night),
        tasks=tasks.known(),
        notes=tuple(notes),
    )


def _verdict(night: Progress | None) -> Judged | None:
    """The kept verdict of the newest night: to judge it takes longer than a look."""
    if night is None or not night.nights:
        return None
    name = night.nights[0].night
    here = settings.load()
    kept = assessing.kept(here, name)
    if kept is None:
        return None
    there = [pages.place(here, name) / page for page in (pages.REPORT, pages.VERDICT)]
    return Judged(
        verdict=Verdict(kept["verdict"]),
        line=str(kept.get("line", "")),
        observations=int(kept.get("observations", 0)),
        pages=tuple(page for page in there if page.exists()),
    )


def _is_mine(one: Record) -> bool:
    """True for the run that looks; under papermill it has not its notebook's name."""
    return one.outcome is None and (one.host, one.pid) == (socket.gethostname(), os.getpid())


def _queues(notes: list[str]) -> tuple[QueueCounts, ...]:
    if settings.load().redis_url is None and not valkey.status().running:
        notes.append("queues: no queue server runs here; loading a queue starts it")
        return ()
    try:
        counted = []
        for name in queues():
            with Queue(name) as queue:
                counted.append(QueueCounts(name, queue.counts(), queue.is_draining))
        return tuple(counted)
    except KpfnbError as error:
        notes.append(f"queues: {error.what}")
        return ()


def _last_night(notes: list[str]) -> Progress | None:
    here = settings.load()
    try:
        nights = obsid.nights(here.kpf_root)
        return progress.assess(nights[-1]) if nights else None
    except KpfnbError as error:
        notes.append(f"last night: {error.what}")
        return None
