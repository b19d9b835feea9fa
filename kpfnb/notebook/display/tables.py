"""Tables in notebooks: sortable, filterable and searchable in JupyterLab, static HTML elsewhere.

The code of the widget is part of its package: nothing is fetched from the network, and nothing of
it is stored in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import TYPE_CHECKING, Any

import markupsafe
from markupsafe import Markup

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.display.html import error_html

if TYPE_CHECKING:
    import pandas as pd

MIN_INTERACTIVE_ROWS = 6
"""A smaller table needs no search and is shown as plain HTML."""
MAX_BYTES = "2MB"
"""The maximum size of a widget's data; of a larger table the first rows are shown, with a note."""
MAX_STATIC_ROWS = 60
"""The maximum length of a table that can be neither scrolled nor searched."""
PAGE_ROWS = 10
MAX_SHORT = 1e6
"""Larger numbers are shown with all their digits, smaller ones with six."""
DATA_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))
NOTHING = "No rows."
HINT = "Click a row for its details, or move to it with Tab and the arrow keys and press Enter."

PASS = "PASS"  # noqa: S105
VERDICT_WORDS = {PASS, "WARN", "FAIL", "not judged", ""}
"""A column with no other words is a verdict; rows that passed come after the others."""

# JupyterLab's shortcuts would take the arrow keys and Enter for its cells
_KEEP_KEYS = """function () {
  this.api().table().container().setAttribute("data-lm-suppress-shortcuts", "true");
}"""
_STYLE = (
    "<style>.kpfnb-table.kpfnb-table :is(th, td) {text-align: left; vertical-align: top} "
    ".kpfnb-table.kpfnb-table .number {text-align: right}</style>"
)
"""JupyterLab aligns all cells to the right; reports have their own style sheet."""
_LINK_STYLE = "<style>table.dataTable a {color: inherit; text-decoration: underline}</style>"
"""JupyterLab shows links in widgets as plain text."""

RowDetails = Callable[[Mapping[str, Any]], str]
"""Takes a row by column; returns its details as HTML."""
RowAction = Callable[[Mapping[str, Any]], str]
"""Does something with a row, given by column; returns what it did, as text."""


def register_formatter(shell: Any) -> None:
    """Let IPython show every data frame as an interactive table."""
    formatter = shell.display_formatter.ipython_display_formatter
    for module, name in DATA_FRAMES:
        formatter.for_type_by_name(module, name, _display_frame)


def interactive_table(
    frame: pd.DataFrame,
    *,
    row_details: RowDetails | None = None,
    row_actions: Mapping[str, RowAction] | None = None,
    nothing: str = NOTHING,
) -> Any:
    """The table as a widget; a chosen row shows its details and buttons below the table.

    Cells that are `Markup` are HTML; all others are text.

    Parameters
    ----------
    row_details : called for a row when it is chosen
    row_actions : what each button does with the chosen row, by its label
    nothing : what is said of a table without rows
    """
    import ipywidgets
    from itables import JavascriptFunction
    from itables.widget import ITable

    if not len(frame):
        return ipywidgets.HTML(StaticTable(frame, nothing)._repr_html_())
    ordered = put_passed_last(frame).reset_index(drop=True)
    values, has_html = _display_values(ordered)
    options: dict[str, Any] = {
        "maxBytes": MAX_BYTES,
        "allow_html": has_html,
        "showIndex": False,
        "pageLength": PAGE_ROWS,
        "style": "table-layout: auto; width: auto; margin: 0",
    }
    style = [ipywidgets.HTML(_LINK_STYLE, layout={"display": "none"})] if has_html else []
    if row_details is None and not row_actions:
        table = ITable(values, **options)
        return ipywidgets.VBox([table, *style]) if style else table
    table = ITable(
        values,
        select={"style": "single", "keys": True, "info": False},
        drawCallback=JavascriptFunction(_KEEP_KEYS),
        **options,
    )
    panel = _RowPanel(ordered, row_details, row_actions or {})
    table.observe(lambda change: panel.show(change.new), "selected_rows")
    return ipywidgets.VBox([table, panel.box, *style])


class _RowPanel:
    """The details and buttons of the chosen row; details are made when they are asked for."""

    def __init__(
        self, frame: pd.DataFrame, details: RowDetails | None, actions: Mapping[str, RowAction]
    ) -> None:
        import ipywidgets

        self._frame = frame
        self._make_details = details
        self._row: Mapping[str, Any] = {}
        self.details = ipywidgets.HTML(f"<small>{HINT}</small>", layout={"width": "100%"})
        self.message = ipywidgets.HTML()
        self.buttons = [self._make_button(label, action) for label, action in actions.items()]
        self._bar = ipywidgets.HBox([*self.buttons, self.message], layout={"display": "none"})
        self.box = ipywidgets.VBox([self._bar, self.details])

    def show(self, chosen: list[int]) -> None:
        """Show the chosen row; without one, the hint."""
        self.message.value = ""
        self._bar.layout.display = None if chosen and self.buttons else "none"
        if not chosen:
            self.details.value = f"<small>{HINT}</small>"
            return
        [values] = self._frame.iloc[chosen[:1]].to_dict("records")
        self._row = {str(name): value for name, value in values.items()}
        self.details.value = self._details_html()

    def _details_html(self) -> str:
        if self._make_details is None:
            return ""
        try:
            return self._make_details(self._row)
        except KpfnbError as error:
            return error_html(error)

    def _make_button(self, label: str, action: RowAction) -> Any:
        import ipywidgets

        button = ipywidgets.Button(description=label, button_style="warning")
        button.layout.width = "auto"

        def act(_: object) -> None:
            try:
                self.message.value = escape(action(self._row))
            except KpfnbError as error:
                self.message.value = error_html(error)

        button.on_click(act)
        return button


@dataclass(frozen=True)
class StaticTable:
    """A table as a report shows it: no row numbers, empty cells for missing values.

    Attributes
    ----------
    nothing : what is said of a table without rows
    """

    frame: pd.DataFrame
    nothing: str = NOTHING

    def __repr__(self) -> str:
        if not len(self.frame):
            return self.nothing
        rows = self._visible_rows
        # Empty instead of pandas' None
        shown = rows.where(rows.notna(), None).map(lambda value: "" if value is None else value)
        text = shown.to_string(index=False, na_rep="")
        return "\n".join(filter(None, [text, self._hidden_rows_text]))

    def _repr_html_(self) -> str:
        """All text escaped."""
        if not len(self.frame):
            return f"<p>{escape(self.nothing)}</p>"
        hidden = f"<p>{self._hidden_rows_text}</p>" if self._hidden_rows_text else ""
        return table_html(self._visible_rows) + hidden

    @property
    def _visible_rows(self) -> pd.DataFrame:
        return put_passed_last(self.frame).head(MAX_STATIC_ROWS)

    @property
    def _hidden_rows_text(self) -> str:
        hidden = len(self.frame) - MAX_STATIC_ROWS
        return f"and {hidden} more" if hidden > 0 else ""


def table_html(frame: pd.DataFrame) -> str:
    """A table as HTML: no row numbers, numbers to the right; what is not `Markup` is escaped."""
    columns = [frame.iloc[:, position] for position in range(frame.shape[1])]
    classes = [" class='number'" if _has_numbers(column) else "" for column in columns]
    heads = [
        f"<th scope='col'{kind}>{markupsafe.escape(name)}</th>"
        for name, kind in zip(frame.columns, classes, strict=True)
    ]
    rows = [
        "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells, classes, strict=True))
        for cells in zip(*map(_cells_html, columns), strict=True)
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    head = f"<thead><tr>{''.join(heads)}</tr></thead>"
    return f"{_STYLE}<table class='kpfnb-table'>{head}<tbody>{body}</tbody></table>"


def put_passed_last(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the rows that passed after the others, if a column has a verdict."""
    for position in range(frame.shape[1]):
        words = frame.iloc[:, position].astype(object)
        present = {str(word) for word in words.dropna()} if _is_text(words) else set()
        if PASS in present and present <= VERDICT_WORDS:
            passed = (words.astype(str) == PASS).to_numpy()
            return frame.iloc[passed.argsort(kind="stable")]
    return frame


def _is_text(column: pd.Series[Any]) -> bool:
    return all(isinstance(value, str) for value in column.dropna())


def _has_numbers(column: pd.Series[Any]) -> bool:
    present = [value for value in column.dropna() if value != ""]
    return bool(present) and all(
        isinstance(value, Real) and not isinstance(value, bool) for value in present
    )


def _cells_html(column: pd.Series[Any]) -> list[str]:
    """The values of a column as HTML; empty for missing ones."""
    return [str(markupsafe.escape(text)) for text in _cell_texts(column)]


def _cell_texts(column: pd.Series[Any]) -> list[str]:
    pairs = zip(column, column.isna(), strict=True)
    return ["" if is_missing else _format_value(value) for value, is_missing in pairs]


def _display_frame(frame: pd.DataFrame) -> None:
    from IPython.display import HTML, display

    if len(frame) < MIN_INTERACTIVE_ROWS:
        display(HTML(StaticTable(frame)._repr_html_()))
    else:
        display(interactive_table(frame))


def _display_values(frame: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The frame for the widget, with empty cells for missing values; and whether it has HTML.

    Columns of numbers still sort as numbers.
    """
    values = frame.copy()
    columns = [frame.iloc[:, position] for position in range(frame.shape[1])]
    texts = [position for position, column in enumerate(columns) if column.dtype.kind not in "biuf"]
    has_html = any(isinstance(value, Markup) for n in texts for value in columns[n])
    # By position: a user's own frame may have two columns of the same name
    for position, column in enumerate(columns):
        if has_html and position in texts:
            values.isetitem(position, _cells_html(column))
        elif column.isna().any() or column.dtype.kind == "f":
            values.isetitem(position, _cell_texts(column))
    if has_html:
        values.columns = [str(markupsafe.escape(name)) for name in values.columns]
    return values, has_html


def _format_value(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    return f"{value:.6g}" if isinstance(value, float) and abs(value) < MAX_SHORT else str(value)
