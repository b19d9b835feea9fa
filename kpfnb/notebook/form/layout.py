"""The arrangement of a form: fields that are rarely changed are folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpfnb.notebook.form.controls import LABEL_WIDTH
from kpfnb.notebook.form.fields import FormField


def arrange_fields(fields: Sequence[FormField]) -> list[Any]:
    """The rows of the fields; those rarely changed below a button that shows them.

    The button says which of them differ from their defaults; an invalid value opens them.
    """
    import ipywidgets

    rare = [field for field in fields if field.parameter.is_rare]
    rows = [field.row for field in fields if not field.parameter.is_rare]
    if not rare:
        return rows
    box = ipywidgets.VBox([field.row for field in rare], layout={"display": "none"})
    button = ipywidgets.Button(
        layout={
            "width": "auto",
            "margin": f"2px 2px 2px {LABEL_WIDTH}",
            "align_self": "flex-start",
        }
    )

    def show(is_open: bool) -> None:
        box.layout.display = "" if is_open else "none"
        describe()

    def describe() -> None:
        is_open = box.layout.display != "none"
        button.icon = "caret-down" if is_open else "caret-right"
        button.description = describe_rare(rare, is_open=is_open)

    def on_change() -> None:
        show(box.layout.display != "none" or not all(field.check() for field in rare))

    button.on_click(lambda _: show(box.layout.display == "none"))
    for field in rare:
        field.observe(on_change)
    on_change()
    return [*rows, button, box]


def describe_rare(fields: Sequence[FormField], *, is_open: bool) -> str:
    """The text of the button: the folded parameters, and which of them are changed."""
    if is_open:
        return "Fewer parameters"
    names = ", ".join(field.parameter.name for field in fields)
    changed = ", ".join(field.parameter.name for field in fields if not field.is_default())
    return f"More parameters: {names}" + (f" · changed: {changed}" if changed else "")
