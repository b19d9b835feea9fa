"""The state of everything at one moment, as a result that renders itself as text and HTML."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count, html_table
from kpfnb.home.last_night import LastNight
from kpfnb.home.queue_states import QueueState
from kpfnb.home.tasks import TaskNotebook, group_tasks
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook import links
from kpfnb.notebook.display.html import file_link
from kpfnb.queue.records import QueueItemStatus
from kpfnb.runs import RunRecord, formatting
from kpfnb.runs.actions import PageAction

if TYPE_CHECKING:
    import pandas as pd

MAX_RUNS_SHOWN = 20


@dataclass(frozen=True, repr=False)
class Dashboard(OneLineRepr):
    """The state of everything at one moment: a `kpfnb.core.result.Result` that always succeeds.

    Attributes
    ----------
    counts : number of runs by day (UTC) and outcome, over the last `days`
    failed : failures after which no run with the same parameters has succeeded
    night : the newest night with raw files; None if there is none
    root_problem : why the data root can't be read; '' if it can
    notes : what else could not be read
    """

    days: int
    zone: ZoneInfo
    counts: Counter[tuple[str, str]]
    running: tuple[RunRecord, ...]
    failed: tuple[RunRecord, ...]
    queues: tuple[QueueState, ...]
    watchers: WatcherOverview
    night: LastNight | None
    tasks: tuple[TaskNotebook, ...]
    root_problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Succeeded."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """The night and the counts in one line; what is wrong with the data root comes first."""
        failures = format_count(len(self.failed), "unresolved failure")
        parts = [" ".join(self.root_problem.split())] if self.root_problem else []
        if self.night:
            parts.append(f"last night: {self.night.heading}, {self.night.progress.reason}")
        parts += [f"{len(self.running)} running", f"{failures} in the last {self.days} days"]
        parked = sum(queue.counts[QueueItemStatus.PARKED] for queue in self.queues)
        if parked:
            parts.append(f"{format_count(parked, 'item')} set aside in queues")
        return "; ".join(parts)

    def key_figures(self) -> dict[str, int | float | str]:
        """The number of running and failed runs, queues, watchers and tasks."""
        return {
            "running": len(self.running),
            "failed": len(self.failed),
            "queues": len(self.queues),
            "watchers": len(self.watchers.watchers),
            "tasks": len(self.tasks),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values, by section."""
        verdict = self.night.verdict if self.night else None
        return {
            "data_root": self.root_problem,
            "night": self.night.progress.to_dict() if self.night else None,
            "verdict": str(verdict.verdict) if verdict else None,
            "verdict_stale": verdict.stale if verdict else "",
            "running": [record.id for record in self.running],
            "failed": [{"run": record.id, "reason": record.reason} for record in self.failed],
            "queues": {
                queue.name: {str(state): count for state, count in queue.counts.items()}
                for queue in self.queues
            },
            "watchers": self.watchers.to_dict(),
            "tasks": [task.name for task in self.tasks],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a task: name, title, purpose."""
        import pandas as pd

        rows = [(task.name, task.title, task.purpose) for task in self.tasks]
        return pd.DataFrame(rows, columns=["task", "title", "purpose"])

    def __str__(self) -> str:
        lines = [self.reason, *(f"* {note}" for note in self.notes)]
        return "\n".join([*lines, *(f"{task.name}: {task.purpose}" for task in self.tasks)])

    def _repr_html_(self) -> str:
        sections = "".join(
            f"<h3>{escape(title)}</h3>{page}" for title, page in self._sections() if page
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        head = f"<p><strong>{escape(self.reason)}</strong></p>"
        return f"{_live_page_html()}{head}{sections}{f'<ul>{notes}</ul>' if notes else ''}"

    def _sections(self) -> Iterator[tuple[str, str]]:
        yield "Data root", f"<pre>{escape(self.root_problem)}</pre>" if self.root_problem else ""
        yield "Last night", self._night_html()
        yield "Running now", _runs_html(self.running, self.zone) or "<p>Nothing is running.</p>"
        yield (
            f"Unresolved failures (last {self.days} days)",
            _runs_html(self.failed, self.zone) or "<p>None.</p>",
        )
        yield "Queues", _queues_html(self.queues)
        yield "Watchers", self.watchers._repr_html_()
        for group, tasks in group_tasks(self.tasks).items():
            yield f"Tasks: {group}", _tasks_html(tasks)

    def _night_html(self) -> str:
        if self.root_problem:
            return ""
        if self.night is None:
            return "<p>There is no night in the data root.</p>"
        return f"{_verdict_html(self.night)}{self.night.progress._repr_html_()}"


def _live_page_html() -> Markup | str:
    """The link to the page that follows changes by itself, where JupyterLab's server has it."""
    url = os.environ.get(links.LAB_URL_VARIABLE, "")
    if not url:
        return ""
    text = "Live home page: follows changes, stops and repeats runs"
    return Markup("<p>{}</p>").format(links.link_html(url, text))


def _verdict_html(night: LastNight) -> Markup:
    """The verdict of the night, whether it is stale, its pages, and what can be done."""
    verdict = night.verdict
    text = verdict.text if verdict else f"{night.night}: no verdict yet"
    parts: list[Markup | str] = [
        file_link(page, page.stem) for page in (verdict.pages if verdict else ())
    ]
    parts += [file_link(night.quicklook, "quicklook")] if night.quicklook else []
    actions = [night.reprocess_action, night.assess_action, night.progress_action]
    parts += [links.action_html(action) for action in actions if action]
    return Markup("<p><strong>{}</strong></p><p>{}</p>").format(text, Markup(" · ").join(parts))


def _tasks_html(tasks: Sequence[TaskNotebook]) -> Markup:
    rows = [(_task_link(task), task.purpose) for task in tasks]
    return html_table(["task", "purpose"], rows)


def _task_link(task: TaskNotebook) -> Markup:
    """The link that opens the working copy of a notebook; only its title outside of JupyterLab."""
    return links.link_html(links.action_url(PageAction("", task.name)), task.title)


def _queues_html(queues: Sequence[QueueState]) -> str:
    if not queues:
        return ""
    rows = [
        (
            queue.name + (" (draining)" if queue.is_draining else ""),
            *(queue.counts[state] for state in QueueItemStatus),
        )
        for queue in queues
    ]
    return html_table(["queue", *QueueItemStatus], rows)


def _runs_html(records: Sequence[RunRecord], zone: ZoneInfo) -> str:
    if not records:
        return ""
    rows = []
    for record in records[:MAX_RUNS_SHOWN]:
        context = formatting.run_context(record, zone)
        files = [
            file_link(record.directory / name, label)
            for name, label in formatting.FILE_LABELS.items()
            if (record.directory / name).exists()
        ]
        rows.append(
            (
                f"{context['sign']} {context['word']}",
                record.notebook,
                context["started_short"],
                record.reason,
                Markup(" · ").join(files),
            )
        )
    hidden = len(records) - MAX_RUNS_SHOWN
    table = html_table(["outcome", "task", f"started ({zone})", "reason", "files"], rows)
    more = Markup("<p>and {} more: see kpfnb runs</p>").format(hidden)
    return table + more if hidden > 0 else table
