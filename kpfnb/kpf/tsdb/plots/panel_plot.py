"""One panel drawn: whatever its kind, with gaps, eras, thresholds and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kpfnb.kpf.tsdb.plots import canvas, counts, curves, states
from kpfnb.kpf.tsdb.plots import states as flags
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.time_axis import Era, TimeSpan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 96
_PALETTE_SIZE = 128
"""Colours of a stored picture: a third of the size of one with all colours, and not to be told from
it."""


@dataclass(frozen=True)
class PanelPlot:
    """A panel's picture.

    Attributes
    ----------
    table : the numbers behind it where a count is asked, else None
    beyond : values that pass a threshold; checks that failed
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
    whole: bool = False,
) -> PanelPlot:
    """The picture of a panel.

    Parameters
    ----------
    when : the span for people, which is written at the time axis
    whole : every value is drawn, however many there are
    """
    drawn = _draw_by_kind(view, span, whole=whole)
    canvas.draw_background(drawn.axes, span, view.table.times, eras)
    canvas.format_time_axis(drawn.axes, span, f"time (UT), {when}" if when else "time (UT)")
    return drawn


def _draw_by_kind(view: PanelView, span: TimeSpan, *, whole: bool) -> PanelPlot:
    panel = view.panel
    if panel.count:
        return PanelPlot(*counts.draw_counts(view, span, panel.title))
    if panel.flags:
        figure, axes, table = flags.draw_flags(view, span, panel.title)
        return PanelPlot(figure, axes, table, int(table["failed"].sum()))
    if panel.states:
        return PanelPlot(*states.draw_states(view, span, panel.title))
    figure, axes, beyond = curves.draw_curves(view, span, panel.title, whole=whole)
    return PanelPlot(figure, axes, None, beyond)


def render_png(drawn: PanelPlot) -> bytes:
    """The picture as a PNG, the same for the same data."""
    from io import BytesIO

    import matplotlib
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    drawn.figure.set_dpi(DPI)
    sheet = FigureCanvasAgg(drawn.figure)
    # Hinting takes a quarter of the time
    with matplotlib.rc_context({"text.hinting": "none"}):
        sheet.draw()
    colours = Image.fromarray(np.ascontiguousarray(np.asarray(sheet.buffer_rgba())[:, :, :3]))
    memory = BytesIO()
    few = colours.quantize(
        _PALETTE_SIZE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    few.save(memory, "png")
    return memory.getvalue()
