"""What the live home page shows of runs, nights, queues and watchers, as JSON values.

Texts are plain: the page shows them as text, never as HTML.
"""

from __future__ import annotations

import shlex
import socket
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kpfnb.core.clock import parse_utc
from kpfnb.core.settings import Settings
from kpfnb.home.calendar import CalendarNight
from kpfnb.home.last_night import LastNight
from kpfnb.home.queue_states import QueueState
from kpfnb.home.run_states import read_log_end, read_progress
from kpfnb.home.tasks import TaskNotebook
from kpfnb.kpf.progress.missing_groups import MissingGroup, group_missing
from kpfnb.kpf.quicklook.record_view import verdict_badge
from kpfnb.kpf.watch.overview import warnings_for
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.lab.run_commands import retry_arguments
from kpfnb.notebook import links
from kpfnb.queue.status import QueueProblem
from kpfnb.runs import RunRecord, formatting
from kpfnb.runs.actions import PageAction
from kpfnb.runs.formatting import FILE_LABELS

MAX_FAILURES = 20
MAX_MISSING = 100
"""Missing products that are listed; the notebook `progress` lists all."""
MAX_PARAMETERS_LENGTH = 300
TIME_FORMAT = "%Y-%m-%d %H:%M"


def link(text: str, path: Path) -> dict[str, str]:
    """A link to a page or file."""
    return {"text": text, "url": links.page_url(path)}


def action_link(action: PageAction | None) -> dict[str, str] | None:
    """A link that opens a notebook with its form filled in."""
    return {"text": action.label, "url": links.action_url(action)} if action else None


def night_values(night: LastNight, settings: Settings) -> dict[str, Any]:
    """The tile of the last night."""
    verdict, progress = night.verdict, night.progress
    groups = group_missing(progress.explained)
    pages = [link(page.stem, page) for page in (verdict.pages if verdict else ())]
    pages += [link("quicklook", night.quicklook)] if night.quicklook else []
    last_l0 = progress.nights[0].last_l0 if progress.nights else None
    return {
        "night": night.night,
        "observations": progress.observations,
        "last_l0": _format_time(last_l0, settings.zone) if last_l0 else "",
        "verdict": {
            "badge": verdict_badge(verdict.verdict),
            "line": verdict.line,
            "assessed": _format_time(verdict.assessed_at, settings.zone),
            "stale": verdict.stale,
        }
        if verdict
        else None,
        "levels": [
            {"level": level, "done": count.done, "expected": count.expected}
            for level, count in progress.totals.items()
        ],
        "missing_count": len(progress.missing),
        "missing": [_group_values(group) for group in groups],
        "remarks": list(progress.remarks),
        "pages": pages,
        "reprocess": action_link(night.reprocess_action),
        "progress": action_link(night.progress_action),
        "assess": {"night": night.night, "text": night.assess_action.label},
    }


def _group_values(group: MissingGroup) -> dict[str, Any]:
    products = group.products[:MAX_MISSING]
    return {
        "cause": f"{group.count}: {group.cause}",
        "action": action_link(group.action),
        "products": [
            {
                "obsid": product.obsid,
                "level": product.level,
                "sentence": product.sentence,
                "raw": product.raw,
                "url": links.observation_url(product.obsid),
                "log": links.page_url(product.log) if product.log else "",
                "excerpt": product.excerpt,
            }
            for product in products
        ],
        "more": len(group.products) - len(products),
    }


def calendar_values(night: CalendarNight) -> dict[str, Any]:
    """One night of the calendar; without a page it leads to its progress."""
    action = PageAction("", "progress", {"start": night.night})
    return {
        "night": night.night,
        "files": night.files,
        "badge": verdict_badge(night.verdict) if night.verdict else None,
        "url": links.page_url(night.page) if night.page else links.action_url(action),
    }


def running_values(record: RunRecord, zone: ZoneInfo) -> dict[str, Any]:
    """A run that is running, and how far it is."""
    progress = read_progress(record)
    here = record.host == socket.gethostname()
    return _run_values(record, zone) | {
        "progress": vars(progress) if progress else None,
        # Its process is the pipeline's: to stop it is to stop the pipeline
        "can_stop": here and not record.parent,
        "where": "" if here else f"on {record.host}",
    }


def failure_values(record: RunRecord, zone: ZoneInfo) -> dict[str, Any]:
    """A run that failed, and what a person needs to decide about it."""
    context = formatting.run_context(record, zone)
    return _run_values(record, zone) | {
        "badge": {"word": context["word"], "sign": context["sign"], "style": context["word"]},
        "reason": record.reason,
        "error": context["error"],
        "log_end": read_log_end(record),
        "command": shlex.join(["kpfnb", *retry_arguments(record)]),
    }


def _run_values(record: RunRecord, zone: ZoneInfo) -> dict[str, Any]:
    set_values = {
        name: value for name, value in record.parameters.items() if value not in ("", [], False)
    }
    text = ", ".join(f"{name}={formatting.format_value(v)}" for name, v in set_values.items())
    is_notebook = record.kind == "notebook"
    return {
        "id": record.id,
        "notebook": record.notebook,
        "kind": record.kind,
        "started": _format_time(parse_utc(record.started), zone),
        "started_at": record.started,
        "parameters": text[:MAX_PARAMETERS_LENGTH],
        "files": [
            link(label, record.directory / name)
            for name, label in FILE_LABELS.items()
            if (record.directory / name).exists()
        ],
        "open": action_link(PageAction("Open notebook filled in", record.notebook, set_values))
        if is_notebook
        else None,
    }


def queue_values(queue: QueueState, zone: ZoneInfo) -> dict[str, Any]:
    """The counts of a queue, and its items that failed or are set aside."""
    return {
        "name": queue.name,
        "draining": queue.is_draining,
        "counts": {str(state): count for state, count in queue.counts.items()},
        "problems": [_problem_values(problem, zone) for problem in queue.problems],
        "more": queue.problem_count - len(queue.problems),
        "open": action_link(PageAction("Open queue notebook", "queue", {"queue": queue.name})),
    }


def _problem_values(problem: QueueProblem, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "item": problem.item,
        "state": str(problem.state),
        "attempts": problem.attempts,
        "error": problem.error,
        "since": _format_time(problem.since, zone),
        "log_end": problem.log_end,
        "log": links.page_url(problem.log_path) if problem.log_path else "",
    }


def watcher_values(report: WatcherReport, zone: ZoneInfo) -> dict[str, Any]:
    """The state of a watcher, without what changes at every heartbeat."""
    return {
        "name": report.name,
        "state": str(report.life),
        "style": str(report.outcome) if report.life != "running" else "running",
        "since": _format_time(parse_utc(report.since), zone) if report.since else "",
        "done": report.done,
        "failed": report.failed,
        "waiting": report.waiting,
        "in_work": len(report.in_work),
        "given_up": report.given_up,
        "warnings": list(warnings_for(report)),
    }


def task_values(task: TaskNotebook) -> dict[str, str]:
    """The tile of a notebook."""
    return {"name": task.name, "title": task.title, "purpose": task.purpose}


def _format_time(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):{TIME_FORMAT}}" if moment else ""
