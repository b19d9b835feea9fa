"""The notebook and the report of a run in JupyterLab, as `kpfnb run` leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpfnb.core import atomic, logs
from kpfnb.notebook.history import INJECTED_MARK
from kpfnb.notebook.output_recording import RecordedCell, static_outputs
from kpfnb.notebook.runner import EXECUTED_NAME
from kpfnb.runs import RunRecord
from kpfnb.runs.report import write_report

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


def write_run_files(
    record: RunRecord,
    file: Path,
    cells: Mapping[str, RecordedCell],
    formatter: Any,
    head_outputs: Mapping[str, Any],
) -> None:
    """Write the executed notebook and the report into the run's directory.

    Parameters
    ----------
    file : the notebook in JupyterLab
    cells : what the kernel has executed
    formatter : IPython's display formatter
    head_outputs : the output of each cell of the head, by the beginning of its source
    """
    import nbformat

    notebook = build_notebook(record, file, cells, formatter, head_outputs)
    text = logs.redact_secrets(nbformat.writes(notebook))
    atomic.write_text(record.directory / EXECUTED_NAME, text + "\n")
    write_report(record, notebook)


def build_notebook(
    record: RunRecord,
    file: Path,
    cells: Mapping[str, RecordedCell],
    formatter: Any,
    head_outputs: Mapping[str, Any],
) -> Any:
    """The notebook with the outputs of this run; cells that it has not reached have none."""
    from nbformat.v4 import new_code_cell

    executed = [cell for cell in cells.values() if cell.run == record.id]
    notebook = _read_notebook(file)
    shown: list[Any] = []
    for cell in notebook.cells:
        shown.append(cell)
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        head = next((mark for mark in head_outputs if mark in cell.source), "")
        known = _find_executed(executed, cell)
        if head:
            cell.outputs = [head_outputs[head]]
        elif PARAMETERS_TAG in cell.metadata.get("tags", []) and record.parameters:
            injected = new_code_cell(_injected_source(record), metadata={"tags": [INJECTED_TAG]})
            shown.append(injected)
        elif known:
            executed.remove(known)
            _fill(cell, known, formatter)
    for known in executed:
        # A cell that was not in the file yet; those of the head were executed again
        if known.id and not any(mark in known.source for mark in head_outputs):
            shown.append(new_code_cell())
            _fill(shown[-1], known, formatter)
    notebook.cells = shown
    return notebook


def _fill(cell: Any, known: RecordedCell, formatter: Any) -> None:
    cell.source, cell.execution_count = known.source, known.count
    cell.outputs = static_outputs(known.outputs, formatter)


def _find_executed(executed: list[RecordedCell], cell: Any) -> RecordedCell | None:
    """What was executed of a cell: by its id, or its source if the file has another id."""
    ids = (known for known in executed if known.id and known.id == cell.get("id"))
    sources = (known for known in executed if known.source == cell.source)
    return next(ids, None) or next(sources, None)


def _injected_source(record: RunRecord) -> str:
    lines = [f"{name} = {value!r}" for name, value in record.parameters.items()]
    return "\n".join([INJECTED_MARK, *lines])


def _read_notebook(file: Path) -> Any:
    import nbformat
    from nbformat.v4 import new_notebook

    try:
        notebook = nbformat.read(file, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError):
        # It has been renamed, or is being written
        return new_notebook()
    notebook.metadata.pop("widgets", None)
    return notebook
