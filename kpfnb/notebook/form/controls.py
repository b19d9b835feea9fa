"""The control of a parameter in a form, by its kind: the widgets, and how they are read and set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb.notebook.form.suggestions import (
    MAX_COMPLETIONS,
    NIGHT_KINDS,
    Suggestions,
    complete_text,
)
from kpfnb.notebook.parameters import Parameter

LABEL_WIDTH = "10em"
CONTROL_WIDTH = "46em"
"""Of all controls, so that the texts beside them stand in one column."""
SHORT_WIDTH = "22em"
SHORT_KINDS = ("bool", "choice", "int", "float", "version")
TEXT_KINDS = ("str", "path", "list[str]", "list[path]", "version", "targets")
PATH_KINDS = ("path", "list[path]")
LIST_KINDS = ("list[str]", "list[path]", "targets")


@dataclass
class FieldControl:
    """A widget, its editable parts, and functions that read and set its value.

    Attributes
    ----------
    text : the part in which a person types text; None if there is none
    suggestions : values that complete the text
    """

    widget: Any
    parts: tuple[Any, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]
    text: Any = None
    suggestions: Suggestions | None = None


def make_control(parameter: Parameter) -> FieldControl:
    """The control of a parameter."""
    import ipywidgets

    kind, name = parameter.kind, parameter.name
    label = {"description": name, "style": {"description_width": LABEL_WIDTH}}
    short = {**label, "layout": {"width": SHORT_WIDTH}}
    if kind.name == "subset":
        return _checkbox_control(name, kind.options)
    if kind.name in NIGHT_KINDS:
        return _night_control(parameter, label)
    if kind.name in TEXT_KINDS:
        width = SHORT_WIDTH if kind.name in SHORT_KINDS else "auto"
        layout = {"width": width, "flex": "1 1 auto" if width == "auto" else "0 0 auto"}
        return _text_control(parameter, {**label, "layout": layout})
    if kind.name == "bool":
        return _value_control(ipywidgets.Checkbox(indent=True, **short))
    if kind.name == "choice":
        return _value_control(ipywidgets.Dropdown(options=kind.options, **short))
    box = ipywidgets.IntText if kind.name == "int" else ipywidgets.FloatText
    return _value_control(box(continuous_update=True, **short))


def _value_control(widget: Any) -> FieldControl:
    def write(value: Any) -> None:
        widget.value = value

    return FieldControl(widget, (widget,), lambda: widget.value, write)


def _text_control(parameter: Parameter, options: dict[str, Any]) -> FieldControl:
    """A text field that suggests how to complete what is typed."""
    import ipywidgets

    box = ipywidgets.Combobox(ensure_option=False, continuous_update=True, **options)

    def write(value: Any) -> None:
        box.value = ", ".join(value) if isinstance(value, list) else value

    control = FieldControl(box, (box,), lambda: box.value, write, box)
    box.observe(lambda _: complete_control(control, parameter.kind.name), "value")
    return control


def _night_control(parameter: Parameter, label: dict[str, Any]) -> FieldControl:
    """A text field with a button for the last night and a calendar."""
    import ipywidgets

    from kpfnb.notebook.form.night_calendar import NightCalendar

    is_list = parameter.kind.name == "targets"
    layout = {"width": "auto" if is_list else "23em", "flex": "1 1 auto" if is_list else "0 0 auto"}
    options = {**label, "layout": layout, "placeholder": "" if is_list else "YYYYMMDD or last"}
    if is_list:
        control = _text_control(parameter, options)
    else:
        text = ipywidgets.Text(continuous_update=True, **options)
        control = _value_control(text)
        control.text = text
    calendar = NightCalendar(parameter.name, control.text, is_list=is_list)
    control.widget = ipywidgets.HBox([control.text, calendar])
    return control


def complete_control(control: FieldControl, kind: str) -> None:
    """Offer in a field what its text can be completed to."""
    typed = control.text.value
    completions = complete_text(typed, control.suggestions or {})
    if kind in PATH_KINDS:
        completions += complete_paths(typed) if kind in LIST_KINDS else complete_path(typed)
    if hasattr(control.text, "options"):
        control.text.options = completions


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


def complete_paths(typed: str) -> tuple[str, ...]:
    """The lists of paths to which the typed one can be completed."""
    head, comma, item = typed.rpartition(",")
    start = f"{head}, " if comma else ""
    return tuple(start + path for path in complete_path(item.strip()))


def _checkbox_control(name: str, options: tuple[str, ...]) -> FieldControl:
    """A check box for each option."""
    import ipywidgets

    boxes = {
        option: ipywidgets.Checkbox(
            description=option, indent=False, tooltip=f"{name}: {option}", layout={"width": "auto"}
        )
        for option in options
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
    return FieldControl(ipywidgets.HBox([label, choices]), tuple(boxes.values()), read, write)
