"""The part of the form for presets: named sets of parameter values in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook import parameter_sets
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.form.controls import LABEL_WIDTH
from kpfnb.notebook.form.fields import FormField

NO_SET = "(choose one)"


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
