"""The field of one parameter: a labelled control, its help, and what is wrong with its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.form import error_html
from kpfnb.notebook.parameters import Parameter, ParameterKind

LABEL_WIDTH = "11em"
FIELD_WIDTH = "27em"
MAX_COMPLETIONS = 50


class FieldControl(NamedTuple):
    """A widget, its parts that a person changes, and how its value is read and set."""

    widget: Any
    parts: tuple[Any, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]


@dataclass(frozen=True)
class FormField:
    """One parameter in the form."""

    parameter: Parameter
    row: Any
    """The widget with all that belongs to it."""
    message: Any
    control: FieldControl

    def read(self) -> Any:
        """The value as it stands; it may be wrong."""
        return self.control.read()

    def write(self, value: Any) -> None:
        """Show another value."""
        self.control.write(value)
        self.check()

    def check(self) -> bool:
        """True where the value is one; says beside the field what is wrong."""
        try:
            self.parameter.check(self.read())
        except InvalidParameterError as error:
            self.message.value = error_html(error.what)
            self.message.layout.display = "block"
            return False
        self.message.layout.display = "none"
        return True

    def observe(self, changed: Callable[[], object]) -> None:
        """Be told of every change, as it is typed."""
        for part in self.control.parts:
            part.observe(lambda _: changed(), "value")


def make_field(parameter: Parameter, value: Any) -> FormField:
    """The field of a parameter, which checks itself as one types."""
    import ipywidgets

    control = _make_control(parameter)
    for part in control.parts:
        part.tooltip = part.tooltip or parameter.help
    note = ipywidgets.HTML(
        f"<small>{escape(_help_text(parameter))}</small>", layout={"margin": "0"}
    )
    message = ipywidgets.HTML(layout={"margin": "0", "display": "none"})
    beside = ipywidgets.VBox([note, message], layout={"flex": "1 1 20em", "min_width": "0"})
    row = ipywidgets.HBox([control.widget, beside], layout={"flex_flow": "row wrap"})
    field = FormField(parameter, row, message, control)
    field.write(value)
    field.observe(field.check)
    return field


def _help_text(parameter: Parameter) -> str:
    """The help, and the limits where the help does not have them."""
    kind = parameter.kind
    if kind.name not in ("int", "float") or not kind.options:
        return parameter.help
    limits = " to ".join(kind.options)
    return f"{parameter.help} · {limits}" if parameter.help else limits


def _make_control(parameter: Parameter) -> FieldControl:
    import ipywidgets

    kind, name = parameter.kind, parameter.name
    look = {"description": name, "style": {"description_width": LABEL_WIDTH}}
    wide = {**look, "layout": {"width": FIELD_WIDTH}}
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


def _path_control(look: dict[str, Any]) -> FieldControl:
    """A text that offers the files and directories that begin like it."""
    import ipywidgets

    box = ipywidgets.Combobox(ensure_option=False, continuous_update=True, **look)
    box.observe(lambda _: setattr(box, "options", complete_path(box.value)), "value")
    return _value_control(box)


def complete_path(typed: str) -> tuple[str, ...]:
    """The paths that begin as typed, directories with a slash; none where there is no such place.

    What begins with a dot is offered only where a dot was typed.
    """
    head, slash, start = typed.rpartition("/")
    place = Path(head + slash or ".").expanduser()
    try:
        found = sorted(
            f"{head}{slash}{one.name}{'/' if one.is_dir() else ''}"
            for one in place.iterdir()
            if one.name.startswith(start) and (start or not one.name.startswith("."))
        )
    except OSError:
        return ()
    return tuple(found[:MAX_COMPLETIONS])


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
