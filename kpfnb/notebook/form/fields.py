"""The form field of one parameter: a labelled control, its help, and an error message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.form.controls import (
    CONTROL_WIDTH,
    FieldControl,
    complete_control,
    make_control,
)
from kpfnb.notebook.form.suggestions import Suggestions, explain_text
from kpfnb.notebook.parameters import Parameter

ONE_LINE = (
    "width: 0; min-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap"
)
"""A long text beside a field is cut, and shown as a tooltip, so that each field is one line."""


@dataclass(frozen=True)
class FormField:
    """One parameter in the form."""

    parameter: Parameter
    row: Any
    """The widget with control, help and error message."""
    note: Any
    message: Any
    control: FieldControl

    @property
    def takes_suggestions(self) -> bool:
        """Whether a person types text into it."""
        return self.control.text is not None

    def read(self) -> Any:
        """The current value; it may be invalid."""
        return self.control.read()

    def write(self, value: Any) -> None:
        """Set the value and check it."""
        self.control.write(value)
        self.check()

    def is_default(self) -> bool:
        """Whether the value is the parameter's default."""
        try:
            return bool(self.parameter.check(self.read()) == self.parameter.default)
        except InvalidParameterError:
            return False

    def check(self) -> bool:
        """True if the value is valid; otherwise show the error beside the field."""
        try:
            self.parameter.check(self.read())
        except InvalidParameterError as error:
            self.message.value = error_html(error.what)
            self.message.layout.display = "block"
            return False
        self.message.layout.display = "none"
        return True

    def suggest(self, suggestions: Suggestions, problem: str = "") -> None:
        """Complete what is typed by these values, and explain those in the field.

        problem : why there are none
        """
        self.control.suggestions = suggestions
        complete_control(self.control, self.parameter.kind.name)
        self._show_note(problem)
        self.observe(lambda: self._show_note(problem))

    def observe(self, on_change: Callable[[], object]) -> None:
        """Call `on_change` after every change, also while a person types."""
        for part in self.control.parts:
            part.observe(lambda _: on_change(), "value")

    def _show_note(self, problem: str) -> None:
        explanation = explain_text(self.control.text.value, self.control.suggestions or {})
        self.note.value = note_html(explanation, _help_text(self.parameter), problem)


def make_field(parameter: Parameter, value: Any) -> FormField:
    """The field of a parameter; it checks its value while a person types."""
    import ipywidgets

    control = make_control(parameter)
    for part in control.parts:
        part.tooltip = part.tooltip or parameter.help
    note = ipywidgets.HTML(
        note_html(_help_text(parameter)), layout={"margin": "0", "width": "100%"}
    )
    message = ipywidgets.HTML(layout={"margin": "0", "display": "none"})
    holder = ipywidgets.HBox([control.widget], layout={"flex": f"0 1 {CONTROL_WIDTH}"})
    if control.text is not None:
        control.widget.layout.flex = control.widget.layout.flex or "1 1 auto"
    beside = ipywidgets.VBox(
        [note, message],
        layout={
            "flex": "1 1 0",
            "min_width": "8em",
            "justify_content": "center",
            "overflow": "hidden",
            "padding": "0 0 0 8px",
        },
    )
    row = ipywidgets.HBox([holder, beside])
    field = FormField(parameter, row, note, message, control)
    field.write(value)
    field.observe(field.check)
    return field


def note_html(*texts: str) -> str:
    """The text beside a field, in one line."""
    text = escape(" · ".join(filter(None, texts)), quote=True)
    return f'<div style="{ONE_LINE}" title="{text}"><small>{text}</small></div>'


def _help_text(parameter: Parameter) -> str:
    """The help, and the limits of a number."""
    kind = parameter.kind
    if kind.name not in ("int", "float") or not kind.options:
        return parameter.help
    limits = " to ".join(kind.options)
    return f"{parameter.help} · {limits}" if parameter.help else limits
