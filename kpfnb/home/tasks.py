"""The notebooks of the project: what each is for, and to which application it belongs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kpfnb.core import project
from kpfnb.notebook.runner import NOTEBOOKS_FOLDER

GROUPS = {
    "KPF": (
        *("tonight", "progress", "quicklook", "timeseries"),
        *("reprocess", "ingest", "watch"),
    ),
    "ADAP": ("prepare", "reduce", "scorecard", "coadd", "archive"),
    "System": ("queue", "home"),
}
"""The notebooks of each application, in the order in which they are shown."""
OTHER_GROUP = "Other"


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
    files = project.project_files(NOTEBOOKS_FOLDER, ".ipynb")
    return tuple(_read_task_notebook(name, file) for name, file in files.items())


def group_tasks(tasks: Iterable[TaskNotebook]) -> dict[str, list[TaskNotebook]]:
    """The notebooks by application; a project's own ones come last."""
    rest = {task.name: task for task in tasks}
    groups = {
        group: [rest.pop(name) for name in names if name in rest] for group, names in GROUPS.items()
    }
    groups[OTHER_GROUP] = list(rest.values())
    return {group: members for group, members in groups.items() if members}


def _read_task_notebook(name: str, file: Path) -> TaskNotebook:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "".join(cells[0]["source"]) if cells[0]["cell_type"] == "markdown" else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        text = ""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    headings = (block.lstrip("# ") for block in blocks if block.startswith("#"))
    paragraphs = (block for block in blocks if block and not block.startswith(("#", "-", "*", "<")))
    purpose = next(paragraphs, "").rstrip(":")
    return TaskNotebook(name, next(headings, name), re.sub(r"[*`]", "", purpose), file)
