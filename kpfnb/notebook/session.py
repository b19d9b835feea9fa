"""The session of a running notebook: checks its parameters, and records its run.

`kpfnb.begin()` in the third cell starts it. It works alike in `kpfnb run`, papermill, JupyterLab
and nbval.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import logs, progress
from kpfnb.core.errors import InvalidInputError, KpfnbError
from kpfnb.core.result import Result
from kpfnb.notebook import runner
from kpfnb.notebook.display import figures
from kpfnb.notebook.form.waiting import WaitForRun, install_silent_stop
from kpfnb.notebook.history import declared_parameters, executed_sources
from kpfnb.notebook.parameters import Parameter, validate_parameters
from kpfnb.runs import (
    LOG_NAME,
    RunRecord,
    discard_run,
    finish_run,
    read_record,
    start_heartbeat,
    start_run,
    write_record,
    write_result,
)
from kpfnb.runs.classification import CellError, RunEndFacts
from kpfnb.runs.record import RUN_VARIABLE

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.notebook.display.tables import RowAction, RowDetails
    from kpfnb.notebook.form.panel import FormPanel

LAB_VARIABLE = "JPY_SESSION_NAME"
"""Environment variable in which JupyterLab gives its kernels the path of their notebook."""

_current_session: Session | None = None


def begin_session() -> Session:
    """Check the notebook's parameters, start the record of its run, and print the provenance.

    Call it in the cell after the parameters. Raises `InvalidParameterError` before any work.
    """
    from IPython import get_ipython

    global _current_session
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
        from kpfnb.notebook.display import tables
        from kpfnb.notebook.kernels import widget_messages

        widget_messages.install_widget_handling()
        install_silent_stop(shell)
        tables.register_formatter(shell)
    _current_session.validate()
    print(_current_session)
    return _current_session


class Session:
    """One run of a notebook, as seen from inside the notebook."""

    def __init__(self, shell: Any) -> None:
        self.namespace: dict[str, Any] = shell.user_ns
        """The variables of the notebook."""
        self.parameters: list[Parameter] = []
        self.values: dict[str, Any] = {}
        """The parameters' values, checked and converted."""
        self.panel: FormPanel | None = None
        """The form, once it has been displayed in JupyterLab."""
        self._shell = shell
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
        """The name of the notebook."""
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
        record = self._record
        commit = f" ({record.commit})" if record.commit else ""
        settings_file = record.settings_file or "defaults"
        return (
            f"run {record.id} of {record.notebook} · kpfnb {record.versions['kpfnb']}{commit} · "
            f"host {record.host} · settings {settings_file}"
        )

    def validate(self) -> None:
        """Check the notebook's variables that are parameters, and replace them by valid types."""
        try:
            self.parameters, injected = declared_parameters(executed_sources(self._shell))
            names = [parameter.name for parameter in self.parameters]
            unknown = {name: None for name in injected if name not in names}
            given = {name: self.namespace[name] for name in names if name in self.namespace}
            self._apply_values(validate_parameters(self.parameters, {**unknown, **given}))
        except KpfnbError as error:
            # Only the runner knows the number of this cell
            self._record_end(RunEndFacts(error=CellError(0, type(error).__name__, str(error))))
            raise

    def form(self, *, wait: bool = True) -> None:
        """Display the parameters: a form in JupyterLab, a table elsewhere.

        wait : in JupyterLab, run nothing below until Run is pressed; False for a notebook that
            only looks
        """
        from kpfnb.notebook import form

        form.show_form(self)
        if wait and self.interactive:
            raise WaitForRun

    def restart(self, values: Mapping[str, Any]) -> None:
        """Start a new run with these values; `InvalidParameterError` changes nothing."""
        checked = validate_parameters(self.parameters, values)
        self.close()
        self._record = self._begin_record(self.notebook)
        self._start_recording()
        self._apply_values(checked)

    def finish(self, result: Result, *others: Result) -> None:
        """Write `result.json`, and record the outcome. A failure is recorded, not raised.

        The first result gives the key figures and the values that other steps read; the values of
        the others are added under their class names. The outcome of the run is the first one that
        is not good.
        """
        if self.is_finished:
            # The cell was run again by hand
            self.restart(self.values)
        decisive = next((item for item in (result, *others) if not item.outcome.is_good), result)
        extra = {type(other).__name__.lower(): other.to_dict() for other in others}
        values = {
            "outcome": decisive.outcome,
            "reason": decisive.reason,
            "figures": result.key_figures(),
            "values": result.to_dict() | extra,
        }
        write_result(self._record, values)
        self._record_end(RunEndFacts(result=self._record.read_result()), result, *others)

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """The command line that runs the notebook with these values.

        Raises `InvalidParameterError` if a value is invalid.
        """
        checked = validate_parameters(self.parameters, values)
        defaults = validate_parameters(self.parameters, {})
        changed = {name: value for name, value in checked.items() if value != defaults[name]}
        return ["kpfnb", "run", self.notebook, *runner.format_cli_arguments(changed)]

    def confirm(self, question: str, action: Callable[[], object]) -> None:
        """In JupyterLab, a button that does `action` and displays its result; elsewhere nothing."""
        from kpfnb.notebook import form

        form.show_confirm_button(self, question, action)

    def table(
        self,
        frame: pd.DataFrame,
        row_details: RowDetails | None = None,
        *,
        row_actions: Mapping[str, RowAction] | None = None,
        nothing: str = "No rows.",
    ) -> Any:
        """In JupyterLab a table to sort, filter and search; elsewhere a static one.

        Parameters
        ----------
        row_details : takes a row by column name; returns its details as HTML
        row_actions : what each button does with the chosen row, by its label
        nothing : what is said of a table without rows
        """
        from kpfnb.notebook.display import tables

        if not self.interactive:
            return tables.StaticTable(frame, nothing)
        return tables.interactive_table(
            frame, row_details=row_details, row_actions=row_actions, nothing=nothing
        )

    def plot(self, shown: object) -> Any:
        """The plot of a result or a Figure: with zoom and tooltips in JupyterLab, else the Figure.

        shown : a Figure, or a result whose package registers a plot for it
        """
        from matplotlib.figure import Figure

        if isinstance(shown, Figure):
            hover_figure = figures.HoverFigure(shown)
        else:
            hover_figure = figures.hover_plot(shown)
        if not self.interactive:
            return hover_figure.figure
        from kpfnb.notebook.display.figure_widget import FigureWidget

        return FigureWidget(hover_figure)

    def close(self) -> None:
        """Record that the notebook runs no further cells.

        A run in JupyterLab that has no result is deleted: the notebook was only opened.
        """
        if self.is_finished:
            return
        if self.interactive:
            self._stop_recording()
            discard_run(self._record)
        else:
            self._record_end(RunEndFacts())

    def _begin_record(self, name: str) -> RunRecord:
        return start_run(name, origin=self.origin, command=["kpfnb", "run", name])

    def _start_recording(self) -> None:
        self._handler = logs.add_file_handler(self._record.directory / LOG_NAME)
        self._heartbeat_stop = start_heartbeat(self._record)

    def _stop_recording(self) -> None:
        self._heartbeat_stop.set()
        logs.remove_handler(self._handler)

    def _apply_values(self, values: dict[str, Any]) -> None:
        self.values = values
        self.namespace.update(values)
        if self.origin != "kpfnb":
            self._record = replace(self._record, parameters=values, command=self.command(values))
            write_record(self._record)

    def _record_end(self, facts: RunEndFacts, *results: Result) -> None:
        """Record the end, except under `kpfnb run`, which also sees errors after this point."""
        from kpfnb.runs import site

        self._stop_recording()
        if self.origin != "kpfnb":
            self._record = finish_run(self._record, facts)
            site.update_site(self._record)
        if self.panel:
            self.panel.on_run_end(self._record, results)

    def _before_cell(self, _: Any) -> None:
        """Called by IPython before each cell."""
        if self.panel and self is _current_session:
            self.panel.set_busy(True)

    def _after_cell(self, outcome: Any) -> None:
        """Called by IPython after each cell: an error in one ends the run."""
        if self.panel and self is _current_session:
            self.panel.set_busy(False)
        error = outcome.error_in_exec or outcome.error_before_exec
        if error is None or isinstance(error, WaitForRun):
            return
        if self is not _current_session or self.is_finished:
            return
        if self.origin == "kpfnb":
            return
        if isinstance(error, KeyboardInterrupt):
            self._record_end(RunEndFacts(stop_reason=runner.STOPPED_BY_OPERATOR))
            return
        number = len(self.namespace["In"]) - 1
        message = logs.redact_secrets(str(error))
        logging.getLogger(__name__).error("cell %d: %r", number, error)
        self._record_end(RunEndFacts(error=CellError(number, type(error).__name__, message)))
