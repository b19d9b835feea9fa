"""How everything stands, as a result that shows itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb.core import project
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.result import VERDICT_SIGNS
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display.html import file_link
from kpfnb.notebook.runner import NOTEBOOKS_FOLDER
from kpfnb.queue.records import QueueItemStatus
from kpfnb.runs import RunRecord, formatting

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


# The tasks that there are: every notebook, with its title and what it is for.


@dataclass(frozen=True)
class TaskNotebook:
    """One notebook.

    title : its heading
    purpose : the first paragraph below it
    """

    name: str
    title: str
    purpose: str
    file: Path


def list_task_notebooks() -> tuple[TaskNotebook, ...]:
    """The notebooks of the project, by name; one that can't be read is told by its name alone."""
    return tuple(
        _read_task_notebook(name, file)
        for name, file in project.project_files(NOTEBOOKS_FOLDER, ".ipynb").items()
    )


def _read_task_notebook(name: str, file: Path) -> TaskNotebook:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "".join(cells[0]["source"]) if cells[0]["cell_type"] == "markdown" else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        text = ""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    title = next((one.lstrip("# ") for one in blocks if one.startswith("#")), name)
    purpose = next((one for one in blocks if one and not one.startswith(("#", "-", "*"))), "")
    return TaskNotebook(name, title, re.sub(r"[*`]", "", purpose.rstrip(":")), file)


MAX_RUNS_SHOWN = 20
VERDICT_NOTEBOOK = "tonight"
"""The notebook that judges a night."""


@dataclass(frozen=True)
class QueueCounts:
    """How many items of a queue are in which state."""

    name: str
    counts: dict[QueueItemStatus, int]
    is_draining: bool


@dataclass(frozen=True)
class NightVerdictSummary:
    """The verdict of a night as it was made last.

    Attributes
    ----------
    observations : how many there were then
    pages : the night's report and its verdict, those that there are
    """

    verdict: Verdict
    line: str
    observations: int
    pages: tuple[Path, ...] = ()


@dataclass(frozen=True, repr=False)
class Dashboard(OneLineRepr):
    """The state of everything at one moment: a `kpfnb.core.result.Result`. To look always succeeds.

    Attributes
    ----------
    counts : runs by day (UTC) and outcome, over so many `days`
    failed : those whose like (the same notebook and parameters) has not run better since
    night : the progress of the newest night; None where there is none
    verdict : of that night; None where it was not judged yet
    notes : what could not be told
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
        """One line."""
        parked = sum(queue.counts[QueueItemStatus.PARKED] for queue in self.queues)
        told = [
            f"{len(self.running)} running",
            f"{len(self.failed)} still failing ({self.days} days)",
        ]
        if parked:
            told.append(f"{parked} parked in queues")
        if self.night and self.night.nights:
            word = f" {self.verdict.verdict}" if self.verdict else ""
            told.append(f"last night: {self.night.nights[0].night}{word}, {self.night.reason}")
        return "; ".join(told)

    def key_figures(self) -> dict[str, int | float | str]:
        """How many of each."""
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
            "running": [one.id for one in self.running],
            "failed": [{"run": one.id, "reason": one.reason} for one in self.failed],
            "queues": {
                one.name: {str(state): n for state, n in one.counts.items()} for one in self.queues
            },
            "watchers": self.watchers.to_dict(),
            "night": self.night.to_dict() if self.night else None,
            "verdict": str(self.verdict.verdict) if self.verdict else None,
            "tasks": [one.name for one in self.tasks],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a task: name, title, purpose."""
        import pandas as pd

        rows = [(one.name, one.title, one.purpose) for one in self.tasks]
        return pd.DataFrame(rows, columns=["task", "title", "purpose"])

    def plot(self) -> Figure:
        """Runs by day and outcome."""
        from kpfnb.home import plots

        return plots.draw_runs(self.counts, self.days, datetime.now(UTC).date())

    def hover_plot(self) -> HoverFigure:
        """The plot, and which runs are at the mouse."""
        from kpfnb.home import plots

        return plots.hover_plot(self, datetime.now(UTC).date())

    def __str__(self) -> str:
        lines = [self.reason, *(f"* {note}" for note in self.notes)]
        return "\n".join([*lines, *(f"{one.name}: {one.purpose}" for one in self.tasks)])

    def _repr_html_(self) -> str:
        sections = "".join(
            f"<h3>{escape(title)}</h3>{page}" for title, page in self._sections() if page
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        head = f"<p><strong>{escape(self.reason)}</strong></p>"
        return f"{head}{sections}{f'<ul>{notes}</ul>' if notes else ''}"

    def _sections(self) -> Iterator[tuple[str, str]]:
        yield "What runs", _runs_html(self.running, self.zone) or "<p>Nothing runs.</p>"
        yield (
            f"What failed in {self.days} days, and has not run better since",
            _runs_html(self.failed, self.zone) or "<p>Nothing.</p>",
        )
        yield "Last night", self._night_html()
        yield "Queues", _queues_html(self.queues)
        yield "Watchers", self.watchers._repr_html_()
        yield (
            "Tasks",
            _cells_table_html(["task", "what it is for"], [_task_row(one) for one in self.tasks]),
        )

    def _night_html(self) -> str:
        if self.night is None or not self.night.nights:
            return "<p>There is no night in the data root.</p>"
        return f"{self._verdict_html(self.night.nights[0].night)}{self.night._repr_html_()}"

    def _verdict_html(self, night: str) -> str:
        """The verdict of the night, and the way to its pages and to the notebook that judges."""
        found = self.verdict
        told = (
            f"{VERDICT_SIGNS[found.verdict]} {found.line}" if found else f"{night}: not judged yet"
        )
        if found and self.night and found.observations != self.night.observations:
            told += f"; {self.night.observations} observations now"
        words = "judge it again" if found else "judge it"
        links = [file_link(page, page.stem) for page in (found.pages if found else ())]
        links += [file_link(one.file, words) for one in self.tasks if one.name == VERDICT_NOTEBOOK]
        return f"<p><strong>{escape(told)}</strong></p><p>{' · '.join(links)}</p>"


def _task_row(one: TaskNotebook) -> list[str]:
    return [file_link(one.file, one.title), escape(one.purpose)]


def _queues_html(queues: Sequence[QueueCounts]) -> str:
    if not queues:
        return ""
    rows = [
        [
            escape(one.name) + (" (draining)" if one.is_draining else ""),
            *(str(one.counts[state]) for state in QueueItemStatus),
        ]
        for one in queues
    ]
    return _cells_table_html(["queue", *map(str, QueueItemStatus)], rows)


def _runs_html(records: Sequence[RunRecord], zone: ZoneInfo) -> str:
    if not records:
        return ""
    rows = []
    for one in records[:MAX_RUNS_SHOWN]:
        seen = formatting.run_context(one, zone)
        places = [one.directory / name for name in formatting.FILE_LABELS]
        links = [
            file_link(place, formatting.FILE_LABELS[place.name])
            for place in places
            if place.exists()
        ]
        rows.append(
            [
                escape(f"{seen['sign']} {seen['word']}"),
                escape(one.notebook),
                escape(seen["started_short"]),
                escape(one.reason),
                " · ".join(links),
            ]
        )
    more = len(records) - MAX_RUNS_SHOWN
    table = _cells_table_html(["outcome", "task", "started", "reason", "files"], rows)
    return table + (f"<p>and {more} more: see kpfnb runs</p>" if more > 0 else "")


def _cells_table_html(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th scope='col' style='text-align: left'>{one}</th>" for one in titles)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align: left'>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
