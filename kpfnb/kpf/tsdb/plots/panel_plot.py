"""The plot of a panel of any kind, with gaps, eras, thresholds and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kpfnb.kpf.tsdb.plots import canvas, counts, curves, states
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.states import draw_flags
from kpfnb.kpf.tsdb.plots.time_axis import Era, TimeSpan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 96
_PALETTE_SIZE = 128
"""Colours of a stored plot: it looks like one with all colours and has a third of the size."""


@dataclass(frozen=True)
class PanelPlot:
    """The plot of a panel.

    Attributes
    ----------
    table : the numbers behind counts, flags and states; None for curves
    beyond : number of values beyond a threshold, or of failed checks
    """

    figure: Figure
    axes: list[Axes]
    table: pd.DataFrame | None = None
    beyond: int = 0


def draw_panel(
    view: PanelView,
    span: TimeSpan,
    eras: Sequence[Era] = (),
    *,
    when: str = "",
    all_values: bool = False,
) -> PanelPlot:
    """Draw a panel.

    Parameters
    ----------
    when : the span in words, for the label of the time axis
    all_values : draw every value, however many there are
    """
    plot = _draw_by_kind(view, span, all_values=all_values)
    canvas.draw_background(plot.axes, span, view.table.times, eras)
    canvas.format_time_axis(plot.axes, span, f"time (UT), {when}" if when else "time (UT)")
    return plot


def panel_table(view: PanelView, span: TimeSpan) -> pd.DataFrame | None:
    """The table behind the plot of a panel, without drawing it; None for curves."""
    panel = view.panel
    if panel.count:
        return counts.count_table_with_totals(view, span)
    if panel.flags:
        return states.flag_table(view)
    return states.state_table(view) if panel.states else None


def _draw_by_kind(view: PanelView, span: TimeSpan, *, all_values: bool) -> PanelPlot:
    panel = view.panel
    if panel.count:
        return PanelPlot(*counts.draw_counts(view, span, panel.title))
    if panel.flags:
        figure, axes, table = draw_flags(view, span, panel.title)
        return PanelPlot(figure, axes, table, int(table["failed"].sum()))
    if panel.states:
        return PanelPlot(*states.draw_states(view, span, panel.title))
    figure, axes, beyond = curves.draw_curves(view, span, panel.title, all_values=all_values)
    return PanelPlot(figure, axes, None, beyond)


def render_png(plot: PanelPlot) -> bytes:
    """A plot as PNG; the same data give the same bytes."""
    from io import BytesIO

    import matplotlib
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    plot.figure.set_dpi(DPI)
    canvas_agg = FigureCanvasAgg(plot.figure)
    # Text hinting takes a quarter of the time
    with matplotlib.rc_context({"text.hinting": "none"}):
        canvas_agg.draw()
    image = Image.fromarray(np.ascontiguousarray(np.asarray(canvas_agg.buffer_rgba())[:, :, :3]))
    stream = BytesIO()
    reduced = image.quantize(
        _PALETTE_SIZE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    reduced.save(stream, "png")
    return stream.getvalue()
