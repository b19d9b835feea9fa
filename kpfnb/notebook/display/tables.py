"""A table that can be sorted, filtered and searched in JupyterLab; a plain data frame elsewhere.

The widget's code comes with it: no network is asked, and nothing of it is stored in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.form import error_html

if TYPE_CHECKING:
    import pandas as pd

MIN_INTERACTIVE_ROWS = 6
"""A smaller table is seen at a glance."""
MAX_BYTES = "2MB"
"""Of one table; of a larger one so many rows are shown, and it says so."""
MAX_CHOICES = 1000
MAX_STATIC_ROWS = 60
"""Of a table that nobody can scroll or search."""
NO_SELECTION = "(choose a row)"
DATA_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))

RowDetails = Callable[[Mapping[str, Any]], str]
"""Takes a row by column; gives the HTML of what it leads to."""


def register_formatter(shell: Any) -> None:
    """Let every data frame that a cell shows be one that can be searched."""
    formatter = shell.display_formatter.ipython_display_formatter
    for module, name in DATA_FRAMES:
        formatter.for_type_by_name(module, name, _display_frame)


def interactive_table(frame: pd.DataFrame, *, row_details: RowDetails | None = None) -> Any:
    """The table as a widget; with `lead`, below it what the chosen row leads to."""
    import ipywidgets
    from itables.widget import ITable

    if not len(frame):
        return ipywidgets.HTML(StaticTable(frame)._repr_html_())
    plain = frame.reset_index(drop=True)
    told = _display_values(plain)
    options = {"maxBytes": MAX_BYTES, "allow_html": False, "showIndex": False}
    if row_details is None:
        return ITable(told, **options)
    table = ITable(told, select="single", **options)
    names = [_row_label(row) for row in told.head(MAX_CHOICES).itertuples(index=False)]
    # By keyboard a row is chosen from a list
    chooser = ipywidgets.Dropdown(
        description="look at",
        options=[(NO_SELECTION, -1), *((name, n) for n, name in enumerate(names))],
        layout={"width": "40em"},
        tooltip="the row to look at; or press it in the table",
    )
    found = ipywidgets.HTML(layout={"width": "100%"})
    rows = plain.to_dict("records")

    def choose(change: Any) -> None:
        found.value = _details_html(row_details, rows[change.new]) if change.new >= 0 else ""

    def press(change: Any) -> None:
        if change.new and change.new[0] < len(names):
            chooser.value = change.new[0]

    chooser.observe(choose, "value")
    table.observe(press, "selected_rows")
    return ipywidgets.VBox([table, chooser, found])


@dataclass(frozen=True)
class StaticTable:
    """A table as a report shows it: without row numbers and words for nothing."""

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
        return table_html(self._visible_rows) + (
            f"<p>{self._hidden_rows_text}</p>" if self._hidden_rows_text else ""
        )

    @property
    def _visible_rows(self) -> pd.DataFrame:
        return _without_missing(self.frame.head(MAX_STATIC_ROWS))

    @property
    def _hidden_rows_text(self) -> str:
        more = len(self.frame) - MAX_STATIC_ROWS
        return f"and {more} more" if more > 0 else ""


def table_html(frame: pd.DataFrame) -> str:
    """A table as HTML: without row numbers, all text escaped."""
    return str(_without_missing(frame).to_html(index=False, border=0, justify="left", na_rep=""))


def _display_frame(frame: pd.DataFrame) -> None:
    from IPython.display import HTML, display

    if len(frame) < MIN_INTERACTIVE_ROWS:
        display(HTML(table_html(frame)))
    else:
        display(interactive_table(frame))


def _without_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with nothing for None, which pandas would write out."""
    return frame.where(frame.notna(), None).map(lambda one: "" if one is None else one)


def _display_values(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with nothing where a value is missing; numbers are still sorted as such."""
    told = frame.copy()
    for place in range(frame.shape[1]):
        # By its place: a person's own frame may have two columns of a name
        column = frame.iloc[:, place]
        missing = column.isna()
        if missing.any():
            pairs = zip(column, missing, strict=True)
            told.isetitem(place, ["" if gone else _format_value(value) for value, gone in pairs])
    return told


def _format_value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row_label(row: tuple[Any, ...]) -> str:
    return " · ".join(str(value) for value in row[:4] if str(value))


def _details_html(lead: RowDetails, row: Mapping[str, Any]) -> str:
    try:
        return lead(row)
    except KpfnbError as error:
        return error_html(error)
