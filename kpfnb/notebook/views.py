"""What a notebook shows: tables, plots and buttons that a person has to press.

Each works in JupyterLab, where a person can sort, zoom and press, and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.notebook.display.tables import RowAction, RowDetails


class NotebookViews:
    """The part of a session that shows something."""

    @property
    def interactive(self) -> bool:
        """True in JupyterLab, where a person uses the notebook."""
        raise NotImplementedError

    def confirm(self, question: str, action: Callable[[], object]) -> None:
        """In JupyterLab, a button that does `action` and displays its result; elsewhere nothing."""
        from kpfnb.notebook import form

        form.show_confirm_button(self.interactive, question, action)

    def table(
        self,
        frame: pd.DataFrame,
        row_details: RowDetails | None = None,
        *,
        row_actions: Mapping[str, RowAction] | None = None,
        nothing: str = "No rows.",
    ) -> Any:
        """In JupyterLab a table to sort, filter and search; elsewhere a static one.

        Parameters
        ----------
        row_details : takes a row by column name; returns its details as HTML
        row_actions : what each button does with the chosen row, by its label
        nothing : what is said of a table without rows
        """
        from kpfnb.notebook.display import static_views, tables

        static = tables.StaticTable(frame, nothing)
        if not self.interactive:
            return static
        widget = tables.interactive_table(
            frame, row_details=row_details, row_actions=row_actions, nothing=nothing
        )
        static_views.register_view(widget, static)
        return widget

    def plot(self, shown: object) -> Any:
        """The plot of a result or a Figure: with zoom and tooltips in JupyterLab, else the Figure.

        shown : a Figure, or a result whose package registers a plot for it
        """
        from matplotlib.figure import Figure

        from kpfnb.notebook.display import figures

        if isinstance(shown, Figure):
            hover_figure = figures.HoverFigure(shown)
        else:
            hover_figure = figures.hover_plot(shown)
        if not self.interactive:
            return hover_figure.figure
        from kpfnb.notebook.display.figure_widget import FigureWidget

        return FigureWidget(hover_figure)
