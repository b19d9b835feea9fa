"""Where all is found: what runs, what failed, queues, watchers, the last night, every task."""

from __future__ import annotations

import os
import socket
from collections import Counter
from datetime import UTC, datetime, timedelta

from kpfnb import runs
from kpfnb.compute.services import valkey
from kpfnb.core import settings
from kpfnb.core.errors import KpfnbError
from kpfnb.home import dashboard
from kpfnb.home.dashboard import Dashboard, NightVerdictSummary, QueueCounts
from kpfnb.kpf.files import obsid
from kpfnb.kpf.progress import result
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.watch import overview
from kpfnb.queue.client import Queue, list_queues
from kpfnb.runs import RunRecord

DASHBOARD_NOTEBOOK = "home"


def load_dashboard(*, days: int = 7) -> Dashboard:
    """How everything stands now.

    Nothing is started for it: the embedded queue server is asked only where it runs. What can't
    be told is a note.

    days : failures and counts of runs of so many days
    """
    here = settings.load_settings()
    notes: list[str] = []
    since = datetime.now(UTC) - timedelta(days=days)
    listed = runs.list_runs(here.runs_dir, since=since)
    found = [one for one in listed if one.notebook != DASHBOARD_NOTEBOOK and not _is_this_run(one)]
    latest = {(one.notebook, str(one.parameters)): one for one in reversed(found)}
    night = _assess_last_night(notes)
    return Dashboard(
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
        queues=_count_queues(notes),
        watchers=overview.load_overview(),
        night=night,
        verdict=_load_verdict(night),
        tasks=dashboard.list_task_notebooks(),
        notes=tuple(notes),
    )


def _load_verdict(night: ProgressResult | None) -> NightVerdictSummary | None:
    """The kept verdict of the newest night: to judge it takes longer than a look."""
    if night is None or not night.nights:
        return None
    name = night.nights[0].night
    here = settings.load_settings()
    kept = assessment.load_verdict(here, name)
    if kept is None:
        return None
    there = [pages.page_dir(here, name) / page for page in (pages.REPORT_PAGE, pages.VERDICT_PAGE)]
    return NightVerdictSummary(
        verdict=Verdict(kept["verdict"]),
        line=str(kept.get("line", "")),
        observations=int(kept.get("observations", 0)),
        pages=tuple(page for page in there if page.exists()),
    )


def _is_this_run(one: RunRecord) -> bool:
    """True for the run that looks; under papermill it has not its notebook's name."""
    return one.outcome is None and (one.host, one.pid) == (socket.gethostname(), os.getpid())


def _count_queues(notes: list[str]) -> tuple[QueueCounts, ...]:
    if settings.load_settings().redis_url is None and not valkey.server_status().running:
        notes.append("queues: no queue server runs here; loading a queue starts it")
        return ()
    try:
        counted = []
        for name in list_queues():
            with Queue(name) as queue:
                counted.append(QueueCounts(name, queue.counts(), queue.is_draining))
        return tuple(counted)
    except KpfnbError as error:
        notes.append(f"queues: {error.what}")
        return ()


def _assess_last_night(notes: list[str]) -> ProgressResult | None:
    here = settings.load_settings()
    try:
        nights = obsid.list_nights(here.kpf_root)
        return result.assess_progress(nights[-1]) if nights else None
    except KpfnbError as error:
        notes.append(f"last night: {error.what}")
        return None
