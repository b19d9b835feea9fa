"""The home page: runs, failures, queues, watchers, the last night and every task at one glance.

The notebook `home` shows it once (`load_dashboard`); JupyterLab's server shows it live
(`kpfnb.lab.home_state`). Both read the state with the modules of this package.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from kpfnb.core import clock, settings
from kpfnb.core.errors import KpfnbError
from kpfnb.core.settings import Settings
from kpfnb.home import last_night, queue_states
from kpfnb.home.dashboard import Dashboard
from kpfnb.home.last_night import LastNight
from kpfnb.home.queue_states import QueueState
from kpfnb.home.run_states import RunReader, find_running, find_unresolved, is_own_run
from kpfnb.home.tasks import list_task_notebooks
from kpfnb.kpf.watch.overview import load_overview


def load_dashboard(*, days: int = 7) -> Dashboard:
    """The current state of everything.

    Nothing is started for it: the embedded queue server is asked only if it runs. Anything that
    can't be read becomes a note.

    days : period of the failures and of the counts of runs [days]
    """
    site_settings = settings.load_settings()
    notes: list[str] = []
    since = clock.utc_now() - timedelta(days=days)
    all_records = RunReader().read(site_settings.runs_dir, since)
    records = [record for record in all_records if not is_own_run(record)]
    root_problem = last_night.find_root_problem(site_settings)
    return Dashboard(
        days=days,
        zone=site_settings.zone,
        counts=Counter(
            (record.started[:10], str(record.outcome or "running")) for record in records
        ),
        running=tuple(find_running(records)),
        failed=tuple(find_unresolved(records)),
        queues=_load_queues(notes),
        watchers=load_overview(),
        night=None if root_problem else _load_night(site_settings, notes),
        tasks=list_task_notebooks(),
        root_problem=root_problem,
        notes=tuple(notes),
    )


def _load_queues(notes: list[str]) -> tuple[QueueState, ...]:
    try:
        if not queue_states.is_server_running():
            notes.append("queues: no queue server runs here; loading a queue starts it")
        return queue_states.load_queues()
    except KpfnbError as error:
        notes.append(f"queues: {error.what}")
        return ()


def _load_night(site_settings: Settings, notes: list[str]) -> LastNight | None:
    try:
        return last_night.load_last_night(site_settings)
    except KpfnbError as error:
        notes.append(f"last night: {error.what}")
        return None
