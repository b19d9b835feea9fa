"""The tasks that there are: every notebook, with its title and what it is for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kpfnb import project
from kpfnb.notebooks import FOLDER


@dataclass(frozen=True)
class Task:
    """One notebook.

    title : its heading
    purpose : the first paragraph below it
    """

    name: str
    title: str
    purpose: str
    file: Path


def known() -> tuple[Task, ...]:
    """The notebooks of the project, by name; one that can't be read is told by its name alone."""
    return tuple(_task(name, file) for name, file in project.files(FOLDER, ".ipynb").items())


def _task(name: str, file: Path) -> Task:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "".join(cells[0]["source"]) if cells[0]["cell_type"] == "markdown" else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        text = ""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    title = next((one.lstrip("# ") for one in blocks if one.startswith("#")), name)
    purpose = next((one for one in blocks if one and not one.startswith(("#", "-", "*"))), "")
    return Task(name, title, re.sub(r"[*`]", "", purpose.rstrip(":")), file)
