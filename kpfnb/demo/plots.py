"""The plot of a simulated night."""

from __future__ import annotations

from kpfnb.core import palette
from kpfnb.demo.night import SimulatedNight
from kpfnb.notebook.display.figures import HoverFigure, register_plot


@register_plot(SimulatedNight)
def plot_night(result: SimulatedNight) -> HoverFigure:
    """The time of each exposure by kind; junk in another colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    kinds = list(dict.fromkeys(e.kind.name for e in result.exposures))
    for junk, colour in ((False, palette.BLUE), (True, palette.VERMILION)):
        exposures = [e for e in result.exposures if e.is_junk == junk]
        hours = [e.start.hour + e.start.minute / 60 for e in exposures]
        rows = [kinds.index(e.kind.name) for e in exposures]
        axes.scatter(hours, rows, color=colour, label="junk" if junk else "observation")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_xlabel(f"time on {result.night}, UTC [h]")
    axes.set_xlim(0, 24)
    axes.legend(loc="lower right")
    return HoverFigure(figure)
