"""What a notebook's third cell begins: its parameters checked, its run recorded.

It works the same whoever runs the notebook: `kpfnb run`, papermill, JupyterLab, nbval.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import live, log, notebooks, runs
from kpfnb.errors import BadInput, KpfnbError
from kpfnb.executed import declared_in, executed
from kpfnb.parameters import Parameter, validate
from kpfnb.result import Plotted, Result
from kpfnb.runs import LOG_NAME, Record
from kpfnb.runs.verdict import CellError, Facts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.form.panel import Panel
    from kpfnb.tables import Lead

RUN_VARIABLE = "KPFNB_RUN"
"""Names the run's directory to a kernel that `kpfnb run` has started."""

LAB_VARIABLE = "JPY_SESSION_NAME"
"""JupyterLab tells its kernels the path of their notebook."""

_current: Session | None = None


def begin() -> Session:
    """Check the notebook's parameters, begin the record of its run, and print the provenance.

    Called in the cell after the parameters. Raises `BadParameter` for a wrong one, before any work.
    """
    from IPython import get_ipython

    global _current
    shell = get_ipython()
    if shell is None:
        raise BadInput("kpfnb.begin() was called outside a notebook", "call it in a notebook")
    if _current:
        _current.leave()
    log.console()
    live.show_in(None)
    _show_figures(shell)
    _current = Session(shell)
    if _current.interactive:
        from kpfnb import tables
        from kpfnb.kernels import inorder

        inorder.keep()
        tables.register(shell)
    _current.check()
    print(_current)
    return _current


class Session:
    """One run of a notebook, as the notebook itself sees it."""

    def __init__(self, shell: Any) -> None:
        self.namespace: dict[str, Any] = shell.user_ns
        """The variables of the notebook."""
        self.parameters: list[Parameter] = []
        self.values: dict[str, Any] = {}
        """The parameters' values, checked and converted."""
        self.panel: Panel | None = None
        """The form, once it was shown in JupyterLab."""
        self._shell = shell
        # Taken away: what this notebook starts is not this run
        given = os.environ.pop(RUN_VARIABLE, "")
        self.file = Path(os.environ.get(LAB_VARIABLE, ""))
        """The notebook, where JupyterLab has told it."""
        name = self.file.stem
        self.origin = "kpfnb" if given else "lab" if name else "papermill"
        """Who runs it: `kpfnb`, `lab` or `papermill` (which stands for every other runner)."""
        self._record = runs.read(Path(given)) if given else self._begin(name or "notebook")
        self._open()
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)
        atexit.register(self.leave)

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
        """True where a person sits before it."""
        return self.origin == "lab"

    @property
    def is_finished(self) -> bool:
        """True once its outcome is known."""
        return self._record.outcome is not None

    def __str__(self) -> str:
        record = self._record
        commit = f" ({record.commit})" if record.commit else ""
        settings_file = record.settings_file or "defaults"
        return (
            f"run {record.id} of {record.notebook} · kpfnb {record.versions['kpfnb']}{commit} · "
            f"host {record.host} · settings {settings_file}"
        )

    def check(self) -> None:
        """Check the parameters as they stand in the notebook, and put them back converted."""
        try:
            self.parameters, given = declared_in(executed(self._shell))
            unknown = {name: None for name in given if name not in _names(self.parameters)}
            here = {n: self.namespace[n] for n in _names(self.parameters) if n in self.namespace}
            self._take(validate(self.parameters, {**unknown, **here}))
        except KpfnbError as error:
            # The first cell that can fail: its place is known to the runner only
            self._end(Facts(error=CellError(0, type(error).__name__, str(error))))
            raise

    def form(self) -> None:
        """Show the parameters: a form in JupyterLab, a table elsewhere."""
        from kpfnb import form

        form.show(self)

    def restart(self, values: Mapping[str, Any]) -> None:
        """Begin a new run with other parameter values; `BadParameter` leaves all as it was."""
        checked = validate(self.parameters, values)
        self.leave()
        self._record = self._begin(self.notebook)
        self._open()
        self._take(checked)

    def finish(self, result: Result, *others: Result) -> None:
        """Write `result.json`, and record the outcome. A failure is recorded, not raised.

        The first result gives the key figures and the values that other steps read; what others
        tell is added by their class name. The first outcome that is not good is the run's.
        """
        if self.is_finished:
            # The cell was run again by hand
            self.restart(self.values)
        telling = next((one for one in (result, *others) if not one.outcome.is_good), result)
        more = {type(other).__name__.lower(): other.to_dict() for other in others}
        values = {
            "outcome": telling.outcome,
            "reason": telling.reason,
            "figures": result.figures(),
            "values": result.to_dict() | more,
        }
        runs.write_result(self._record, values)
        self._end(Facts(result=self._record.result()), result, *others)

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """The command that runs the notebook with these values; `BadParameter` if one is wrong."""
        checked = validate(self.parameters, values)
        defaults = {one.name: one.check(one.default) for one in self.parameters}
        changed = {name: value for name, value in checked.items() if value != defaults[name]}
        return ["kpfnb", "run", self.notebook, *notebooks.options(changed)]

    def confirm(self, question: str, action: Callable[[], object]) -> None:
        """In JupyterLab, a button that does `action` and shows what came; elsewhere nothing."""
        from kpfnb import form

        form.confirm(self, question, action)

    def table(self, frame: pd.DataFrame, lead: Lead | None = None) -> Any:
        """In JupyterLab a table to sort, filter and search; elsewhere a plain one.

        lead : what a chosen row leads to, as HTML; it takes the row by column
        """
        from kpfnb import tables

        return tables.interactive(frame, lead=lead) if self.interactive else tables.Plain(frame)

    def plot(self, shown: Plotted | Figure) -> Any:
        """In JupyterLab a plot to zoom in, with what is under the mouse; elsewhere the figure."""
        if self.interactive:
            from kpfnb import hovering

            return hovering.widget(shown)
        return shown.plot() if isinstance(shown, Plotted) else shown

    def leave(self) -> None:
        """Record that the notebook goes no further.

        What was begun in JupyterLab and left without a result is no run, and is forgotten.
        """
        if self.is_finished:
            return
        if self.interactive:
            self._close()
            runs.discard(self._record)
        else:
            self._end(Facts())

    def _begin(self, name: str) -> Record:
        return runs.begin(name, origin=self.origin, command=["kpfnb", "run", name])

    def _open(self) -> None:
        self._handler = log.attach(self._record.directory / LOG_NAME)
        self._ended = runs.keep_alive(self._record)

    def _close(self) -> None:
        self._ended.set()
        log.detach(self._handler)

    def _take(self, values: dict[str, Any]) -> None:
        self.values = values
        self.namespace.update(values)
        if self.origin != "kpfnb":
            self._record = replace(self._record, parameters=values, command=self.command(values))
            runs.write(self._record)

    def _end(self, facts: Facts, *results: Result) -> None:
        """Record the end; under `kpfnb run` that is its business: it also sees what comes later."""
        from kpfnb.runs import index as runsindex

        self._close()
        if self.origin != "kpfnb":
            self._record = runs.finish(self._record, facts)
            runsindex.update(self._record)
        if self.panel:
            self.panel.ended(self._record, results)

    def _before_cell(self, _: Any) -> None:
        """IPython calls it before each cell."""
        if self.panel and self is _current:
            self.panel.busy(True)

    def _after_cell(self, outcome: Any) -> None:
        """IPython calls it after each cell: an error in one is the end of the run."""
        if self.panel and self is _current:
            self.panel.busy(False)
        problem = outcome.error_in_exec or outcome.error_before_exec
        if problem is None or self is not _current or self.is_finished:
            return
        if self.origin == "kpfnb":
            return
        if isinstance(problem, KeyboardInterrupt):
            self._end(Facts(stopped=notebooks.STOPPED))
            return
        number = len(self.namespace["In"]) - 1
        message = log.redact(str(problem))
        logging.getLogger(__name__).error("cell %d: %r", number, problem)
        self._end(Facts(error=CellError(number, type(problem).__name__, message)))


def _show_figures(shell: Any) -> None:
    """Show a matplotlib Figure as a picture; pyplot, which would do it, need not be imported."""
    from IPython.core.pylabtools import print_figure

    png = shell.display_formatter.formatters["image/png"]
    png.for_type_by_name("matplotlib.figure", "Figure", partial(print_figure, base64=True))


def _names(parameters: Sequence[Parameter]) -> list[str]:
    return [one.name for one in parameters]
