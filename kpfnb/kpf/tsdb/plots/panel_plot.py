"""One panel drawn: whatever its kind, with gaps, eras, thresholds and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kpfnb.kpf.tsdb.plots import canvas, counts, curves, flags, states
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.eras import Era
from kpfnb.kpf.tsdb.plots.span import Span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 96
_PALETTE = 128
"""Colours of a stored picture: a third of the size of one with all colours, and not to be told from
it."""


@dataclass(frozen=True)
class Drawn:
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


def draw(
    view: View, span: Span, eras: Sequence[Era] = (), *, when: str = "", whole: bool = False
) -> Drawn:
    """The picture of a panel.

    Parameters
    ----------
    when : the span for people, which is written at the time axis
    whole : every value is drawn, however many there are
    """
    drawn = _draw(view, span, whole=whole)
    canvas.background(drawn.axes, span, view.table.times, eras)
    canvas.time_axis(drawn.axes, span, f"time (UT), {when}" if when else "time (UT)")
    return drawn


def _draw(view: View, span: Span, *, whole: bool) -> Drawn:
    panel = view.panel
    if panel.count:
        return Drawn(*counts.draw(view, span, panel.title))
    if panel.flags:
        figure, axes, table = flags.draw(view, span, panel.title)
        return Drawn(figure, axes, table, int(table["failed"].sum()))
    if panel.states:
        return Drawn(*states.draw(view, span, panel.title))
    figure, axes, beyond = curves.draw(view, span, panel.title, whole=whole)
    return Drawn(figure, axes, None, beyond)


def png(drawn: Drawn) -> bytes:
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
    few = colours.quantize(_PALETTE, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(memory, "png")
    return memory.getvalue()
