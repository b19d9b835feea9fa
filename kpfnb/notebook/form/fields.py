"""The form field of one parameter: a labelled control, its help, and an error message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.form.suggestions import (
    MAX_COMPLETIONS,
    Suggestions,
    complete_text,
    explain_text,
)
from kpfnb.notebook.parameter_kinds import ParameterKind
from kpfnb.notebook.parameters import Parameter

LABEL_WIDTH = "11em"
FIELD_WIDTH = "27em"

_COMPLETED_KINDS = ("str", "list[str]")


class FieldControl(NamedTuple):
    """A widget, its editable parts, and functions that read and set its value."""

    widget: Any
    parts: tuple[Any, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]


@dataclass(frozen=True)
class FormField:
    """One parameter in the form."""

    parameter: Parameter
    row: Any
    """The widget with control, help and error message."""
    message: Any
    control: FieldControl

    def read(self) -> Any:
        """The current value; it may be invalid."""
        return self.control.read()

    def write(self, value: Any) -> None:
        """Set the value and check it."""
        self.control.write(value)
        self.check()

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

    def observe(self, on_change: Callable[[], object]) -> None:
        """Call `on_change` after every change, also while a person types."""
        for part in self.control.parts:
            part.observe(lambda _: on_change(), "value")


def make_field(
    parameter: Parameter, value: Any, suggestions: Suggestions | None = None
) -> FormField:
    """The field of a parameter; it checks its value while a person types.

    Suggestions complete what is typed into a field of text, and explain it.
    """
    import ipywidgets

    suggestions = suggestions if parameter.kind.name in _COMPLETED_KINDS else None
    control = _make_control(parameter, suggestions or {})
    for part in control.parts:
        part.tooltip = part.tooltip or parameter.help
    note = ipywidgets.HTML(
        f"<small>{escape(_help_text(parameter))}</small>", layout={"margin": "0"}
    )
    message = ipywidgets.HTML(layout={"margin": "0", "display": "none"})
    beside = ipywidgets.VBox([note, message], layout={"flex": "1 1 20em", "min_width": "0"})
    row = ipywidgets.HBox([control.widget, beside], layout={"flex_flow": "row wrap"})
    field = FormField(parameter, row, message, control)
    if suggestions:
        field.observe(lambda: _explain_value(field, note, suggestions))
    field.write(value)
    field.observe(field.check)
    return field


def _explain_value(field: FormField, note: Any, suggestions: Suggestions) -> None:
    """Show beside the field what its known values are."""
    explanation = explain_text(field.control.widget.value, suggestions)
    text = " · ".join(filter(None, [_help_text(field.parameter), explanation]))
    note.value = f"<small>{escape(text)}</small>"


def _help_text(parameter: Parameter) -> str:
    """The help, and the limits of a number."""
    kind = parameter.kind
    if kind.name not in ("int", "float") or not kind.options:
        return parameter.help
    limits = " to ".join(kind.options)
    return f"{parameter.help} · {limits}" if parameter.help else limits


def _make_control(parameter: Parameter, suggestions: Suggestions) -> FieldControl:
    import ipywidgets

    kind, name = parameter.kind, parameter.name
    label = {"description": name, "style": {"description_width": LABEL_WIDTH}}
    wide = {**label, "layout": {"width": FIELD_WIDTH}}
    if kind.name == "bool":
        return _value_control(ipywidgets.Checkbox(indent=True, **wide))
    if kind.name == "choice":
        return _value_control(ipywidgets.Dropdown(options=kind.options, **wide))
    if kind.name == "subset":
        return _checkbox_control(name, kind)
    if kind.name == "night":
        picker = ipywidgets.DatePicker(**wide)
        return FieldControl(
            picker, (picker,), lambda: _format_night(picker.value), _date_setter(picker)
        )
    if kind.name == "path":
        return _path_control(wide)
    if kind.name in ("int", "float"):
        box = ipywidgets.IntText if kind.name == "int" else ipywidgets.FloatText
        return _value_control(box(continuous_update=True, **wide))
    if suggestions:
        text = _make_completing_box(lambda typed: complete_text(typed, suggestions), wide)
        text.options = complete_text("", suggestions)
    else:
        text = ipywidgets.Text(continuous_update=True, **wide)
    return FieldControl(text, (text,), lambda: text.value, _text_setter(text))


def _value_control(widget: Any) -> FieldControl:
    def write(value: Any) -> None:
        widget.value = value

    return FieldControl(widget, (widget,), lambda: widget.value, write)


def _checkbox_control(name: str, kind: ParameterKind) -> FieldControl:
    """A check box for each option."""
    import ipywidgets

    boxes = {
        option: ipywidgets.Checkbox(
            description=option, indent=False, tooltip=f"{name}: {option}", layout={"width": "auto"}
        )
        for option in kind.options
    }

    def write(value: Any) -> None:
        for option, box in boxes.items():
            box.value = option in value

    def read() -> list[str]:
        return [option for option, box in boxes.items() if box.value]

    label = ipywidgets.Label(name, layout={"width": LABEL_WIDTH, "justify_content": "flex-end"})
    choices = ipywidgets.HBox(
        [*boxes.values()], layout={"flex_flow": "row wrap", "grid_gap": "8px"}
    )
    group = ipywidgets.HBox([label, choices], layout={"min_width": FIELD_WIDTH})
    return FieldControl(group, tuple(boxes.values()), read, write)


def _path_control(options: dict[str, Any]) -> FieldControl:
    """A text field that suggests files and directories."""
    return _value_control(_make_completing_box(complete_path, options))


def _make_completing_box(
    complete: Callable[[str], tuple[str, ...]], options: dict[str, Any]
) -> Any:
    """A text field that suggests how to complete what is typed."""
    import ipywidgets

    box = ipywidgets.Combobox(ensure_option=False, continuous_update=True, **options)
    box.observe(lambda _: setattr(box, "options", complete(box.value)), "value")
    return box


def complete_path(typed: str) -> tuple[str, ...]:
    """The paths that begin with the typed text, directories with a slash at the end.

    Hidden files are suggested only after a dot was typed.
    """
    head, slash, start = typed.rpartition("/")
    directory = Path(head + slash or ".").expanduser()
    try:
        completions = sorted(
            f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"
            for path in directory.iterdir()
            if path.name.startswith(start) and (start or not path.name.startswith("."))
        )
    except OSError:
        return ()
    return tuple(completions[:MAX_COMPLETIONS])


def _format_night(value: date | None) -> str:
    return value.strftime("%Y%m%d") if value else ""


def _date_setter(picker: Any) -> Callable[[str], None]:
    def write(night: str) -> None:
        picker.value = date(int(night[:4]), int(night[4:6]), int(night[6:])) if night else None

    return write


def _text_setter(box: Any) -> Callable[[Any], None]:
    def write(value: Any) -> None:
        box.value = ", ".join(value) if isinstance(value, list) else value

    return write
