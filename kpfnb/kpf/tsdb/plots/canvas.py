"""The sheet of a picture: axes below each other that share the time, with gaps and eras drawn.

Sizes are fixed and not laid out anew for each picture: a year's pictures are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kpfnb.kpf.tsdb.plots import robust_statistics
from kpfnb.kpf.tsdb.plots.time_axis import Era, TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW_HEIGHT, GUTTER = 10.0, 1.75, 0.16
LEFT, RIGHT, TOP, BOTTOM = 0.85, 2.55, 0.5, 0.52
"""Inches; what is said about the curves is on the right."""

INK, SOFT, GRID, NO_DATA = "#222222", "#666666", "#e3e3e3", "#efefef"
# Okabe and Ito, without the yellow that is lost on white; markers where colours are used up
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
MARKERS = ("o", "s", "^", "D")
FAILED_COLOUR = "#000000"
SMALL_FONT = 7.5


def create_figure(
    title: str, heights: Sequence[float], *, left: float = LEFT
) -> tuple[Figure, list[Axes]]:
    """A figure with axes of these heights (inches), sharing the time axis."""
    from matplotlib.figure import Figure

    inner = sum(heights) + GUTTER * (len(heights) - 1)
    height = TOP + inner + BOTTOM
    figure = Figure(figsize=(WIDTH, height))
    axes: list[Axes] = []
    top = height - TOP
    for each in heights:
        box = (left / WIDTH, (top - each) / height, 1 - (left + RIGHT) / WIDTH, each / height)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        top -= each + GUTTER
    for one in axes[:-1]:
        one.tick_params(labelbottom=False)
    for one in axes:
        one.tick_params(labelsize=SMALL_FONT, colors=INK)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    figure.text(left / WIDTH, 1 - 0.12 / height, title, size=11, weight="bold", va="top", color=INK)
    return figure, axes


def format_time_axis(axes: Sequence[Axes], span: TimeSpan, label: str) -> None:
    """The time in UT, its ticks fit for the length of the span."""
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
    """Stretches without any observation grey; a line where an era of the instrument begins."""
    start, end = days_since_epoch(span.start), days_since_epoch(span.end)
    empty = robust_statistics.find_gaps(times, start, days_since_epoch(span.until), end - start)
    begins = [
        (days_since_epoch(era.start), era) for era in eras if span.start < era.start < span.end
    ]
    for one in axes:
        for low, high in empty:
            one.axvspan(low, high, color=NO_DATA, linewidth=0, zorder=0)
        for at, _ in begins:
            one.axvline(at, color=SOFT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    last = -1.0
    for at, era in begins:
        # Names of eras that begin close to each other would lie over each other
        if at - last > 0.08 * (end - start):
            _annotate_above(axes[0], at, f"era {era.name}")
            last = at


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
    """What the curves are, on the right of their axes."""
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
