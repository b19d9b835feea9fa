"""Runs one notebook: checks its parameters before any work, and records how the run ended."""

from __future__ import annotations

import ast
import difflib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import atomic, clock, project, signals
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.notebook.parameters import (
    Parameter,
    parse_declarations,
    resolve_parameters,
    validate_parameters,
)
from kpfnb.runs import RunRecord, finish_run, start_heartbeat, start_run
from kpfnb.runs.classification import CellError, RunEndFacts

if TYPE_CHECKING:
    from kpfnb.notebook.kernels.execution import KernelKind, NotebookExecution

EXECUTED_NAME = "notebook.ipynb"
NOTEBOOKS_FOLDER = "notebooks"
KERNEL_VARIABLE = "KPFNB_KERNEL"
STOPPED_BY_OPERATOR = "stopped by the operator"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill` and a closed terminal stop the notebook instead of this process."""

_NOT_A_NOTEBOOK_ERRORS = (ValueError, TypeError, AttributeError, KeyError)
"""What nbformat raises, besides its own errors, on JSON that is not a notebook."""

_running_executions: set[NotebookExecution] = set()


def run_notebook(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
    timeout_seconds: float | None = None,
    parent: str = "",
    echo: Callable[[str], None] | None = None,
) -> RunRecord:
    """Run a notebook by name or path, and return the record of how it ended.

    parameters : values by name; the others have the notebook's defaults
    dry_run : a notebook with a parameter `dry_run` runs with it set; any other is only checked,
        and no record is written
    parent : the id of the pipeline run to which this run belongs
    echo : called with one line of progress for each cell

    Invalid parameters and a notebook that can't be read also give a record: rejected.

    Raises
    ------
    InvalidInputError : there is no such notebook
    InvalidSettingsError : the run can't be written
    """
    path, given = find_notebook(name), dict(parameters or {})
    try:
        declared = inspect_notebook(path)
        if dry_run and "dry_run" in [parameter.name for parameter in declared]:
            given["dry_run"] = True
        checked = validate_parameters(declared, given)
        values = resolve_parameters(declared, checked)
    except KpfnbError as error:
        command = _run_command(name, given)
        rejected = start_run(path.stem, parameters=given, parent=parent, command=command)
        facts = RunEndFacts(error=CellError(0, type(error).__name__, str(error)))
        return _finish_run(rejected, facts)
    if dry_run and "dry_run" not in values:
        return _dry_run_record(path, values)
    # The night that `last` means now is given, too: the kernel starts later
    injected = {key: values[key] for key in values if key in given or values[key] != checked[key]}
    command = _run_command(name, injected)
    record = start_run(path.stem, parameters=values, parent=parent, command=command)
    return _execute_notebook(record, path, injected, timeout_seconds, echo)


def stop_all_notebooks(reason: str = STOPPED_BY_OPERATOR) -> None:
    """Stop all notebooks that this process runs; a second call kills them."""
    for execution in list(_running_executions):
        execution.stop(reason)


def find_notebook(name: str) -> Path:
    """The file of a notebook, by name or path; `InvalidInputError` suggests the nearest name."""
    if name.endswith(".ipynb") or os.sep in name:
        if Path(name).is_file():
            return Path(name).absolute()
        raise InvalidInputError(
            f"no notebook {name}", "give the name of a notebook or the path of a file"
        )
    notebooks = project.project_files(NOTEBOOKS_FOLDER, ".ipynb")
    if name in notebooks:
        return notebooks[name]
    near = difflib.get_close_matches(name, notebooks, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    searched = ", ".join(map(str, project.project_dirs(NOTEBOOKS_FOLDER)))
    names = ", ".join(notebooks) or f"none in {searched}"
    raise InvalidInputError(f"no notebook {name!r}", f"{hint}the notebooks are: {names}")


def check_notebook_parameters(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameter values of a notebook, checked and converted; the syntax of its code, too.

    Raises
    ------
    InvalidParameterError : a value is invalid
    InvalidInputError : the notebook is damaged or has a syntax error
    """
    return validate_parameters(inspect_notebook(path), given)


def inspect_notebook(path: Path) -> list[Parameter]:
    """The parameters that a notebook declares; `InvalidInputError` if its code has an error."""
    parameters: list[Parameter] = []
    code_cells = [cell for cell in _read_notebook(path).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells, 1):
        _check_syntax(cell.source, f"{path.name}, code cell {number}")
        if "parameters" in cell.metadata.get("tags", []):
            parameters = parse_declarations(cell.source)
    return parameters


def _execute_notebook(
    record: RunRecord,
    path: Path,
    injected: Mapping[str, Any],
    timeout_seconds: float | None,
    echo: Callable[[str], None] | None,
) -> RunRecord:
    kind = choose_kernel_kind()
    if kind == "fork":
        from kpfnb.notebook.kernels import fork_server

        # It loads its libraries while this process loads papermill
        fork_server.get_server()
    from kpfnb.notebook.kernels.execution import NotebookExecution
    from kpfnb.runs import site

    def report_cell(number: int, count: int) -> None:
        if echo:
            echo(f"cell {number} of {count}")

    execution = NotebookExecution(record, path, injected, kernel=kind, on_cell=report_cell)
    site.update_site(record)
    heartbeat_stop = start_heartbeat(record)
    _running_executions.add(execution)
    try:
        with signals.handle_signals(lambda *_: execution.stop(STOPPED_BY_OPERATOR), *STOP_SIGNALS):
            facts = execution.run(timeout_seconds=timeout_seconds)
    finally:
        _running_executions.discard(execution)
        heartbeat_stop.set()
    return _finish_run(record, facts, execution.notebook)


def _finish_run(record: RunRecord, facts: RunEndFacts, notebook: Any = None) -> RunRecord:
    """Record the end of the run, then write its report and update the site.

    The end is recorded even if the disk is full or the settings have become invalid since.
    """
    from kpfnb.runs import report, site
    from kpfnb.runs.notification import notify_of_end

    try:
        if notebook:
            _save_executed_notebook(record, notebook)
        record = finish_run(record, facts)
        if notebook:
            report.write_report(record, notebook)
        site.update_site(record)
    except (OSError, InvalidSettingsError) as error:
        record = _finish_on_full_disk(record, facts, f"can't write in {record.directory}: {error}")
    notify_of_end(record)
    return record


def _finish_on_full_disk(record: RunRecord, facts: RunEndFacts, problem: str) -> RunRecord:
    from kpfnb.notebook.kernels.execution import PARTIAL_NAME

    # Deleting the partial notebook frees the space that the record needs
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)
    try:
        problem = facts.environment_error or problem
        return finish_run(record, replace(facts, environment_error=problem))
    except OSError:
        raise InvalidSettingsError(
            f"{problem}; the end of the run can't be recorded either", "free space on its disk"
        ) from None


def _save_executed_notebook(record: RunRecord, notebook: Any) -> None:
    import nbformat

    from kpfnb.core import logs
    from kpfnb.notebook.kernels.execution import PARTIAL_NAME

    text = logs.redact_secrets(nbformat.writes(notebook))
    atomic.write_text(record.directory / EXECUTED_NAME, text + "\n")
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)


def choose_kernel_kind() -> KernelKind:
    """`fork` on Linux, unless KPFNB_KERNEL is `plain`."""
    kind = os.environ.get(KERNEL_VARIABLE) or ("fork" if sys.platform == "linux" else "plain")
    if kind not in ("fork", "plain"):
        raise InvalidSettingsError(f"{KERNEL_VARIABLE} is {kind!r}", "set it to fork or plain")
    return "fork" if kind == "fork" else "plain"


def _dry_run_record(path: Path, values: dict[str, Any]) -> RunRecord:
    return RunRecord(
        id="",
        notebook=path.stem,
        started=clock.format_utc(),
        outcome=Outcome.SUCCEEDED,
        reason="dry run: the notebook and its parameters are valid; nothing was run",
        parameters=values,
    )


def _run_command(name: str, given: Mapping[str, Any]) -> list[str]:
    return ["kpfnb", "run", name, *format_cli_arguments(given)]


def format_command(
    notebook: str, parameters: list[Parameter], values: Mapping[str, Any]
) -> list[str]:
    """The command that runs a notebook with these values.

    Raises `InvalidParameterError` if a value is invalid.
    """
    checked = validate_parameters(parameters, values)
    defaults = validate_parameters(parameters, {})
    changed = {name: value for name, value in checked.items() if value != defaults[name]}
    return ["kpfnb", "run", notebook, *format_cli_arguments(changed)]


def format_cli_arguments(given: Mapping[str, Any]) -> list[str]:
    """Parameter values as command-line arguments."""
    arguments = []
    for name, value in given.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        arguments += ["-p", f"{name}={text}"]
    return arguments


def _read_notebook(path: Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise InvalidInputError(f"can't read the notebook {path}: {error.strerror}") from None
    except (*_NOT_A_NOTEBOOK_ERRORS, nbformat.ValidationError) as error:
        first = str(error).partition("\n")[0][:200]
        raise InvalidInputError(
            f"{path} is not a notebook: {first}", "fix it in JupyterLab"
        ) from None


def _check_syntax(source: str, where: str) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        # Magics and shell lines become Python first, as in the kernel
        code = TransformerManager().transform_cell(source)
        with warnings.catch_warnings(action="ignore"):
            compile(code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise InvalidInputError(
            f"{where}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}",
            "fix the notebook",
        ) from None
