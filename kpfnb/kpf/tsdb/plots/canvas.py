"""The canvas of a plot: axes below each other that share the time axis, with gaps and eras.

Sizes are fixed: an automatic layout would cost time for each of the many plots of a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kpfnb.core import palette
from kpfnb.kpf.tsdb.plots import robust_statistics
from kpfnb.kpf.tsdb.plots.time_axis import Era, TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW_HEIGHT, GUTTER = 10.0, 1.75, 0.16
LEFT, RIGHT, TOP, BOTTOM = 0.95, 2.55, 0.5, 0.52
"""Inches; the legend is on the right."""

INK, SOFT, GRID, NO_DATA = palette.INK, palette.FAINT_INK, palette.GRID, palette.NO_DATA
COLOURS = palette.SERIES
MARKERS = ("o", "s", "^", "D")
FAILED_COLOUR = palette.INK
SMALL_FONT = 7.5


def create_figure(
    title: str, heights: Sequence[float], *, left: float = LEFT
) -> tuple[Figure, list[Axes]]:
    """A figure with axes of the given heights (inches) that share the time axis."""
    from matplotlib.figure import Figure

    inner = sum(heights) + GUTTER * (len(heights) - 1)
    height = TOP + inner + BOTTOM
    figure = Figure(figsize=(WIDTH, height))
    axes: list[Axes] = []
    top = height - TOP
    for axes_height in heights:
        box = (
            left / WIDTH,
            (top - axes_height) / height,
            1 - (left + RIGHT) / WIDTH,
            axes_height / height,
        )
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        top -= axes_height + GUTTER
    for part in axes[:-1]:
        part.tick_params(labelbottom=False)
    for part in axes:
        part.tick_params(which="both", labelsize=SMALL_FONT, colors=INK)
        part.set_axisbelow(True)
        part.spines[["top", "right"]].set_visible(False)
    figure.text(left / WIDTH, 1 - 0.12 / height, title, size=11, weight="bold", va="top", color=INK)
    return figure, axes


def format_time_axis(axes: Sequence[Axes], span: TimeSpan, label: str) -> None:
    """Label the time axis (UT), with ticks for the length of the span."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    low = axes[-1]
    low.set_xlim(days_since_epoch(span.start), days_since_epoch(span.end))
    locator = AutoDateLocator(minticks=4, maxticks=12)
    low.xaxis.set_major_locator(locator)
    low.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    low.set_xlabel(label, size=SMALL_FONT + 1, color=INK)


def draw_background(
    axes: Sequence[Axes], span: TimeSpan, times: Array, eras: Sequence[Era]
) -> None:
    """Draw gaps without observations in grey, and a line at the start of each era."""
    start, end = days_since_epoch(span.start), days_since_epoch(span.end)
    empty = robust_statistics.find_gaps(times, start, days_since_epoch(span.until), end - start)
    era_starts = [
        (days_since_epoch(era.start), era) for era in eras if span.start < era.start < span.end
    ]
    for part in axes:
        for low, high in empty:
            part.axvspan(low, high, color=NO_DATA, linewidth=0, zorder=0)
        for start_day, _ in era_starts:
            part.axvline(start_day, color=SOFT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    last = -1.0
    for start_day, era in era_starts:
        # The names of eras that start close together would overlap
        if start_day - last > 0.08 * (end - start):
            _annotate_above(axes[0], start_day, f"era {era.name}")
            last = start_day


def _annotate_above(axes: Axes, at: float, text: str) -> None:
    axes.annotate(
        text,
        (at, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(2, 1),
        textcoords="offset points",
        size=SMALL_FONT - 0.5,
        color=SOFT,
        annotation_clip=True,
    )


def draw_legend_outside(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Draw the legend on the right of its axes."""
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.005, 1.04),
        frameon=False,
        fontsize=SMALL_FONT,
        handlelength=1.2,
        handletextpad=0.5,
        labelspacing=0.35,
        borderaxespad=0,
        labelcolor=INK,
    )
