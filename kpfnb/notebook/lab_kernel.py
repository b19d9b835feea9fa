"""What a session needs of a kernel of JupyterLab, and does not in any other kernel."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from kpfnb.core import project
from kpfnb.notebook import run_files
from kpfnb.notebook.form import parameter_table_html
from kpfnb.notebook.form.waiting import install_silent_stop
from kpfnb.notebook.output_recording import OutputRecorder
from kpfnb.notebook.parameters import Parameter
from kpfnb.runs import RunRecord


class LabKernel:
    """A kernel of JupyterLab, prepared: widgets, tables, the stop at the form, recorded outputs."""

    def __init__(self, shell: Any) -> None:
        from kpfnb.notebook.display import tables
        from kpfnb.notebook.kernels import widget_messages

        self._shell = shell
        # Relative paths in the form mean the same as for `kpfnb run`
        os.chdir(project.project_dir())
        widget_messages.install_widget_handling()
        install_silent_stop(shell)
        tables.register_formatter(shell)
        kernel = getattr(shell, "kernel", None)
        self.recorder = OutputRecorder(kernel) if kernel else None

    def start_cell(self, info: Any, run: str) -> None:
        """Record the outputs of the cell that is executed now, in the run with this id."""
        if self.recorder:
            cell_id = getattr(info, "cell_id", None) or ""
            count = self._shell.execution_count - 1
            self.recorder.start_cell(info.raw_cell, cell_id, count, run)

    def end_cell(self) -> None:
        """The cell has ended."""
        if self.recorder:
            self.recorder.end_cell()

    def displayed(self) -> Any:
        """What the cells have displayed, by their ids, as JSON for the browser."""
        from IPython.display import JSON

        return JSON(self.recorder.displayed() if self.recorder else {})

    def write_run_files(
        self, record: RunRecord, file: Path, parameters: list[Parameter], heading: str
    ) -> None:
        """Write notebook and report of a run, as `kpfnb run` does.

        Parameters
        ----------
        file : the notebook in JupyterLab
        heading : the first line of the run: its id, versions, settings
        """
        from IPython.display import HTML
        from nbformat.v4 import new_output

        if self.recorder is None:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        formatter = self._shell.display_formatter
        # An invalid parameter has no value
        known = [item for item in parameters if item.name in record.parameters]
        table, _ = formatter.format(HTML(parameter_table_html(known, record.parameters)))
        head_outputs = {
            "kpfnb.begin(": new_output("stream", text=f"{heading}\n"),
            "run.form(": new_output("display_data", table),
        }
        try:
            run_files.write_run_files(record, file, self.recorder.cells, formatter, head_outputs)
        except OSError as error:
            logging.getLogger(__name__).error("no report of the run was written: %s", error)
