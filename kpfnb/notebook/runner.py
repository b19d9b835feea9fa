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

from kpfnb import files, project, runs
from kpfnb.errors import BadInput, BadSettings, KpfnbError
from kpfnb.outcomes import Outcome
from kpfnb.parameters import Parameter, declared, validate
from kpfnb.runs import Record
from kpfnb.runs.verdict import CellError, Facts

if TYPE_CHECKING:
    from kpfnb.kernels.execution import Execution, KernelKind

FILE_NAME = "notebook.ipynb"
FOLDER = "notebooks"
KERNEL_VARIABLE = "KPFNB_KERNEL"
STOPPED = "stopped by the operator"

_DAMAGE = (ValueError, TypeError, AttributeError, KeyError)
"""What nbformat raises, besides its own errors, on JSON that is no notebook."""

_running: set[Execution] = set()


def run(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
    timeout_seconds: float | None = None,
    parent: str = "",
    echo: Callable[[str], None] | None = None,
) -> Record:
    """Run a notebook by name or path, and return the record of how it ended.

    parameters : by name; those not given have the notebook's defaults
    dry_run : a notebook with a parameter `dry_run` runs with it; any other is only checked, and
        the record is not written
    parent : the id of the pipeline's run that this one belongs to
    echo : told how far it is, one line a cell

    Wrong parameters and a notebook that can't be read give a record too: rejected. Raises
    `BadInput` where there is no such notebook, `BadSettings` where nothing can be written.
    """
    path, asked = find(name), dict(parameters or {})
    command = ["kpfnb", "run", name, *options(asked)]
    try:
        known = inspect(path)
        if dry_run and "dry_run" in [one.name for one in known]:
            asked["dry_run"] = True
        values = validate(known, asked)
    except KpfnbError as error:
        refused = runs.begin(path.stem, parameters=asked, parent=parent, command=command)
        return _end(refused, Facts(error=CellError(0, type(error).__name__, str(error))))
    if dry_run and "dry_run" not in values:
        return _checked(path, values)
    record = runs.begin(path.stem, parameters=values, parent=parent, command=command)
    return _execute(record, path, {key: values[key] for key in asked}, timeout_seconds, echo)


def stop_all(reason: str = STOPPED) -> None:
    """Stop all notebooks that this process runs; called again, kill them."""
    for execution in list(_running):
        execution.stop(reason)


def find(name: str) -> Path:
    """The file of a notebook, by its name or path; `BadInput` names the nearest."""
    if name.endswith(".ipynb") or os.sep in name:
        if Path(name).is_file():
            return Path(name).absolute()
        raise BadInput(f"no notebook {name}", "give the name of a notebook or the path of a file")
    known = project.files(FOLDER, ".ipynb")
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    names = ", ".join(known) or f"none in {', '.join(map(str, project.folders(FOLDER)))}"
    raise BadInput(f"no notebook {name!r}", f"{hint}the notebooks are: {names}")


def check(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameter values of a notebook, checked and converted; its code is checked too.

    Raises `BadParameter`, or `BadInput` for a notebook that is damaged or has a syntax error.
    """
    return validate(inspect(path), given)


def inspect(path: Path) -> list[Parameter]:
    """The parameters that a notebook declares, [] for none; `BadInput` if its code is not code."""
    found: list[Parameter] = []
    code = [cell for cell in _read(path).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        _check_syntax(cell.source, f"{path.name}, code cell {number}")
        if "parameters" in cell.metadata.get("tags", []):
            found = declared(cell.source)
    return found


def load_parameters(file: Path) -> dict[str, Any]:
    """A named set of parameters: a YAML file of `name: value` lines."""
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"can't read the parameters in {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is not YAML: {error}", "write it as   name: value") from None
    if not isinstance(values or {}, dict):
        raise BadInput(f"{file} is not a set of parameters", "write it as   name: value")
    return {str(name): value for name, value in (values or {}).items()}


def _execute(
    record: Record,
    path: Path,
    given: Mapping[str, Any],
    timeout_seconds: float | None,
    echo: Callable[[str], None] | None,
) -> Record:
    kind = kernel_kind()
    if kind == "fork":
        from kpfnb.kernels import forkserver

        # It loads its libraries while this process loads papermill
        forkserver.server()
    from kpfnb.kernels.execution import Execution
    from kpfnb.runs import index as runsindex

    def tell(number: int, count: int) -> None:
        if echo:
            echo(f"cell {number} of {count}")

    execution = Execution(record, path, given, kernel=kind, on_cell=tell)
    runsindex.update(record)
    ended = runs.keep_alive(record)
    _running.add(execution)
    try:
        with _stopped_by_signals(execution):
            facts = execution.run(timeout_seconds=timeout_seconds)
    finally:
        _running.discard(execution)
        ended.set()
    return _end(record, facts, execution.notebook)


def _end(record: Record, facts: Facts, notebook: Any = None) -> Record:
    """Record the end, then write what is for people.

    Neither a disk that is full nor settings that were spoilt meanwhile may hide the end.
    """
    from kpfnb.runs import index as runsindex
    from kpfnb.runs import report

    try:
        if notebook:
            _keep(record, notebook)
        record = runs.finish(record, facts)
        if notebook:
            report.write(record, notebook)
        runsindex.update(record)
    except (OSError, BadSettings) as error:
        record = _end_without_room(record, facts, f"can't write in {record.directory}: {error}")
    return record


def _end_without_room(record: Record, facts: Facts, trouble: str) -> Record:
    from kpfnb.kernels.execution import PARTIAL_NAME

    # What is there of the notebook makes room for the record of the end
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)
    try:
        return runs.finish(record, replace(facts, trouble=facts.trouble or trouble))
    except OSError:
        raise BadSettings(f"{trouble}; not even the run's end", "make room on its disk") from None


def _keep(record: Record, notebook: Any) -> None:
    import nbformat

    from kpfnb import log
    from kpfnb.kernels.execution import PARTIAL_NAME

    text = log.redact(nbformat.writes(notebook))
    files.write_text(record.directory / FILE_NAME, text + "\n")
    (record.directory / PARTIAL_NAME).unlink(missing_ok=True)


def kernel_kind() -> KernelKind:
    """`fork` where the system can, unless KPFNB_KERNEL says `plain`."""
    kind = os.environ.get(KERNEL_VARIABLE) or ("fork" if sys.platform == "linux" else "plain")
    if kind not in ("fork", "plain"):
        raise BadSettings(f"{KERNEL_VARIABLE} is {kind!r}", "set it to fork or plain")
    return "fork" if kind == "fork" else "plain"


@contextmanager
def _stopped_by_signals(execution: Execution) -> Iterator[None]:
    """Ctrl-C, a kill and a closed terminal stop the notebook instead of this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # One that is ignored (nohup, a job in the background) stays ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda *_: execution.stop(STOPPED))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _checked(path: Path, values: dict[str, Any]) -> Record:
    return Record(
        id="",
        notebook=path.stem,
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        outcome=Outcome.SUCCEEDED,
        reason="dry run: the notebook and its parameters are in order; nothing was run",
        parameters=values,
    )


def options(given: Mapping[str, Any]) -> list[str]:
    """Parameters as they are given on the command line."""
    arguments = []
    for name, value in given.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        arguments += ["-p", f"{name}={text}"]
    return arguments


def _read(path: Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise BadInput(f"can't read the notebook {path}: {error.strerror}") from None
    except (*_DAMAGE, nbformat.ValidationError) as error:
        first = str(error).partition("\n")[0][:200]
        raise BadInput(f"{path} is not a notebook: {first}", "mend it in JupyterLab") from None


def _check_syntax(source: str, where: str) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        # Magics and shell lines are made Python first, as the kernel will do
        code = TransformerManager().transform_cell(source)
        with warnings.catch_warnings(action="ignore"):
            compile(code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise BadInput(
            f"{where}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}",
            "mend the notebook",
        ) from None
