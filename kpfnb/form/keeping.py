"""The part of the form that loads and saves named sets of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from kpfnb.errors import KpfnbError
from kpfnb.form import alarm, sets
from kpfnb.form.fields import LABEL_WIDTH, Field

NONE = "(choose one)"


class Keeping:
    """A list of the sets, one that fills the fields, and one that keeps what stands in them."""

    def __init__(self, notebook: str, fields: Sequence[Field]) -> None:
        import ipywidgets

        self._notebook = notebook
        self._fields = fields
        self._replace = ""
        self.known = ipywidgets.Dropdown(
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
            [self.known, self.name, save, self.message], layout={"flex_flow": "row wrap"}
        )
        self._list()
        self.known.observe(lambda _: self._tell(self.load), "value")
        save.on_click(lambda _: self._tell(self.save))

    def load(self) -> str:
        """Fill the fields from the set that was chosen."""
        file = self.known.value
        if not file:
            return ""
        values = sets.load(file, [field.parameter for field in self._fields])
        for field in self._fields:
            field.write(values[field.parameter.name])
        return f"loaded {file.name}"

    def save(self) -> str:
        """Keep what stands in the fields; a second press replaces a set that is there."""
        name = self.name.value.strip()
        replace, self._replace = name == self._replace, name
        file = sets.save(
            self._notebook,
            name,
            [field.parameter for field in self._fields],
            {field.parameter.name: field.read() for field in self._fields},
            replace=replace,
        )
        self._replace = ""
        self._list(file)
        return f"saved {file.name}"

    def _list(self, chosen: Path | str = "") -> None:
        self.known.options = [(NONE, ""), *sets.names(self._notebook).items()]
        self.known.value = chosen

    def _tell(self, action: Callable[[], str]) -> None:
        try:
            self.message.value = f"<span role='status'>{escape(action())}</span>"
        except KpfnbError as error:
            self.message.value = alarm(error)
