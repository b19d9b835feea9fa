"""The form in JupyterLab: fields, buttons, the state of the run and its result."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.notebook import parameter_sets
from kpfnb.notebook.form import error_html, fields
from kpfnb.notebook.form.fields import LABEL_WIDTH, FormField
from kpfnb.notebook.form.frontend import (
    FrontEnd,
    copy_field_html,
    scroll_into_view_html,
    stop_button_html,
)
from kpfnb.runs import formatting

if TYPE_CHECKING:
    from kpfnb.notebook.session import Session
    from kpfnb.runs import RunRecord


# The part of the form that loads and saves named sets of parameters.

NO_SET = "(choose one)"


class ParameterSetPicker:
    """A list of the sets, one that fills the fields, and one that keeps what stands in them."""

    def __init__(self, notebook: str, fields: Sequence[FormField]) -> None:
        import ipywidgets

        self._notebook = notebook
        self._fields = fields
        self._replace = ""
        self.choices = ipywidgets.Dropdown(
            description="load the set",
            style={"description_width": LABEL_WIDTH},
            layout={"width": "22em"},
            tooltip="fill the fields from a file in params/",
        )
        self.name = ipywidgets.Text(
            description="save as",
            placeholder="a name",
            style={"description_width": "5em"},
            layout={"width": "15em"},
            tooltip="the name of the set: letters, digits, - and _",
        )
        save = ipywidgets.Button(description="Save", layout={"width": "auto"})
        save.tooltip = "keep what stands in the fields as a file in params/"
        self.message = ipywidgets.HTML()
        self.widget = ipywidgets.HBox(
            [self.choices, self.name, save, self.message], layout={"flex_flow": "row wrap"}
        )
        self._refresh_choices()
        self.choices.observe(lambda _: self._report(self.load), "value")
        save.on_click(lambda _: self._report(self.save))

    def load(self) -> str:
        """Fill the fields from the set that was chosen."""
        file = self.choices.value
        if not file:
            return ""
        values = parameter_sets.load_set(file, [field.parameter for field in self._fields])
        for field in self._fields:
            field.write(values[field.parameter.name])
        return f"loaded {file.name}"

    def save(self) -> str:
        """Keep what stands in the fields; a second press replaces a set that is there."""
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


DRY_RUN = "dry_run"
QUICK_SECONDS = 2


class FormPanel:
    """The form of a session."""

    def __init__(self, session: Session) -> None:
        import ipywidgets

        self._session = session
        self._front_end = FrontEnd()
        self._started = False
        self.fields = [
            fields.make_field(one, session.values[one.name]) for one in session.parameters
        ]
        self.set_picker = ParameterSetPicker(session.notebook, self.fields)
        self.run_button = _make_button("Run", "Run the cells below", "primary")
        self.dry_run_button = _make_button("Dry run", "Run the cells below, and change nothing", "")
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
        has_dry_run = any(one.name == DRY_RUN for one in session.parameters)
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
        """What stands in the fields; it may be wrong."""
        return {field.parameter.name: field.read() for field in self.fields}

    def set_busy(self, is_busy: bool) -> None:
        """Tell whether the kernel works: then it can be stopped, and not be started again."""
        self.run_button.disabled = self.dry_run_button.disabled = is_busy
        self._stop.value = stop_button_html(enabled=is_busy)

    def on_run_end(self, record: RunRecord, results: tuple[Any, ...]) -> None:
        """Tell how the run ended.

        The result is here too, folded: a browser that was reloaded while the cells below ran has
        lost what they showed.
        """
        said = f"{formatting.OUTCOME_SIGNS[formatting.outcome_word(record)]} {formatting.outcome_word(record)}: {record.reason}"
        pages = [page for page in map(_result_html, results) if page]
        folded = f"<details><summary>The result</summary>{''.join(pages)}</details>"
        told = f"<b>{escape(said)}</b> · {formatting.format_run_duration(record.seconds)} · run {escape(record.id)}"
        quick = self._started and (record.seconds or 0) < QUICK_SECONDS
        self._started = False
        self._state.value = scroll_into_view_html(told, soon=quick) + (folded if pages else "")
        self._front_end.save_notebook(self._session.file)

    def _start_run(self, *, dry_run: bool = False) -> None:
        if self.run_button.disabled:
            # The second of a double click
            return
        asked = self.values() | ({DRY_RUN: True} if dry_run else {})
        try:
            self._session.restart(asked)
        except (KpfnbError, OSError) as error:
            self._message.value = error_html(error)
            return
        self.set_busy(True)
        self._message.value = ""
        self._started = True
        self._progress_box.children = ()
        self._state.value = scroll_into_view_html(
            f"{formatting.OUTCOME_SIGNS[formatting.RUNNING]} {formatting.RUNNING}", soon=True
        )
        self._front_end.run_cells_below()
        self._front_end.save_notebook(self._session.file)

    def _on_change(self) -> None:
        try:
            line = shlex.join(self._session.command(self.values()))
        except KpfnbError:
            # The field says what is wrong
            self._command.value = ""
            return
        self._command.value = copy_field_html("the command that repeats it", line)
        self._message.value = ""


def _make_button(name: str, told: str, style: str) -> Any:
    import ipywidgets

    button = ipywidgets.Button(description=name, button_style=style, tooltip=told)
    button.layout.width = "auto"
    return button


def _result_html(result: Any) -> str:
    return result._repr_html_() if hasattr(result, "_repr_html_") else ""
