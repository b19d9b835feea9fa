"""The state of everything for the live home page, as JSON; computed once for all its readers."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core import clock, settings
from kpfnb.core.errors import KpfnbError
from kpfnb.core.settings import Settings
from kpfnb.home import last_night, queue_states
from kpfnb.home.calendar import CalendarReader
from kpfnb.home.run_states import RunReader, find_running, find_unresolved, is_own_run
from kpfnb.home.tasks import group_tasks, list_task_notebooks
from kpfnb.kpf.watch.overview import load_overview
from kpfnb.lab import home_values

FAILURE_DAYS = 7
REST = 10
"""A part rests this many times as long as it took: it never needs more than a tenth of a core."""

OTHER_PAGES = {
    "Runs": "runs/index.html",
    "Pipelines": "runs/pipelines.html",
    "Nights": "runs/nights/index.html",
    "Datasets": "runs/datasets/index.html",
    "Scorecard": "scorecard.html",
    "Time series": "timeseries/index.html",
    "Stars": "timeseries/stars/index.html",
}
"""Pages below the work directory; those that exist are linked."""


class StateAnswer(NamedTuple):
    """JSON and its version."""

    body: bytes
    etag: str


class StatePart:
    """One part of the state, computed again when it is asked for and has rested long enough."""

    def __init__(self, compute: Callable[[Settings], Any], rest_seconds: float) -> None:
        self._compute = compute
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._value: dict[str, Any] | None = None
        self._due = 0.0

    def get(self, now_needed: bool = False) -> dict[str, Any]:
        """The value, or the error; the last one while another thread computes a new one."""
        if not self._lock.acquire(blocking=self._value is None or now_needed):
            return self._value or {}
        try:
            if self._value is None or now_needed or time.monotonic() >= self._due:
                started = time.monotonic()
                self._value = self._compute_value()
                seconds = time.monotonic() - started
                self._due = time.monotonic() + max(self._rest_seconds, REST * seconds)
            return self._value
        finally:
            self._lock.release()

    def _compute_value(self) -> dict[str, Any]:
        try:
            return {"value": self._compute(settings.load_settings()), "error": ""}
        except (KpfnbError, OSError) as error:
            # One part that can't be read does not hide the others
            return {"value": None, "error": str(error)}


class HomeState:
    """The parts of the home page."""

    def __init__(self) -> None:
        self._runs = RunReader()
        self._calendar = CalendarReader()
        self.parts = {
            "data_root": StatePart(last_night.find_root_problem, 5),
            "night": StatePart(_read_night, 10),
            "runs": StatePart(self._read_runs, 0.5),
            "queues": StatePart(_read_queues, 2),
            "watchers": StatePart(_read_watchers, 2),
            "pages": StatePart(_read_pages, 10),
            "tasks": StatePart(_read_tasks, 60),
        }
        self.calendar = StatePart(self._read_calendar, 10)

    def read(self) -> StateAnswer:
        """Everything but the calendar."""
        return encode_state({name: part.get() for name, part in self.parts.items()})

    def read_calendar(self) -> StateAnswer:
        """The nights."""
        return encode_state(self.calendar.get())

    def forget(self, name: str) -> None:
        """Compute a part again, as something was done to it."""
        self.parts[name].get(now_needed=True)

    def _read_runs(self, site_settings: Settings) -> dict[str, Any]:
        since = clock.utc_now() - timedelta(days=FAILURE_DAYS)
        records = self._runs.read(site_settings.runs_dir, since)
        shown = [record for record in records if not is_own_run(record)]
        failed, zone = find_unresolved(shown), site_settings.zone
        return {
            "zone": zone.key,
            "days": FAILURE_DAYS,
            "running": [home_values.running_values(run, zone) for run in find_running(shown)],
            "failed": [
                home_values.failure_values(run, zone) for run in failed[: home_values.MAX_FAILURES]
            ],
            "failed_count": len(failed),
        }

    def _read_calendar(self, site_settings: Settings) -> list[dict[str, Any]]:
        return [home_values.calendar_values(night) for night in self._calendar.read(site_settings)]


@cache
def shared_state() -> HomeState:
    """The state of this server, for all its readers."""
    return HomeState()


def _read_night(site_settings: Settings) -> dict[str, Any] | None:
    if last_night.find_root_problem(site_settings):
        return None
    night = last_night.load_last_night(site_settings)
    return home_values.night_values(night, site_settings) if night else None


def _read_queues(site_settings: Settings) -> dict[str, Any]:
    return {
        "running": queue_states.is_server_running(),
        "queues": [
            home_values.queue_values(queue, site_settings.zone)
            for queue in queue_states.load_queues()
        ],
    }


def _read_watchers(site_settings: Settings) -> list[dict[str, Any]]:
    return [
        home_values.watcher_values(report, site_settings.zone)
        for report in load_overview().watchers
    ]


def _read_pages(site_settings: Settings) -> list[dict[str, str]]:
    work_dir = site_settings.work_dir
    pages = {text: work_dir / path for text, path in OTHER_PAGES.items()}
    pages["Quicklook"] = site_settings.qlp_path / "index.html"
    return [home_values.link(text, path) for text, path in pages.items() if Path(path).exists()]


def _read_tasks(_: Settings) -> list[dict[str, Any]]:
    return [
        {"group": group, "tasks": [home_values.task_values(task) for task in tasks]}
        for group, tasks in group_tasks(list_task_notebooks()).items()
    ]


def encode_state(values: Any) -> StateAnswer:
    """JSON values with their version."""
    body = json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    return StateAnswer(body, f'"{hashlib.sha256(body).hexdigest()[:24]}"')
