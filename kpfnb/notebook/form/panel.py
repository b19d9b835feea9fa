"""The form in JupyterLab: fields, presets, buttons, and the status and result of the run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kpfnb.core import progress
from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.form.fields import FormField, make_field
from kpfnb.notebook.form.frontend import (
    FrontEnd,
    copy_field_html,
    scroll_into_view_html,
    stop_button_html,
)
from kpfnb.notebook.form.layout import arrange_fields
from kpfnb.notebook.form.presets import ParameterSetPicker
from kpfnb.notebook.form.suggestions import start_suggestions
from kpfnb.notebook.links import link_html, page_url
from kpfnb.runs import formatting
from kpfnb.runs.report import REPORT_NAME

if TYPE_CHECKING:
    from kpfnb.notebook.parameters import Parameter
    from kpfnb.runs import RunRecord

DRY_RUN = "dry_run"
QUICK_SECONDS = 2
"""A shorter run may end before JupyterLab has scrolled away from the form."""
NOTIFY_SECONDS = 60
"""The browser notifies of the end of a longer run if nobody is looking."""


class FormSession(Protocol):
    """What a form needs of the session of its notebook (`kpfnb.notebook.session.Session`)."""

    parameters: list[Parameter]
    values: dict[str, Any]
    entered: dict[str, Any]
    cell_values: dict[str, Any]
    filled_in: list[str]
    problem: str
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


class FormPanel:
    """The form of a session."""

    def __init__(self, session: FormSession) -> None:
        import ipywidgets

        self._session = session
        self._front_end = FrontEnd(on_enter=self._press_run)
        self._started = False
        self.fields = [
            make_field(parameter, session.entered[parameter.name])
            for parameter in session.parameters
        ]
        self.set_picker = ParameterSetPicker(session.notebook, self.fields)
        self.run_button = _make_button("Run", "Run this task", "primary")
        self.dry_run_button = _make_button("Dry run", "Run this task, and change nothing", "")
        self._stop = ipywidgets.HTML()
        self._message = ipywidgets.HTML(error_html(session.problem))
        self._command = ipywidgets.HTML(layout={"width": "100%"})
        self._state = ipywidgets.HTML(layout={"width": "100%"})
        self._progress_box = ipywidgets.VBox()
        self._differences = _Differences(self.fields, session, self.show_values)
        self.run_button.on_click(lambda _: self._press_run())
        self.dry_run_button.on_click(lambda _: self._press_run(dry_run=True))
        has_dry_run = any(parameter.name == DRY_RUN for parameter in session.parameters)
        buttons = [self.run_button, *([self.dry_run_button] if has_dry_run else []), self._stop]
        more_parts = [*([self.set_picker.widget] if self.fields else []), self._command]
        more = _make_folded("Presets and command", more_parts)
        bar = [*buttons, *([more.button] if self.fields else []), self._front_end, self._message]
        self.widget = ipywidgets.VBox(
            [
                *arrange_fields(self.fields),
                ipywidgets.HBox(bar, layout={"align_items": "center", "flex_flow": "row wrap"}),
                # Below the buttons, which must not move just before they are pressed
                self._differences.widget,
                more.box,
                self._state,
                self._progress_box,
            ]
        )
        self.widget.add_class("kpfnb-form")
        for field in self.fields:
            field.observe(self._on_change)
        progress.set_container(self._progress_box)
        self.set_busy(True)
        self._show_command()
        start_suggestions(self.fields)

    def values(self) -> dict[str, Any]:
        """The values in the fields; they may be invalid."""
        return {field.parameter.name: field.read() for field in self.fields}

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Put these values into the fields."""
        for field in self.fields:
            field.write(values[field.parameter.name])
        self._on_change()

    def set_busy(self, is_busy: bool) -> None:
        """While the kernel works, enable Stop and disable Run."""
        self.run_button.disabled = self.dry_run_button.disabled = is_busy
        self._stop.value = stop_button_html(enabled=is_busy)

    def on_run_end(self, record: RunRecord) -> None:
        """Show how the run ended, with a link to its report."""
        word = formatting.outcome_word(record)
        head = f"<b>{formatting.OUTCOME_SIGNS[word]} {word}</b>: {escape(record.reason)}"
        duration = formatting.format_run_duration(record.seconds)
        report = record.directory / REPORT_NAME
        link = link_html(page_url(report), "report") if page_url(report) else ""
        parts = [head, duration, f"run {escape(record.id)}", link]
        status = " · ".join(filter(None, map(str, parts)))
        seconds = record.seconds or 0
        is_quick = self._started and seconds < QUICK_SECONDS
        self._started = False
        self._state.value = scroll_into_view_html(status, soon=is_quick)
        if seconds >= NOTIFY_SECONDS:
            self._front_end.notify(f"{record.notebook}: {word}", record.reason)
        self._front_end.save_notebook(self._session.file)

    def _press_run(self, *, dry_run: bool = False) -> None:
        parts = [part for field in self.fields for part in field.control.parts]
        self._front_end.pull_widget_state(parts, partial(self._start_run, dry_run=dry_run))

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
        self._message.value = ""
        self._show_command()

    def _show_command(self) -> None:
        self._differences.update()
        try:
            command = shlex.join(self._session.command(self.values()))
        except KpfnbError:
            # The field shows what is wrong
            self._command.value = ""
            return
        self._command.value = copy_field_html("Equivalent command", command)


class _Differences:
    """One line that says which fields differ from the parameters cell, and a button for those."""

    def __init__(
        self,
        fields: Sequence[FormField],
        session: FormSession,
        write: Callable[[Mapping[str, Any]], None],
    ) -> None:
        import ipywidgets

        self._fields, self._session = fields, session
        self._text = ipywidgets.HTML()
        reset = _make_button("Use the cell's values", "Fill in what the parameters cell says", "")
        reset.on_click(lambda _: write(session.cell_values))
        self.widget = ipywidgets.HBox([self._text, reset], layout={"align_items": "center"})

    def update(self) -> None:
        """Compare the fields with the parameters cell."""
        names = [field.parameter.name for field in self._fields if self._differs(field)]
        self.widget.layout.display = "" if names else "none"
        filled = [name for name in names if name in self._session.filled_in]
        others = [name for name in names if name not in filled]
        texts = [f"Filled in by the link: {', '.join(filled)}"] if filled else []
        texts += [f"Not as in the parameters cell: {', '.join(others)}"] if others else []
        self._text.value = f"<small>{escape(' · '.join(texts))}</small>"

    def _differs(self, field: FormField) -> bool:
        wanted = self._session.cell_values[field.parameter.name]
        try:
            return bool(field.parameter.check(field.read()) != wanted)
        except KpfnbError:
            return True


class _Folded(NamedTuple):
    """Widgets that a button shows and hides."""

    button: Any
    box: Any


def _make_folded(title: str, parts: Sequence[Any]) -> _Folded:
    import ipywidgets

    box = ipywidgets.VBox([*parts], layout={"display": "none"})
    box.add_class("kpfnb-presets")
    button = ipywidgets.Button(description=title, icon="caret-right", layout={"width": "auto"})

    def toggle(_: object) -> None:
        is_open = box.layout.display != "none"
        box.layout.display = "none" if is_open else ""
        button.icon = "caret-right" if is_open else "caret-down"

    button.on_click(toggle)
    return _Folded(button, box)


def _make_button(name: str, tooltip: str, style: str) -> Any:
    import ipywidgets

    button = ipywidgets.Button(description=name, button_style=style, tooltip=tooltip)
    button.layout.width = "auto"
    return button
