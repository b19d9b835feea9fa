"""Curves over time: the values of keywords, their thresholds, and the failures among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.kpf.tsdb.plots import canvas, robust_statistics
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import LineStyle, PanelLine, PanelRow
from kpfnb.kpf.tsdb.plots.robust_statistics import AxisLimits
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_INCHES = 0.245
"""What one curve needs on the right: two lines of text."""


@dataclass
class Curve:
    """The values of a line of one row.

    Attributes
    ----------
    values, errors : in the row's unit, as many as the view has observations
    offset : what was taken off the values
    """

    label: str
    line: PanelLine
    values: Array
    errors: Array | None
    offset: float
    colour: str
    marker: str

    @property
    def legend_text(self) -> str:
        """Its label, with median and scatter."""
        found = robust_statistics.compute_statistics(self.values)
        if not found.number:
            return f"{self.label}\n   no value"
        middle = format_plus_minus(found.median + self.offset, found.scatter)
        return f"{self.label}\n   {middle}  ({found.number:,})"


def build_curves(view: PanelView, row: PanelRow) -> list[Curve]:
    """The values of a row's lines."""
    found = []
    for number, (label, line) in enumerate(row.lines.items()):
        values = view.numbers(line.column)
        if line.minus:
            values = values - view.numbers(line.minus)
        values = values * line.scale
        offset = robust_statistics.compute_statistics(values).median if row.relative else 0.0
        values = values - offset
        errors = view.numbers(line.error) * abs(line.scale) if line.error else None
        colour = canvas.COLOURS[number % len(canvas.COLOURS)]
        marker = canvas.MARKERS[number // len(canvas.COLOURS) % len(canvas.MARKERS)]
        found.append(Curve(label, line, values, errors, offset, colour, marker))
    return found


def row_height(row: PanelRow) -> float:
    """Inches that a row needs."""
    return max(canvas.ROW_HEIGHT, _LINE_INCHES * (len(row.lines) + 1.2))


def draw_curves(
    view: PanelView, span: TimeSpan, title: str, *, whole: bool = False
) -> tuple[Figure, list[Axes], int]:
    """The rows of a panel; gives the figure, its axes, and how many values pass a threshold.

    whole : every value is drawn, however many there are
    """
    rows = view.panel.rows
    figure, axes = canvas.create_figure(title, [row_height(row) for row in rows])
    beyond = 0
    for one, row in zip(axes, rows, strict=True):
        beyond += _draw_row(one, view, row, span, whole=whole)
    return figure, axes, beyond


def _draw_row(axes: Axes, view: PanelView, row: PanelRow, span: TimeSpan, *, whole: bool) -> int:
    found = build_curves(view, row)
    everything = np.concatenate([curve.values for curve in found])
    ends = _extend_to_thresholds(robust_statistics.axis_limits(everything, log=row.log), row)
    axes.set_ylabel(
        f"{row.label} [{row.unit}]" if row.unit else row.label, size=canvas.SMALL_FONT + 1
    )
    axes.grid(color=canvas.GRID, linewidth=0.6)
    axes.ticklabel_format(useOffset=False)
    if row.log:
        axes.set_yscale("log")
    handles: list[Any] = [_draw_curve(axes, view, curve, span, whole=whole) for curve in found]
    labels = [curve.legend_text for curve in found]
    if ends:
        axes.set_ylim(*ends)
    for marks in (
        _draw_thresholds(axes, row, everything),
        _draw_failures(axes, view, found),
        _draw_off_scale(axes, view, found, ends),
    ):
        handles += [handle for handle, _ in marks]
        labels += [label for _, label in marks]
    canvas.draw_legend_outside(axes, handles, labels)
    return _count_beyond(everything, row)


def _draw_curve(axes: Axes, view: PanelView, curve: Curve, span: TimeSpan, *, whole: bool) -> Any:
    """Draw one curve; gives its handle in the legend."""
    style: dict[str, Any] = {"color": curve.colour, "marker": curve.marker, "markeredgewidth": 0}
    known = np.isfinite(curve.values)
    many = known.sum() > robust_statistics.MAX_POINTS and not whole
    if many:
        binned = robust_statistics.bin_values(
            view.times, curve.values, days_since_epoch(span.start), days_since_epoch(span.end)
        )
        axes.vlines(binned.times, binned.low, binned.high, color=curve.colour, alpha=0.28, lw=1.0)
        times, values = binned.times, binned.median
    elif curve.line.style is LineStyle.LINE:
        times, values = robust_statistics.split_at_gaps(view.times, curve.values, span.days)
    else:
        times, values = view.times[known], curve.values[known]
    if curve.errors is not None and not many:
        # A negative uncertainty is none; matplotlib would refuse it
        errors = np.where(curve.errors >= 0, curve.errors, np.nan)
        look: dict[str, Any] = {"ecolor": curve.colour, "alpha": 0.5, "elinewidth": 0.7}
        axes.errorbar(view.times, curve.values, errors, fmt="none", **look)
    joined = "-" if curve.line.style is LineStyle.LINE and not many else "none"
    size = 2.2 if values.size > 400 else 3.4
    axes.plot(times, values, linestyle=joined, linewidth=0.9, markersize=size, **style)
    return _legend_handle(**style, linestyle="none", markersize=5)


def _draw_thresholds(axes: Axes, row: PanelRow, values: Array) -> list[tuple[Any, str]]:
    at = [limit for limit in (row.lower, row.upper) if limit is not None]
    for limit in at:
        axes.axhline(limit, color=canvas.SOFT, linewidth=1.0, linestyle=":")
    if not at:
        return []
    count = _count_beyond(values, row)
    words = " and ".join(format_number(limit) for limit in at)
    label = f"limit {words}: {count:,} beyond" if count else f"limit {words}"
    return [(_legend_handle(color=canvas.SOFT, linestyle=":"), label)]


def _count_beyond(values: Array, row: PanelRow) -> int:
    below = (values < row.lower).sum() if row.lower is not None else 0
    above = (values > row.upper).sum() if row.upper is not None else 0
    return int(below + above)


def _draw_failures(axes: Axes, view: PanelView, found: Sequence[Curve]) -> list[tuple[Any, str]]:
    """Crosses on the values of observations that fail a check."""
    count = int(view.failed_mask.sum())
    if not count:
        return []
    look: dict[str, Any] = {
        "color": canvas.FAILED_COLOUR,
        "marker": "x",
        "linestyle": "none",
        "markeredgewidth": 0.8,
    }
    for curve in found:
        axes.plot(
            view.times[view.failed_mask], curve.values[view.failed_mask], markersize=4.5, **look
        )
    return [(_legend_handle(**look, markersize=4.5), f"QC failed ({count:,})")]


def _draw_off_scale(
    axes: Axes, view: PanelView, found: Sequence[Curve], ends: AxisLimits | None
) -> list[tuple[Any, str]]:
    """Triangles at the edge for values that are beyond the axis."""
    if not ends:
        return []
    count = 0
    for curve in found:
        for marker, at, mask in (
            ("^", 0.97, curve.values > ends.high),
            ("v", 0.03, curve.values < ends.low),
        ):
            if not mask.any():
                continue
            count += int(mask.sum())
            axes.plot(
                view.times[mask],
                np.full(int(mask.sum()), at),
                transform=axes.get_xaxis_transform(),
                linestyle="none",
                marker=marker,
                markersize=4,
                color=curve.colour,
            )
    look = _legend_handle(color=canvas.SOFT, marker="^", linestyle="none", markersize=4)
    return [(look, f"off the picture ({count:,})")] if count else []


def _extend_to_thresholds(ends: AxisLimits | None, row: PanelRow) -> AxisLimits | None:
    """The axis made longer for a threshold that is near."""
    if not ends or row.log:
        return ends
    low, high = ends
    room = high - low
    margin = 0.05 * room
    if row.lower is not None and low - room < row.lower < low:
        low = row.lower - margin
    if row.upper is not None and high < row.upper < high + room:
        high = row.upper + margin
    return AxisLimits(low, high)


def _legend_handle(**look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def format_plus_minus(median: float, scatter: float) -> str:
    """Median ± scatter, with two digits of the scatter."""
    if not scatter or not np.isfinite(scatter):
        return format_number(median)
    if not 1e-4 < max(abs(median), scatter) < 1e6:
        return f"{median:.3g} ± {scatter:.2g}"
    digits = min(max(0, 1 - int(np.floor(np.log10(scatter)))), 6)
    return f"{median:,.{digits}f} ± {scatter:,.{digits}f}"


def format_number(value: float) -> str:
    """A number as people write it."""
    return f"{value:,.6g}"
