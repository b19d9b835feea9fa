"""The session of a running notebook: checks its parameters, and records its run.

`kpfnb.begin()` in the third cell starts it. It works alike in `kpfnb run`, papermill, JupyterLab
and nbval.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import logs, progress, progress_file
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Result
from kpfnb.notebook import filled_in, runner
from kpfnb.notebook.display import figures, static_views
from kpfnb.notebook.form.waiting import WaitForRun
from kpfnb.notebook.history import cell_values, declared_parameters, executed_sources
from kpfnb.notebook.lab_kernel import LabKernel
from kpfnb.notebook.parameters import Parameter, resolve_parameters, validate_parameters
from kpfnb.notebook.views import NotebookViews
from kpfnb.runs import LOG_NAME, RunRecord, discard_run, finish_run, read_record
from kpfnb.runs.classification import CellError, RunEndFacts
from kpfnb.runs.record import RUN_VARIABLE, start_heartbeat, start_run, write_record, write_result

if TYPE_CHECKING:
    from kpfnb.notebook.form.panel import FormPanel

LAB_VARIABLE = "JPY_SESSION_NAME"
"""Environment variable in which JupyterLab gives its kernels the path of their notebook."""

_current_session: Session | None = None
_lab_kernel: LabKernel | None = None
"""This kernel, if it is JupyterLab's."""


def begin_session() -> Session:
    """Check the notebook's parameters, start the record of its run, and print the provenance.

    Call it in the cell after the parameters. Raises `InvalidParameterError` before any work.
    """
    from IPython import get_ipython

    global _current_session, _lab_kernel
    shell = get_ipython()
    if shell is None:
        raise InvalidInputError(
            "kpfnb.begin() was called outside a notebook", "call it in a notebook"
        )
    if _current_session:
        _current_session.close()
    logs.log_to_console()
    progress.set_container(None)
    figures.register_formatter(shell)
    _current_session = Session(shell)
    if _current_session.interactive:
        _lab_kernel = _lab_kernel or LabKernel(shell)
    _current_session.validate()
    print(_current_session)
    return _current_session


class Session(NotebookViews):
    """One run of a notebook, as seen from inside the notebook."""

    def __init__(self, shell: Any) -> None:
        self.namespace: dict[str, Any] = shell.user_ns
        """The variables of the notebook."""
        self.parameters: list[Parameter] = []
        self.values: dict[str, Any] = {}
        """The parameters' values, checked and converted, with the night that `last` means."""
        self.entered: dict[str, Any] = {}
        """The values as they were entered: a night may be `last`."""
        self.cell_values: dict[str, Any] = {}
        """The values that the parameters cell gives, which a form may have changed since."""
        self.filled_in: list[str] = []
        """The names of the parameters that a link has filled in."""
        self.problem = ""  # Why nothing can run with these values: there is no last night
        self.panel: FormPanel | None = None
        """The form, once it has been displayed in JupyterLab."""
        self._shell = shell
        self._is_discarded = False
        # Removed, so that processes of this notebook do not write into this run
        directory = os.environ.pop(RUN_VARIABLE, "")
        self.file = Path(os.environ.get(LAB_VARIABLE, ""))
        """The notebook's file in JupyterLab; empty elsewhere."""
        # A new version beside a changed copy has the name of the notebook, too
        name = self.file.name.partition(".")[0]
        self.origin = "kpfnb" if directory else "lab" if name else "papermill"
        """What runs the notebook: `kpfnb`, `lab`, or `papermill` (and any other runner)."""
        if directory:
            self._record = read_record(Path(directory))
        else:
            self._record = self._begin_record(name or "notebook")
        self._start_recording()
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)
        atexit.register(self.close)

    @property
    def id(self) -> str:
        """The run's id."""
        return self._record.id

    @property
    def notebook(self) -> str:
        """The notebook's name."""
        return self._record.notebook

    @property
    def directory(self) -> Path:
        """The run's directory."""
        return self._record.directory

    @property
    def interactive(self) -> bool:
        """True in JupyterLab, where a person uses the notebook."""
        return self.origin == "lab"

    @property
    def is_finished(self) -> bool:
        """True once the run has an outcome."""
        return self._record.outcome is not None

    def __str__(self) -> str:
        return self._record.heading

    def validate(self) -> None:
        """Check the notebook's variables that are parameters, and replace them by valid types."""
        try:
            self.parameters, injected = declared_parameters(executed_sources(self._shell))
            names = [parameter.name for parameter in self.parameters]
            unknown = {name: None for name in injected if name not in names}
            given = {name: self.namespace[name] for name in names if name in self.namespace}
            self.cell_values = validate_parameters(self.parameters, {**unknown, **given})
            filled = filled_in.take_values(self.file, self.parameters) if self.interactive else {}
            self.filled_in, self.entered = list(filled), self.cell_values | filled
            self._apply_values(self._resolve_entered())
        except KpfnbError as error:
            # Only the runner knows the number of this cell
            self._record_end(RunEndFacts(error=CellError(0, type(error).__name__, str(error))))
            raise

    def _resolve_entered(self) -> dict[str, Any]:
        try:
            return resolve_parameters(self.parameters, self.entered)
        except KpfnbError as error:
            if not self.interactive:
                raise
            # The form says so, and takes another night
            self.problem = str(error)
            return self.entered

    def form(self, *, wait: bool = True) -> None:
        """Display the parameters: a form in JupyterLab, a table elsewhere.

        wait : in JupyterLab, run nothing below until Run is pressed; False for a notebook that
            only looks
        """
        from kpfnb.notebook import form

        form.show_form(self)
        if self.interactive and (wait or self.problem):
            self._discard()
            raise WaitForRun

    def restart(self, values: Mapping[str, Any]) -> None:
        """Start a new run with these values; `InvalidParameterError` changes nothing."""
        entered = validate_parameters(self.parameters, values)
        resolved = resolve_parameters(self.parameters, entered)
        self.close()
        self.entered = entered
        static_views.clear_views()
        self._begin_again(resolved)

    def finish(self, result: Result, *others: Result) -> None:
        """Write `result.json`, and record the outcome. A failure is recorded, not raised.

        The first result gives the key figures and the values that other steps read; the values of
        the others are added under their class names. The outcome of the run is the first one that
        is not good.
        """
        if self.is_finished:
            # The cell was run again by hand
            self.restart(self.entered)
        decisive = next((item for item in (result, *others) if not item.outcome.is_good), result)
        extra = {type(other).__name__.lower(): other.to_dict() for other in others}
        values = {
            "outcome": decisive.outcome,
            "reason": decisive.reason,
            "figures": result.key_figures(),
            "values": result.to_dict() | extra,
        }
        write_result(self._record, values)
        self._record_end(RunEndFacts(result=self._record.read_result()))

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """The command line that runs the notebook with these values.

        Raises `InvalidParameterError` if a value is invalid.
        """
        return runner.format_command(self.notebook, self.parameters, values)

    def close(self) -> None:
        """Record that no further cells run; in JupyterLab, a run without a result is deleted."""
        if self.is_finished or self._is_discarded:
            return
        if self.interactive:
            self._discard()
        else:
            self._record_end(RunEndFacts())

    def _discard(self) -> None:
        """Remove the record: a form that waits is no run, and no list may say that it is one."""
        self._is_discarded = True
        self._stop_recording()
        discard_run(self._record)

    def _begin_again(self, values: dict[str, Any]) -> None:
        self._is_discarded = False
        self._record = self._begin_record(self.notebook)
        self._start_recording()
        self._apply_values(values)

    def _begin_record(self, name: str) -> RunRecord:
        return start_run(name, origin=self.origin, command=["kpfnb", "run", name])

    def _start_recording(self) -> None:
        self._handler = logs.add_file_handler(self._record.directory / LOG_NAME)
        self._heartbeat_stop = start_heartbeat(self._record)
        progress_file.set_progress_file(self._record.directory / progress_file.PROGRESS_NAME)

    def _stop_recording(self) -> None:
        self._heartbeat_stop.set()
        progress_file.set_progress_file(None)
        logs.remove_handler(self._handler)

    def _apply_values(self, values: dict[str, Any]) -> None:
        self.values = values
        self.namespace.update(values)
        if self.origin != "kpfnb":
            self._record = replace(self._record, parameters=values, command=self.command(values))
            write_record(self._record)

    def _record_end(self, facts: RunEndFacts) -> None:
        """Record the end, except under `kpfnb run`, which also sees errors after this point."""
        from kpfnb.runs import site

        self._stop_recording()
        if self.origin != "kpfnb":
            self._record = finish_run(self._record, facts)
            if _lab_kernel:
                _lab_kernel.write_run_files(self._record, self.file, self.parameters, str(self))
            site.update_site(self._record)
        if self.panel:
            self.panel.on_run_end(self._record)

    def recorded_outputs(self) -> Any:
        """What the cells have displayed: a browser page that was closed meanwhile asks for it."""
        return _lab_kernel.displayed() if _lab_kernel else None

    def _before_cell(self, info: Any) -> None:
        """Called by IPython before each cell; one that a person runs by hand begins a run."""
        if self._is_discarded and self is _current_session:
            self._begin_again(self.values)
        if _lab_kernel and self is _current_session:
            _lab_kernel.start_cell(info, self.id)
        if self.panel and self is _current_session:
            self.panel.set_busy(True)

    def _after_cell(self, outcome: Any) -> None:
        """Called by IPython after each cell: an error in one ends the run."""
        if self is not _current_session:
            return
        if _lab_kernel:
            _lab_kernel.end_cell()
        if self.panel:
            self.panel.set_busy(False)
        error = outcome.error_in_exec or outcome.error_before_exec
        if error is None:
            values = cell_values(outcome.info.raw_cell, self.parameters, self.namespace)
            if values and self.panel:
                self.cell_values = values
                self.panel.show_values(values)
            return
        if isinstance(error, WaitForRun) or self.is_finished or self.origin == "kpfnb":
            return
        if isinstance(error, KeyboardInterrupt):
            self._record_end(RunEndFacts(stop_reason=runner.STOPPED_BY_OPERATOR))
            return
        number = len(self.namespace["In"]) - 1
        logging.getLogger(__name__).error("cell %d: %r", number, error)
        message = logs.redact_secrets(str(error))
        self._record_end(RunEndFacts(error=CellError(number, type(error).__name__, message)))
