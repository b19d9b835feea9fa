"""Tables in notebooks: sortable, filterable and searchable in JupyterLab, static HTML elsewhere.

The code of the widget is part of its package: nothing is fetched from the network, and nothing of
it is stored in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import KpfnbError
from kpfnb.core.text import frame_html
from kpfnb.notebook.display.html import error_html

if TYPE_CHECKING:
    import pandas as pd

MIN_INTERACTIVE_ROWS = 6
"""A smaller table needs no search and is shown as plain HTML."""
MAX_BYTES = "2MB"
"""The maximum size of a widget's data; of a larger table the first rows are shown, with a note."""
MAX_CHOICES = 1000
MAX_STATIC_ROWS = 60
"""The maximum length of a table that can be neither scrolled nor searched."""
NO_SELECTION = "(choose a row)"
DATA_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))

RowDetails = Callable[[Mapping[str, Any]], str]
"""Takes a row by column; returns its details as HTML."""


def register_formatter(shell: Any) -> None:
    """Let IPython show every data frame as an interactive table."""
    formatter = shell.display_formatter.ipython_display_formatter
    for module, name in DATA_FRAMES:
        formatter.for_type_by_name(module, name, _display_frame)


def interactive_table(frame: pd.DataFrame, *, row_details: RowDetails | None = None) -> Any:
    """The table as a widget; with `row_details`, the details of the chosen row below it."""
    import ipywidgets
    from itables.widget import ITable

    if not len(frame):
        return ipywidgets.HTML(StaticTable(frame)._repr_html_())
    numbered = frame.reset_index(drop=True)
    values = _display_values(numbered)
    options = {"maxBytes": MAX_BYTES, "allow_html": False, "showIndex": False}
    if row_details is None:
        return ITable(values, **options)
    table = ITable(values, select="single", **options)
    labels = [_row_label(row) for row in values.head(MAX_CHOICES).itertuples(index=False)]
    # The list makes every row reachable by keyboard
    chooser = ipywidgets.Dropdown(
        description="Show details of:",
        style={"description_width": "initial"},
        options=[(NO_SELECTION, -1), *((label, n) for n, label in enumerate(labels))],
        layout={"width": "40em"},
        tooltip="the row whose details are shown; or click the row in the table",
    )
    details = ipywidgets.HTML(layout={"width": "100%"})
    rows = numbered.to_dict("records")

    def show_details(change: Any) -> None:
        details.value = _details_html(row_details, rows[change.new]) if change.new >= 0 else ""

    def choose_clicked_row(change: Any) -> None:
        if change.new and change.new[0] < len(labels):
            chooser.value = change.new[0]

    chooser.observe(show_details, "value")
    table.observe(choose_clicked_row, "selected_rows")
    return ipywidgets.VBox([table, chooser, details])


@dataclass(frozen=True)
class StaticTable:
    """A table as a report shows it: no row numbers, empty cells for missing values."""

    frame: pd.DataFrame

    def __repr__(self) -> str:
        text = (
            self._visible_rows.to_string(index=False, na_rep="") if len(self.frame) else "nothing"
        )
        return "\n".join(filter(None, [text, self._hidden_rows_text]))

    def _repr_html_(self) -> str:
        """All text escaped."""
        if not len(self.frame):
            return "<p>nothing</p>"
        hidden = f"<p>{self._hidden_rows_text}</p>" if self._hidden_rows_text else ""
        return table_html(self._visible_rows) + hidden

    @property
    def _visible_rows(self) -> pd.DataFrame:
        return _without_missing(self.frame.head(MAX_STATIC_ROWS))

    @property
    def _hidden_rows_text(self) -> str:
        hidden = len(self.frame) - MAX_STATIC_ROWS
        return f"and {hidden} more" if hidden > 0 else ""


def table_html(frame: pd.DataFrame) -> str:
    """A table as HTML: without row numbers, all text escaped."""
    return frame_html(_without_missing(frame))


def _display_frame(frame: pd.DataFrame) -> None:
    from IPython.display import HTML, display

    if len(frame) < MIN_INTERACTIVE_ROWS:
        display(HTML(table_html(frame)))
    else:
        display(interactive_table(frame))


def _without_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with empty cells instead of pandas' None."""
    return frame.where(frame.notna(), None).map(lambda value: "" if value is None else value)


def _display_values(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with empty cells for missing values; columns of numbers still sort as numbers."""
    values = frame.copy()
    for position in range(frame.shape[1]):
        # By position: a user's own frame may have two columns of the same name
        column = frame.iloc[:, position]
        missing = column.isna()
        if missing.any():
            pairs = zip(column, missing, strict=True)
            texts = ["" if is_missing else _format_value(value) for value, is_missing in pairs]
            values.isetitem(position, texts)
    return values


def _format_value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row_label(row: tuple[Any, ...]) -> str:
    return " · ".join(str(value) for value in row[:4] if str(value))


def _details_html(row_details: RowDetails, row: Mapping[str, Any]) -> str:
    try:
        return row_details(row)
    except KpfnbError as error:
        return error_html(error)
