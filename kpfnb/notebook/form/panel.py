"""The form in JupyterLab: fields, presets, buttons, and the status and result of the run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.notebook import parameter_sets
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.form.fields import LABEL_WIDTH, FormField, make_field
from kpfnb.notebook.form.frontend import (
    FrontEnd,
    copy_field_html,
    scroll_into_view_html,
    stop_button_html,
)
from kpfnb.notebook.form.suggestions import load_suggestions
from kpfnb.runs import formatting

if TYPE_CHECKING:
    from kpfnb.notebook.parameters import Parameter
    from kpfnb.runs import RunRecord

NO_SET = "(choose one)"
DRY_RUN = "dry_run"
QUICK_SECONDS = 2
"""A shorter run may end before JupyterLab has scrolled away from the form."""


class FormSession(Protocol):
    """What a form needs of the session of its notebook (`kpfnb.notebook.session.Session`)."""

    parameters: list[Parameter]
    values: dict[str, Any]
    file: Path
    panel: FormPanel | None

    @property
    def notebook(self) -> str:
        """The name of the notebook."""

    @property
    def interactive(self) -> bool:
        """True in JupyterLab."""

    def restart(self, values: Mapping[str, Any]) -> None:
        """Start a new run with these parameter values."""

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """The command that runs the notebook with these values."""


class ParameterSetPicker:
    """The part of the form that loads and saves presets: named sets of parameter values."""

    def __init__(self, notebook: str, fields: Sequence[FormField]) -> None:
        import ipywidgets

        self._notebook = notebook
        self._fields = fields
        self._replace = ""
        self.choices = ipywidgets.Dropdown(
            description="Preset",
            style={"description_width": LABEL_WIDTH},
            layout={"width": "22em"},
            tooltip="fill the fields from a file in params/",
        )
        self.name = ipywidgets.Text(
            description="Save preset as",
            placeholder="a name",
            style={"description_width": "8em"},
            layout={"width": "18em"},
            tooltip="name of the preset: letters, digits, - and _",
        )
        save = ipywidgets.Button(description="Save", layout={"width": "auto"})
        save.tooltip = "Save these values as a file in params/"
        self.message = ipywidgets.HTML()
        self.widget = ipywidgets.HBox(
            [self.choices, self.name, save, self.message], layout={"flex_flow": "row wrap"}
        )
        self._refresh_choices()
        self.choices.observe(lambda _: self._report(self.load), "value")
        save.on_click(lambda _: self._report(self.save))

    def load(self) -> str:
        """Fill the fields from the chosen set; returns a message."""
        file = self.choices.value
        if not file:
            return ""
        values = parameter_sets.load_set(file, [field.parameter for field in self._fields])
        for field in self._fields:
            field.write(values[field.parameter.name])
        return f"loaded {file.name}"

    def save(self) -> str:
        """Save the values in the fields; a second press replaces an existing set."""
        name = self.name.value.strip()
        replace, self._replace = name == self._replace, name
        file = parameter_sets.save_set(
            self._notebook,
            name,
            [field.parameter for field in self._fields],
            {field.parameter.name: field.read() for field in self._fields},
            replace=replace,
        )
        self._replace = ""
        self._refresh_choices(file)
        return f"saved {file.name}"

    def _refresh_choices(self, chosen: Path | str = "") -> None:
        self.choices.options = [(NO_SET, ""), *parameter_sets.list_sets(self._notebook).items()]
        self.choices.value = chosen

    def _report(self, action: Callable[[], str]) -> None:
        try:
            self.message.value = f"<span role='status'>{escape(action())}</span>"
        except KpfnbError as error:
            self.message.value = error_html(error)


class FormPanel:
    """The form of a session."""

    def __init__(self, session: FormSession) -> None:
        import ipywidgets

        self._session = session
        self._front_end = FrontEnd()
        self._started = False
        suggestions = load_suggestions(session.notebook)
        self.fields = [
            make_field(parameter, session.values[parameter.name], suggestions.get(parameter.name))
            for parameter in session.parameters
        ]
        self.set_picker = ParameterSetPicker(session.notebook, self.fields)
        self.run_button = _make_button("Run", "Run this task", "primary")
        self.dry_run_button = _make_button("Dry run", "Run this task, and change nothing", "")
        self._stop = ipywidgets.HTML()
        self._message = ipywidgets.HTML()
        self._command = ipywidgets.HTML(layout={"width": "100%"})
        self._state = ipywidgets.HTML(layout={"width": "100%"})
        self._progress_box = ipywidgets.VBox()
        parts = [part for field in self.fields for part in field.control.parts]
        self.run_button.on_click(
            lambda _: self._front_end.pull_widget_state(parts, self._start_run)
        )
        self.dry_run_button.on_click(
            lambda _: self._front_end.pull_widget_state(
                parts, partial(self._start_run, dry_run=True)
            )
        )
        has_dry_run = any(parameter.name == DRY_RUN for parameter in session.parameters)
        buttons = [self.run_button, *([self.dry_run_button] if has_dry_run else []), self._stop]
        self.widget = ipywidgets.VBox(
            [
                *(field.row for field in self.fields),
                *((self.set_picker.widget,) if self.fields else ()),
                ipywidgets.HBox([*buttons, self._message], layout={"align_items": "center"}),
                self._command,
                self._state,
                self._progress_box,
                self._front_end,
            ]
        )
        for field in self.fields:
            field.observe(self._on_change)
        progress.set_container(self._progress_box)
        self.set_busy(True)
        self._on_change()

    def values(self) -> dict[str, Any]:
        """The values in the fields; they may be invalid."""
        return {field.parameter.name: field.read() for field in self.fields}

    def set_busy(self, is_busy: bool) -> None:
        """While the kernel works, enable Stop and disable Run."""
        self.run_button.disabled = self.dry_run_button.disabled = is_busy
        self._stop.value = stop_button_html(enabled=is_busy)

    def on_run_end(self, record: RunRecord, results: tuple[Any, ...]) -> None:
        """Show how the run ended.

        The result is shown here too, collapsed: a browser page that was reloaded while the cells
        below ran has lost their outputs.
        """
        word = formatting.outcome_word(record)
        outcome = escape(f"{formatting.OUTCOME_SIGNS[word]} {word}: {record.reason}")
        duration = formatting.format_run_duration(record.seconds)
        status = f"<b>{outcome}</b> · {duration} · run {escape(record.id)}"
        pages = "".join(map(_result_html, results))
        details = f"<details><summary>The result</summary>{pages}</details>" if pages else ""
        is_quick = self._started and (record.seconds or 0) < QUICK_SECONDS
        self._started = False
        self._state.value = scroll_into_view_html(status, soon=is_quick) + details
        self._front_end.save_notebook(self._session.file)

    def _start_run(self, *, dry_run: bool = False) -> None:
        if self.run_button.disabled:
            # The second click of a double click
            return
        values = self.values() | ({DRY_RUN: True} if dry_run else {})
        try:
            self._session.restart(values)
        except (KpfnbError, OSError) as error:
            self._message.value = error_html(error)
            return
        self.set_busy(True)
        self._message.value = ""
        self._started = True
        self._progress_box.children = ()
        status = f"{formatting.OUTCOME_SIGNS[formatting.RUNNING]} {formatting.RUNNING}"
        self._state.value = scroll_into_view_html(status, soon=True)
        self._front_end.run_cells_below()
        self._front_end.save_notebook(self._session.file)

    def _on_change(self) -> None:
        try:
            command = shlex.join(self._session.command(self.values()))
        except KpfnbError:
            # The field shows what is wrong
            self._command.value = ""
            return
        self._command.value = copy_field_html("Equivalent command", command)
        self._message.value = ""


def _make_button(name: str, tooltip: str, style: str) -> Any:
    import ipywidgets

    button = ipywidgets.Button(description=name, button_style=style, tooltip=tooltip)
    button.layout.width = "auto"
    return button


def _result_html(result: Any) -> str:
    return result._repr_html_() if hasattr(result, "_repr_html_") else ""
