"""The state of everything at one moment, as a result that renders itself as text and HTML."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from kpfnb.core import settings
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count, html_table
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display.html import file_link
from kpfnb.notebook.runner import NOTEBOOKS_FOLDER
from kpfnb.queue.records import QueueItemStatus
from kpfnb.runs import RunRecord, formatting

if TYPE_CHECKING:
    import pandas as pd

MAX_RUNS_SHOWN = 20
VERDICT_NOTEBOOK = "tonight"
"""The notebook that assesses a night."""


@dataclass(frozen=True)
class TaskNotebook:
    """A notebook of the project.

    Attributes
    ----------
    title : its heading
    purpose : the first paragraph below the heading
    """

    name: str
    title: str
    purpose: str
    file: Path


def list_task_notebooks() -> tuple[TaskNotebook, ...]:
    """The notebooks of the project, by name; an unreadable one has only its name as title."""
    files = settings.project_files(NOTEBOOKS_FOLDER, ".ipynb")
    return tuple(_read_task_notebook(name, file) for name, file in files.items())


def _read_task_notebook(name: str, file: Path) -> TaskNotebook:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "".join(cells[0]["source"]) if cells[0]["cell_type"] == "markdown" else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        text = ""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    headings = (block.lstrip("# ") for block in blocks if block.startswith("#"))
    paragraphs = (block for block in blocks if block and not block.startswith(("#", "-", "*")))
    purpose = next(paragraphs, "").rstrip(":")
    return TaskNotebook(name, next(headings, name), re.sub(r"[*`]", "", purpose), file)


@dataclass(frozen=True)
class QueueCounts:
    """How many items of a queue are in each state."""

    name: str
    counts: dict[QueueItemStatus, int]
    is_draining: bool


@dataclass(frozen=True)
class NightVerdictSummary:
    """The last saved verdict of a night.

    Attributes
    ----------
    observations : how many there were at that time
    pages : the night's report and verdict, as far as they exist
    """

    verdict: Verdict
    line: str
    observations: int
    pages: tuple[Path, ...] = ()


@dataclass(frozen=True, repr=False)
class Dashboard(OneLineRepr):
    """The state of everything at one moment: a `kpfnb.core.result.Result` that always succeeds.

    Attributes
    ----------
    counts : number of runs by day (UTC) and outcome, over the last `days`
    failed : failed runs that are the latest of their notebook and parameters
    night : the progress of the newest night; None if there is no night
    verdict : of that night; None if it was not assessed
    notes : what could not be read
    """

    days: int
    zone: ZoneInfo
    counts: Counter[tuple[str, str]]
    running: tuple[RunRecord, ...]
    failed: tuple[RunRecord, ...]
    queues: tuple[QueueCounts, ...]
    watchers: WatcherOverview
    night: ProgressResult | None
    verdict: NightVerdictSummary | None
    tasks: tuple[TaskNotebook, ...]
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Succeeded."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """The counts in one line."""
        failures = format_count(len(self.failed), "unresolved failure")
        parts = [f"{len(self.running)} running", f"{failures} in the last {self.days} days"]
        parked = sum(queue.counts[QueueItemStatus.PARKED] for queue in self.queues)
        if parked:
            parts.append(f"{format_count(parked, 'item')} set aside in queues")
        if self.night and self.night.nights:
            verdict = f" {self.verdict.verdict}" if self.verdict else ""
            night = f"{self.night.nights[0].night}{verdict}"
            parts.append(f"last night: {night}, {self.night.reason}")
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
        return {
            "running": [record.id for record in self.running],
            "failed": [{"run": record.id, "reason": record.reason} for record in self.failed],
            "queues": {
                queue.name: {str(state): count for state, count in queue.counts.items()}
                for queue in self.queues
            },
            "watchers": self.watchers.to_dict(),
            "night": self.night.to_dict() if self.night else None,
            "verdict": str(self.verdict.verdict) if self.verdict else None,
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
        return f"{head}{sections}{f'<ul>{notes}</ul>' if notes else ''}"

    def _sections(self) -> Iterator[tuple[str, str]]:
        yield "Running now", _runs_html(self.running, self.zone) or "<p>Nothing is running.</p>"
        yield (
            f"Unresolved failures (last {self.days} days)",
            _runs_html(self.failed, self.zone) or "<p>None.</p>",
        )
        yield "Last night", self._night_html()
        yield "Queues", _queues_html(self.queues)
        yield "Watchers", self.watchers._repr_html_()
        rows = [(file_link(task.file, task.title), task.purpose) for task in self.tasks]
        yield "Tasks", html_table(["task", "purpose"], rows)

    def _night_html(self) -> str:
        if self.night is None or not self.night.nights:
            return "<p>There is no night in the data root.</p>"
        return f"{self._verdict_html(self.night.nights[0].night)}{self.night._repr_html_()}"

    def _verdict_html(self, night: str) -> str:
        """The verdict of the night, with links to its pages and to the notebook that assesses."""
        verdict = self.verdict
        text = f"{night}: no verdict yet"
        if verdict:
            text = f"{verdict.verdict.sign} {verdict.line}"
            if self.night and verdict.observations != self.night.observations:
                text += f"; {self.night.observations} observations now"
        links = [file_link(page, page.stem) for page in (verdict.pages if verdict else ())]
        action = "re-run the verdict" if verdict else "run the verdict"
        links += [
            file_link(task.file, action) for task in self.tasks if task.name == VERDICT_NOTEBOOK
        ]
        return f"<p><strong>{escape(text)}</strong></p><p>{' · '.join(links)}</p>"


def _queues_html(queues: Sequence[QueueCounts]) -> str:
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
        links = [
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
                Markup(" · ").join(links),
            )
        )
    hidden = len(records) - MAX_RUNS_SHOWN
    table = html_table(["outcome", "task", "started", "reason", "files"], rows)
    more = Markup("<p>and {} more: see kpfnb runs</p>").format(hidden)
    return table + more if hidden > 0 else table
