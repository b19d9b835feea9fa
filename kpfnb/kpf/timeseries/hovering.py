"""A picture in JupyterLab: zoom and pan, and the observation under the mouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kpfnb.kpf.tsdb.packing import Array
from kpfnb.kpf.tsdb.plots import canvas as sheets
from kpfnb.kpf.tsdb.plots import curves
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.drawing import Drawn

NEAR_PIXELS = 8.0
SCREEN_DPI = 80
"""The picture is as wide as a notebook."""


@dataclass(frozen=True)
class Points:
    """The values of a curve, and what each is.

    Attributes
    ----------
    at : times (days since 1970) and values, shape (n, 2)
    """

    label: str
    unit: str
    at: Array
    obsids: Array

    def nearest(self, transform: Any, x: float, y: float) -> tuple[float, str]:
        """The distance (pixels) of the value nearest to a place, and what it is."""
        if not len(self.at):
            return np.inf, ""
        distances = np.hypot(*(transform.transform(self.at) - (x, y)).T)
        one = int(np.argmin(distances))
        value = curves.number(self.at[one, 1])
        return float(
            distances[one]
        ), f"{self.obsids[one]}\n{self.label}: {value} {self.unit}".rstrip()


def points(view: View) -> list[list[Points]]:
    """The curves of each row of a panel."""
    found = []
    for row in view.panel.rows:
        own = []
        for curve in curves.curves(view, row):
            known = np.isfinite(curve.values)
            at = np.column_stack([view.times[known], curve.values[known]])
            own.append(Points(curve.label, row.unit, at, view.obsids[known]))
        found.append(own)
    return found


def canvas(view: View, drawn: Drawn) -> Any:
    """The picture as a widget (ipympl)."""
    from ipympl.backend_nbagg import Canvas, FigureManager

    drawn.figure.set_dpi(SCREEN_DPI)
    widget = Canvas(drawn.figure)
    FigureManager(widget, 1)
    widget.header_visible = False
    widget.toolbar_position, widget.toolbar_visible = "top", "visible"
    Hover(drawn, points(view)).connect(widget)
    return widget


class Hover:
    """Tells what is under the mouse."""

    def __init__(self, drawn: Drawn, rows: list[list[Points]]) -> None:
        self._rows = dict(zip(drawn.axes, rows, strict=True))
        self._notes = {one: _note(one) for one in drawn.axes}

    def connect(self, widget: Any) -> None:
        """Follow the mouse on a canvas."""
        widget.mpl_connect("motion_notify_event", lambda event: self.move(event, widget))

    def move(self, event: Any, widget: Any) -> None:
        """Show the nearest value, or nothing where none is near."""
        shown = [note for note in self._notes.values() if note.get_visible()]
        text = self.under(event)
        for note in shown:
            note.set_visible(False)
        if text:
            note = self._notes[event.inaxes]
            note.xy = (event.xdata, event.ydata)
            note.set_text(text)
            note.set_visible(True)
        if text or shown:
            widget.draw_idle()

    def under(self, event: Any) -> str:
        """What is under the mouse; '' where nothing is near."""
        if event.inaxes not in self._rows:
            return ""
        near = [
            one.nearest(event.inaxes.transData, event.x, event.y)
            for one in self._rows[event.inaxes]
        ]
        distance, text = min(near, default=(np.inf, ""))
        return text if distance <= NEAR_PIXELS else ""


def _note(axes: Any) -> Any:
    return axes.annotate(
        "",
        (0, 0),
        xytext=(10, 10),
        textcoords="offset points",
        size=sheets.SMALL + 0.5,
        bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": sheets.SOFT},
        visible=False,
        zorder=10,
    )
