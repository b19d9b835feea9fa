"""The home page: runs, failures, queues, watchers, the last night and every task at one glance."""

from __future__ import annotations

import os
import socket
from collections import Counter
from datetime import timedelta

from kpfnb import runs
from kpfnb.compute.services import valkey
from kpfnb.core import clock, settings
from kpfnb.core.errors import KpfnbError
from kpfnb.home.dashboard import Dashboard, NightVerdictSummary, QueueCounts, list_task_notebooks
from kpfnb.kpf.files import obsid
from kpfnb.kpf.progress.result import ProgressResult, assess_progress
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.watch.overview import load_overview
from kpfnb.queue.client import Queue, list_queues
from kpfnb.runs import RunRecord

DASHBOARD_NOTEBOOK = "home"


def load_dashboard(*, days: int = 7) -> Dashboard:
    """The current state of everything.

    Nothing is started for it: the embedded queue server is asked only if it runs. Anything that
    can't be read becomes a note.

    days : period of the failures and of the counts of runs [days]
    """
    site_settings = settings.load_settings()
    notes: list[str] = []
    all_records = runs.list_runs(
        site_settings.runs_dir, since=clock.utc_now() - timedelta(days=days)
    )
    records = [
        record
        for record in all_records
        if record.notebook != DASHBOARD_NOTEBOOK and not _is_this_run(record)
    ]
    # Newest first: the last assignment wins, so the newest run of each key remains
    newest = {_run_key(record): record for record in reversed(records)}
    night = _assess_last_night(notes)
    return Dashboard(
        days=days,
        zone=site_settings.zone,
        counts=Counter(
            (record.started[:10], str(record.outcome or "running")) for record in records
        ),
        running=tuple(record for record in records if record.outcome is None),
        failed=tuple(
            record
            for record in records
            if record.outcome and not record.outcome.is_good and newest[_run_key(record)] is record
        ),
        queues=_count_queues(notes),
        watchers=load_overview(),
        night=night,
        verdict=_load_verdict(night),
        tasks=list_task_notebooks(),
        notes=tuple(notes),
    )


def _run_key(record: RunRecord) -> tuple[str, str]:
    """The same for runs of a notebook with the same parameters: a later run replaces a failure."""
    return record.notebook, str(record.parameters)


def _load_verdict(night: ProgressResult | None) -> NightVerdictSummary | None:
    """The saved verdict of the newest night: to assess it would take too long here."""
    if night is None or not night.nights:
        return None
    name = night.nights[0].night
    site_settings = settings.load_settings()
    stored_verdict = assessment.load_verdict(site_settings, name)
    if stored_verdict is None:
        return None
    directory = pages.page_dir(site_settings, name)
    files = [directory / page for page in (pages.REPORT_PAGE, pages.VERDICT_PAGE)]
    return NightVerdictSummary(
        verdict=Verdict(stored_verdict["verdict"]),
        line=str(stored_verdict.get("line", "")),
        observations=int(stored_verdict.get("observations", 0)),
        pages=tuple(file for file in files if file.exists()),
    )


def _is_this_run(record: RunRecord) -> bool:
    """True for the run that loads the page; under papermill it is not named after its notebook."""
    is_mine = (record.host, record.pid) == (socket.gethostname(), os.getpid())
    return record.outcome is None and is_mine


def _count_queues(notes: list[str]) -> tuple[QueueCounts, ...]:
    if settings.load_settings().redis_url is None and not valkey.server_status().running:
        notes.append("queues: no queue server runs here; loading a queue starts it")
        return ()
    try:
        counts = []
        for name in list_queues():
            with Queue(name) as queue:
                counts.append(QueueCounts(name, queue.counts(), queue.is_draining))
        return tuple(counts)
    except KpfnbError as error:
        notes.append(f"queues: {error.what}")
        return ()


def _assess_last_night(notes: list[str]) -> ProgressResult | None:
    try:
        nights = obsid.list_nights(settings.load_settings().kpf_root)
        return assess_progress(nights[-1]) if nights else None
    except KpfnbError as error:
        notes.append(f"last night: {error.what}")
        return None
