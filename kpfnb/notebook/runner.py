"""Run one notebook: its parameters checked before any work, and its end recorded as what it was."""

from __future__ import annotations

import ast
import difflib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import runs
from kpfnb.core import atomic, project
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, KpfnbError
from kpfnb.core.result import Outcome
from kpfnb.notebook.parameters import Parameter, parse_declarations, validate_parameters
from kpfnb.runs import RunRecord
from kpfnb.runs.classification import CellError, RunEndFacts

if TYPE_CHECKING:
    from kpfnb.notebook.kernels.execution import KernelKind, NotebookExecution

EXECUTED_NAME = "notebook.ipynb"
NOTEBOOKS_FOLDER = "notebooks"
KERNEL_VARIABLE = "KPFNB_KERNEL"
STOPPED_BY_OPERATOR = "stopped by the operator"

_NOT_A_NOTEBOOK_ERRORS = (ValueError, TypeError, AttributeError, KeyError)
"""What nbformat raises, besides its own errors, on JSON that is no notebook."""

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

    parameters : by name; those not given have the notebook's defaults
    dry_run : a notebook with a parameter `dry_run` runs with it; any other is only checked, and
        the record is not written
    parent : the id of the pipeline's run that this one belongs to
    echo : told how far it is, one line a cell

    Wrong parameters and a notebook that can't be read give a record too: rejected. Raises
    `InvalidInputError` where there is no such notebook, `InvalidSettingsError` where nothing can be written.
    """
    path, asked = find_notebook(name), dict(parameters or {})
    command = ["kpfnb", "run", name, *format_cli_arguments(asked)]
    try:
        known = inspect_notebook(path)
        if dry_run and "dry_run" in [one.name for one in known]:
            asked["dry_run"] = True
        values = validate_parameters(known, asked)
    except KpfnbError as error:
        refused = runs.start_run(path.stem, parameters=asked, parent=parent, command=command)
        return _finish_run(
            refused, RunEndFacts(error=CellError(0, type(error).__name__, str(error)))
        )
    if dry_run and "dry_run" not in values:
        return _dry_run_record(path, values)
    record = runs.start_run(path.stem, parameters=values, parent=parent, command=command)
    return _execute_notebook(
        record, path, {key: values[key] for key in asked}, timeout_seconds, echo
    )


def stop_all_notebooks(reason: str = STOPPED_BY_OPERATOR) -> None:
    """Stop all notebooks that this process runs; called again, kill them."""
    for execution in list(_running_executions):
        execution.stop(reason)


def find_notebook(name: str) -> Path:
    """The file of a notebook, by its name or path; `InvalidInputError` names the nearest."""
    if name.endswith(".ipynb") or os.sep in name:
        if Path(name).is_file():
            return Path(name).absolute()
        raise InvalidInputError(
            f"no notebook {name}", "give the name of a notebook or the path of a file"
        )
    known = project.project_files(NOTEBOOKS_FOLDER, ".ipynb")
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    names = (
        ", ".join(known) or f"none in {', '.join(map(str, project.project_dirs(NOTEBOOKS_FOLDER)))}"
    )
    raise InvalidInputError(f"no notebook {name!r}", f"{hint}the notebooks are: {names}")


def check_notebook_parameters(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameter values of a notebook, checked and converted; its code is checked too.

    Raises `InvalidParameterError`, or `InvalidInputError` for a notebook that is damaged or has a syntax error.
    """
    return validate_parameters(inspect_notebook(path), given)


def inspect_notebook(path: Path) -> list[Parameter]:
    """The parameters that a notebook declares, [] for none; `InvalidInputError` if its code is not code."""
    found: list[Parameter] = []
    code = [cell for cell in _read_notebook(path).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        _check_syntax(cell.source, f"{path.name}, code cell {number}")
        if "parameters" in cell.metadata.get("tags", []):
            found = parse_declarations(cell.source)
    return found


def load_parameter_file(file: Path) -> dict[str, Any]:
    """A named set of parameters: a YAML file of `name: value` lines."""
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"can't read the parameters in {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{file} is not YAML: {error}", "write it as   name: value"
        ) from None
    if not isinstance(values or {}, dict):
        raise InvalidInputError(f"{file} is not a set of parameters", "write it as   name: value")
    return {str(name): value for name, value in (values or {}).items()}


def _execute_notebook(
    record: RunRecord,
    path: Path,
    given: Mapping[str, Any],
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

    def tell(number: int, count: int) -> None:
        if echo:
            echo(f"cell {number} of {count}")

    execution = NotebookExecution(record, path, given, kernel=kind, on_cell=tell)
    site.update_site(record)
    ended = runs.start_heartbeat(record)
    _running_executions.add(execution)
    try:
        with _stop_on_signals(execution):
            facts = execution.run(timeout_seconds=timeout_seconds)
    finally:
        _running_executions.discard(execution)
        ended.set()
    return _finish_run(record, facts, execution.notebook)


def _finish_run(record: RunRecord, facts: RunEndFacts, notebook: Any = None) -> RunRecord:
    """Record the end, then write what is for people.

    Neither a disk that is full nor settings that were spoilt meanwhile may hide the end.
    """
    from kpfnb.runs import report, site

    try:
        if notebook:
            _save_executed_notebook(record, notebook)
        record = runs.finish_run(record, facts)
        if notebook:
            report.write_report(record, notebook)
        site.update_site(record)
    except (OSError, InvalidSettingsError) as error:
        record = _finish_on_full_disk(record, facts, f"can't write in {record.directory}: {error}")
    return record


def _finish_on_full_disk(record: RunRecord, facts: RunEndFacts, trouble: str) -> RunRecord:
    from kpfnb.notebook.kernels.execution import PARTIAL_NAME

    # What is there of the notebook makes room for the record of the end
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)
    try:
        return runs.finish_run(record, replace(facts, trouble=facts.environment_error or trouble))
    except OSError:
        raise InvalidSettingsError(
            f"{trouble}; not even the run's end", "make room on its disk"
        ) from None


def _save_executed_notebook(record: RunRecord, notebook: Any) -> None:
    import nbformat

    from kpfnb.core import logs
    from kpfnb.notebook.kernels.execution import PARTIAL_NAME

    text = logs.redact_secrets(nbformat.writes(notebook))
    atomic.write_text(record.directory / EXECUTED_NAME, text + "\n")
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)


def choose_kernel_kind() -> KernelKind:
    """`fork` where the system can, unless KPFNB_KERNEL says `plain`."""
    kind = os.environ.get(KERNEL_VARIABLE) or ("fork" if sys.platform == "linux" else "plain")
    if kind not in ("fork", "plain"):
        raise InvalidSettingsError(f"{KERNEL_VARIABLE} is {kind!r}", "set it to fork or plain")
    return "fork" if kind == "fork" else "plain"


@contextmanager
def _stop_on_signals(execution: NotebookExecution) -> Iterator[None]:
    """Ctrl-C, a kill and a closed terminal stop the notebook instead of this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # One that is ignored (nohup, a job in the background) stays ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda *_: execution.stop(STOPPED_BY_OPERATOR))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dry_run_record(path: Path, values: dict[str, Any]) -> RunRecord:
    return RunRecord(
        id="",
        notebook=path.stem,
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        outcome=Outcome.SUCCEEDED,
        reason="dry run: the notebook and its parameters are in order; nothing was run",
        parameters=values,
    )


def format_cli_arguments(given: Mapping[str, Any]) -> list[str]:
    """Parameters as they are given on the command line."""
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
            f"{path} is not a notebook: {first}", "mend it in JupyterLab"
        ) from None


def _check_syntax(source: str, where: str) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        # Magics and shell lines are made Python first, as the kernel will do
        code = TransformerManager().transform_cell(source)
        with warnings.catch_warnings(action="ignore"):
            compile(code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise InvalidInputError(
            f"{where}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}",
            "mend the notebook",
        ) from None
