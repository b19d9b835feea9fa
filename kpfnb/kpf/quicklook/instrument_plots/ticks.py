"""The ticks and the grid of panels, drawn faster than matplotlib's own.

matplotlib makes five artists for every tick and measures each label to place the axis label: that
was a third of all the drawing time. Here a panel has one line of ticks and one collection of grid
lines along each axis, and the labels. Positions and texts are those of matplotlib.
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
"""Points: the length of a tick; from the panel to the tick labels."""

DIGIT_SHARE = 0.64
"""A digit's width as a share of its font size."""

Y_LABEL_POINTS = 10.0
"""Points from the tick labels to the middle of the axis label."""


def draw_ticks(panels: Iterable[Axes]) -> None:
    """Draw ticks, labels and grid of linear axes; other axes keep those of matplotlib.

    To be called when all limits are set. Panels with images have no grid.
    """
    from matplotlib.ticker import NullLocator

    all_axes = [axis for axes in panels for axis in (axes.xaxis, axes.yaxis)]
    replaced = [axis for axis in all_axes if axis.get_visible() and _replace_ticks(axis)]
    # Shared axes have one locator: remove it after the last of them is drawn
    for axis in replaced:
        axis.set_major_locator(NullLocator())


def _replace_ticks(axis: Axis) -> bool:
    """Draw the ticks of an axis; False, and nothing drawn, if it is not linear or has an offset."""
    has_grid = not axis.axes.images
    low, high = sorted(axis.get_view_interval())
    positions = np.asarray(axis.get_majorticklocs())
    positions = positions[(positions >= low) & (positions <= high)]
    formatter: Any = axis.get_major_formatter()
    labels = formatter.format_ticks(positions)
    if axis.get_scale() != "linear" or formatter.get_offset():
        axis.axes.set_axisbelow(True)
        axis.grid(has_grid, color=GRID, linewidth=0.6)
        return False
    if has_grid:
        _draw_grid(axis, positions)
    _draw_tick_marks(axis, positions)
    _draw_tick_labels(axis, positions, labels)
    return True


def _is_x(axis: Axis) -> bool:
    return axis is axis.axes.xaxis


def _draw_grid(axis: Axis, positions: Any) -> None:
    from matplotlib.collections import LineCollection

    lines = [[(at, 0), (at, 1)] if _is_x(axis) else [(0, at), (1, at)] for at in positions]
    transform = axis.axes.get_xaxis_transform() if _is_x(axis) else axis.axes.get_yaxis_transform()
    axis.axes.add_collection(
        LineCollection(lines, colors=GRID, linewidths=0.6, zorder=0.5, transform=transform),
        autolim=False,
    )


def _draw_tick_marks(axis: Axis, positions: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.markers import MarkerStyle

    # 3 is TICKDOWN, 0 TICKLEFT
    zeros, axes = np.zeros(len(positions)), axis.axes
    if _is_x(axis):
        x, y, marker, transform = positions, zeros, MarkerStyle(3), axes.get_xaxis_transform()
    else:
        x, y, marker, transform = zeros, positions, MarkerStyle(0), axes.get_yaxis_transform()
    ticks = Line2D(
        x, y, color="black", linestyle="", marker=marker, markersize=TICK_POINTS,
        markeredgewidth=0.8, clip_on=False, transform=transform, zorder=2.01,
    )  # fmt: skip
    axes.add_artist(ticks)


def _draw_tick_labels(axis: Axis, positions: Any, labels: list[str]) -> None:
    """Draw the tick labels, and place the axis label beyond them."""
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
    for at, label in zip(positions, labels, strict=True):
        x, y = (at, 0) if _is_x(axis) else (0, at)
        axes.text(x, y, label, size=size, va=down, ha=across, transform=transform, parse_math=False)


def _place_axis_label(axis: Axis, points: float) -> None:
    figure: Any = axis.get_figure(root=True)
    width = axis.axes.get_position(original=True).width * figure.get_figwidth() * 72
    axis.set_label_coords(-points / width, 0.5)
