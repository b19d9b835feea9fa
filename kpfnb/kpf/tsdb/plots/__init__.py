"""Plots of the time-series database: of an ingestion, and the panels.

Panels are data (`panels/*.yml`): `panel` defines what a panel is and reads the files. A user adds
one as YAML, without code.
"""

from __future__ import annotations

from kpfnb.core import palette
from kpfnb.kpf.tsdb.ingest_result import IngestResult
from kpfnb.notebook.display.figures import HoverFigure, draw_empty_message, register_plot

_MAX_NIGHT_LABELS = 10
_COLOURS = {"ingested": palette.GOOD, "unchanged": palette.EDGE, "refused": palette.BAD}


@register_plot(IngestResult)
def plot_ingest(result: IngestResult) -> HoverFigure:
    """Files per night, stacked: ingested, unchanged, refused."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    frame = result.to_frame()
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    if frame.empty:
        draw_empty_message(axes, "no nights")
        return HoverFigure(figure)
    bottom = frame["night"].map(lambda _: 0)
    for name, colour in _COLOURS.items():
        axes.bar(frame["night"], frame[name], bottom=bottom, color=colour, label=name)
        bottom = bottom + frame[name]
    axes.set(xlabel="night (UT)", ylabel="files")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    step = max(1, len(frame) // _MAX_NIGHT_LABELS)
    axes.set_xticks(range(0, len(frame), step), frame["night"][::step], rotation=30)
    axes.legend(ncols=len(_COLOURS), loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return HoverFigure(figure)
