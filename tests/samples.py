"""Small notebooks, one for each way to end."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'n: "int[1, 9]" = 3  # how many\nlabel: "str" = "x"  # a text'
BEGIN = "import kpfnb\n\nrun = kpfnb.begin()"
RESULT = """
from kpfnb.core.result import Outcome

class Result:
    outcome = Outcome("{outcome}")
    reason = "{reason}"

    def key_figures(self):
        return {{"items": n}}

    def to_dict(self):
        return {{"label": label}}
"""
FINISH = "run.finish(Result())"


def finishing(outcome: str = "succeeded", reason: str = "all done") -> tuple[str, str]:
    """The cells that end a notebook with that outcome."""
    return RESULT.format(outcome=outcome, reason=reason), FINISH


def make(folder: Path, name: str, *work: str, parameters: str = PARAMETERS) -> Path:
    """A notebook with parameters, `begin()` and the cells of `work`."""
    declared = new_code_cell(parameters)
    declared.metadata["tags"] = ["parameters"]
    cells = [new_markdown_cell(f"# {name}"), declared, *map(new_code_cell, (BEGIN, *work))]
    # Fixed ids: the same notebook is the same file
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
