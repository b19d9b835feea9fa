"""The ticks and the grid of panels.

matplotlib makes five artists for every tick and measures each label to find room for the axis's:
that was a third of all the drawing. Here a panel has a line of ticks and a collection of grid lines
along each axis, beside the labels. Their places and texts are matplotlib's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

GRID = "#d8dde4"

TICK_POINTS, LABEL_POINTS = 3.5, 7.0
"""Points: a tick's length, from the panel to the ticks' labels."""

DIGIT_SHARE = 0.64
"""A digit's width as a share of the size of its font."""

Y_LABEL_POINTS = 10.0
"""Points from the ticks' labels to the middle of the axis's."""


def draw_ticks(panels: Iterable[Axes]) -> None:
    """Draw ticks, labels and grid of linear axes; of others matplotlib makes its own.

    To be called when all limits are set. Panels with images have no grid.
    """
    from matplotlib.ticker import NullLocator

    found = [axis for axes in panels for axis in (axes.xaxis, axes.yaxis)]
    ruled = [axis for axis in found if axis.get_visible() and _replace_ticks(axis)]
    # Shared axes have one locator: after the last of them
    for axis in ruled:
        axis.set_major_locator(NullLocator())


def _replace_ticks(axis: Axis) -> bool:
    """False where the axis is no linear one, or has an offset that has to be written."""
    has_grid = not axis.axes.images
    low, high = sorted(axis.get_view_interval())
    places = np.asarray(axis.get_majorticklocs())
    places = places[(places >= low) & (places <= high)]
    formatter: Any = axis.get_major_formatter()
    labels = formatter.format_ticks(places)
    if axis.get_scale() != "linear" or formatter.get_offset():
        axis.axes.set_axisbelow(True)
        axis.grid(has_grid, color=GRID, linewidth=0.6)
        return False
    if has_grid:
        _draw_grid(axis, places)
    _draw_tick_marks(axis, places)
    _draw_tick_labels(axis, places, labels)
    return True


def _is_x(axis: Axis) -> bool:
    return axis is axis.axes.xaxis


def _draw_grid(axis: Axis, places: Any) -> None:
    from matplotlib.collections import LineCollection

    lines = [[(at, 0), (at, 1)] if _is_x(axis) else [(0, at), (1, at)] for at in places]
    transform = axis.axes.get_xaxis_transform() if _is_x(axis) else axis.axes.get_yaxis_transform()
    axis.axes.add_collection(
        LineCollection(lines, colors=GRID, linewidths=0.6, zorder=0.5, transform=transform),
        autolim=False,
    )


def _draw_tick_marks(axis: Axis, places: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.markers import MarkerStyle

    # 3 is TICKDOWN, 0 TICKLEFT
    zeros, axes = np.zeros(len(places)), axis.axes
    if _is_x(axis):
        x, y, marker, transform = places, zeros, MarkerStyle(3), axes.get_xaxis_transform()
    else:
        x, y, marker, transform = zeros, places, MarkerStyle(0), axes.get_yaxis_transform()
    ticks = Line2D(
        x, y, color="black", linestyle="", marker=marker, markersize=TICK_POINTS, markeredgewidth=0.8,
        clip_on=False, transform=transform, zorder=2.01,
    )  # fmt: skip
    axes.add_artist(ticks)


def _draw_tick_labels(axis: Axis, places: Any, labels: list[str]) -> None:
    """The labels of the ticks, and the place of the axis's own beyond them."""
    axes, settings = axis.axes, axis.get_tick_params()
    size = settings.get("labelsize", 10.0)
    if not settings.get("labelbottom" if _is_x(axis) else "labelleft", True):
        return
    if _is_x(axis):
        transform, down, across = axes.get_xaxis_text1_transform(LABEL_POINTS)
    else:
        transform, down, across = axes.get_yaxis_text1_transform(LABEL_POINTS)
        widest = DIGIT_SHARE * size * max(map(len, labels), default=0)
        _place_axis_label(axis, LABEL_POINTS + widest + Y_LABEL_POINTS)
    for at, label in zip(places, labels, strict=True):
        x, y = (at, 0) if _is_x(axis) else (0, at)
        axes.text(x, y, label, size=size, va=down, ha=across, transform=transform, parse_math=False)


def _place_axis_label(axis: Axis, points: float) -> None:
    figure: Any = axis.get_figure(root=True)
    width = axis.axes.get_position(original=True).width * figure.get_figwidth() * 72
    axis.set_label_coords(-points / width, 0.5)
