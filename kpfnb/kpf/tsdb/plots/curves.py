"""Curves over time: values of keywords, with thresholds and failed observations."""

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
from kpfnb.notebook.display.figures import escape_mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PARTS = 10
"""The most curves of a row with `by`."""
UNKNOWN = "not known"

_LINE_INCHES = 0.245
"""Height of the legend of one curve: two lines of text."""


@dataclass
class Curve:
    """The values of one line of a row.

    Attributes
    ----------
    values, errors : in the row's unit, one per observation of the view
    offset : what was subtracted from the values; NaN if it differs
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
        """The label with median and scatter, for the legend."""
        label = escape_mathtext(self.label)
        statistics = robust_statistics.compute_statistics(self.values)
        if not statistics.number:
            return f"{label}\n   no value"
        if np.isnan(self.offset):
            return f"{label}\n   ± {statistics.scatter:.2g}  ({statistics.number:,})"
        value = format_plus_minus(statistics.median + self.offset, statistics.scatter)
        return f"{label}\n   {value}  ({statistics.number:,})"


def build_curves(view: PanelView, row: PanelRow) -> list[Curve]:
    """The curves of a row: one per line or, with `by`, one per value of that keyword."""
    built: list[Curve] = []
    for label, line in row.lines.items():
        values = view.numbers(line.column)
        if line.minus:
            values = values - view.numbers(line.minus)
        values = values * line.scale
        errors = view.numbers(line.error) * abs(line.scale) if line.error else None
        if row.by:
            parts = _split_by_text(view.texts(row.by), values, relative=row.relative)
        else:
            offset = robust_statistics.compute_statistics(values).median if row.relative else 0.0
            parts = {label: (values - offset, offset)}
        for part_label, (part, offset) in parts.items():
            number = len(built)
            colour = canvas.COLOURS[number % len(canvas.COLOURS)]
            marker = canvas.MARKERS[number // len(canvas.COLOURS) % len(canvas.MARKERS)]
            built.append(Curve(part_label, line, part, errors, offset, colour, marker))
    return built


def _split_by_text(
    texts: Array, values: Array, *, relative: bool
) -> dict[str, tuple[Array, float]]:
    """The values of each text (NaN elsewhere), and what was subtracted from them.

    Those with most values come first, the last ones are under one label.

    relative : subtract the median of each text
    """
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return {UNKNOWN: (values, 0.0)}
    named = np.array([text or UNKNOWN for text in texts[known]], dtype=str)
    names, numbers, counts = np.unique(named, return_inverse=True, return_counts=True)
    offsets = np.zeros(names.size)
    if relative:
        by_name = np.split(values[known][np.argsort(numbers)], np.cumsum(counts)[:-1])
        offsets = np.array([np.median(members) for members in by_name])
    ordered = np.argsort(-counts, kind="stable")
    shown = ordered if ordered.size <= MAX_PARTS else ordered[: MAX_PARTS - 1]
    parts = {str(names[place]): (numbers == place, float(offsets[place])) for place in shown}
    if shown.size < ordered.size:
        label = f"{ordered.size - shown.size} others"
        parts[label] = (~np.isin(numbers, shown), np.nan if relative else 0.0)
    spread = {}
    for name, (mask, offset) in parts.items():
        part = np.full(values.size, np.nan)
        part[known[mask]] = values[known[mask]] - offsets[numbers[mask]]
        spread[name] = (part, offset)
    return spread


def row_height(curve_count: int) -> float:
    """The height of a row in inches, for the legend of its curves."""
    return max(canvas.ROW_HEIGHT, _LINE_INCHES * (1.08 * curve_count + 1.8))


def draw_curves(
    view: PanelView, span: TimeSpan, title: str, *, all_values: bool = False
) -> tuple[Figure, list[Axes], int]:
    """Draw the rows of a panel; returns figure, axes, and the number of values beyond thresholds.

    all_values : draw every value, however many there are
    """
    rows = view.panel.rows
    curves = [build_curves(view, row) for row in rows]
    figure, axes = canvas.create_figure(title, [row_height(len(part)) for part in curves])
    beyond = 0
    for part, row, row_curves in zip(axes, rows, curves, strict=True):
        beyond += _draw_row(part, view, row, row_curves, span, all_values=all_values)
    return figure, axes, beyond


def _draw_row(
    axes: Axes,
    view: PanelView,
    row: PanelRow,
    curves: Sequence[Curve],
    span: TimeSpan,
    *,
    all_values: bool,
) -> int:
    values = np.concatenate([curve.values for curve in curves])
    limits = _extend_to_thresholds(robust_statistics.axis_limits(values, log=row.log), row)
    axes.set_ylabel(
        f"{row.label} [{row.unit}]" if row.unit else row.label,
        size=canvas.SMALL_FONT + 1,
        color=canvas.INK,
    )
    axes.grid(color=canvas.GRID, linewidth=0.6)
    axes.ticklabel_format(useOffset=False)
    if row.log:
        axes.set_yscale("log")
    handles: list[Any] = []
    for curve in curves:
        # The curves of a row by text have few values each, and many together
        known = np.isfinite(values if row.by else curve.values).sum()
        many = known > robust_statistics.MAX_POINTS and not all_values
        handles.append(_draw_curve(axes, view, curve, span, many=bool(many)))
    labels = [curve.legend_text for curve in curves]
    if limits:
        axes.set_ylim(*limits)
    for marks in (
        _draw_thresholds(axes, row, values),
        _draw_failures(axes, view, curves),
        _draw_off_scale(axes, view, curves, limits),
    ):
        handles += [handle for handle, _ in marks]
        labels += [label for _, label in marks]
    canvas.draw_legend_outside(axes, handles, labels)
    return _count_beyond(values, row)


def _draw_curve(axes: Axes, view: PanelView, curve: Curve, span: TimeSpan, *, many: bool) -> Any:
    """Draw one curve, of `many` values in bins, and return its handle for the legend."""
    style: dict[str, Any] = {"color": curve.colour, "marker": curve.marker, "markeredgewidth": 0}
    known = np.isfinite(curve.values)
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
        # A negative uncertainty is not valid, and matplotlib would refuse it
        errors = np.where(curve.errors >= 0, curve.errors, np.nan)[known]
        error_style: dict[str, Any] = {"ecolor": curve.colour, "alpha": 0.5, "elinewidth": 0.7}
        axes.errorbar(view.times[known], curve.values[known], errors, fmt="none", **error_style)
    joined = "-" if curve.line.style is LineStyle.LINE and not many else "none"
    size = 2.2 if values.size > 400 else 3.4
    axes.plot(times, values, linestyle=joined, linewidth=0.9, markersize=size, **style)
    return _legend_handle(**style, linestyle="none", markersize=5)


def _draw_thresholds(axes: Axes, row: PanelRow, values: Array) -> list[tuple[Any, str]]:
    thresholds = [limit for limit in (row.lower, row.upper) if limit is not None]
    for limit in thresholds:
        axes.axhline(limit, color=canvas.SOFT, linewidth=1.0, linestyle=":")
    if not thresholds:
        return []
    count = _count_beyond(values, row)
    text = " and ".join(format_number(limit) for limit in thresholds)
    label = f"limit {text}: {count:,} beyond" if count else f"limit {text}"
    return [(_legend_handle(color=canvas.SOFT, linestyle=":"), label)]


def _count_beyond(values: Array, row: PanelRow) -> int:
    below = (values < row.lower).sum() if row.lower is not None else 0
    above = (values > row.upper).sum() if row.upper is not None else 0
    return int(below + above)


def _draw_failures(axes: Axes, view: PanelView, curves: Sequence[Curve]) -> list[tuple[Any, str]]:
    """Mark the observations that fail a check by crosses."""
    count = int(view.failed_mask.sum())
    if not count:
        return []
    style: dict[str, Any] = {
        "color": canvas.FAILED_COLOUR,
        "marker": "x",
        "linestyle": "none",
        "markeredgewidth": 0.8,
    }
    for curve in curves:
        axes.plot(
            view.times[view.failed_mask], curve.values[view.failed_mask], markersize=4.5, **style
        )
    return [(_legend_handle(**style, markersize=4.5), f"QC failed ({count:,})")]


def _draw_off_scale(
    axes: Axes, view: PanelView, curves: Sequence[Curve], limits: AxisLimits | None
) -> list[tuple[Any, str]]:
    """Draw triangles at the edge for values outside the axis limits."""
    if not limits:
        return []
    count = 0
    for curve in curves:
        for marker, height, mask in (
            ("^", 0.97, curve.values > limits.high),
            ("v", 0.03, curve.values < limits.low),
        ):
            if not mask.any():
                continue
            count += int(mask.sum())
            axes.plot(
                view.times[mask],
                np.full(int(mask.sum()), height),
                transform=axes.get_xaxis_transform(),
                linestyle="none",
                marker=marker,
                markersize=4,
                color=curve.colour,
            )
    handle = _legend_handle(color=canvas.SOFT, marker="^", linestyle="none", markersize=4)
    return [(handle, f"off scale ({count:,})")] if count else []


def _extend_to_thresholds(limits: AxisLimits | None, row: PanelRow) -> AxisLimits | None:
    """Extend the axis limits to a threshold that is near."""
    if not limits or row.log:
        return limits
    low, high = limits
    height = high - low
    margin = 0.05 * height
    if row.lower is not None and low - height < row.lower < low:
        low = row.lower - margin
    if row.upper is not None and high < row.upper < high + height:
        high = row.upper + margin
    return AxisLimits(low, high)


def _legend_handle(**style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def format_plus_minus(median: float, scatter: float) -> str:
    """Median ± scatter as text, with two digits of the scatter."""
    if not scatter or not np.isfinite(scatter):
        return format_number(median)
    if not 1e-4 < max(abs(median), scatter) < 1e6:
        return f"{median:.3g} ± {scatter:.2g}"
    digits = min(max(0, 1 - int(np.floor(np.log10(scatter)))), 6)
    return f"{median:,.{digits}f} ± {scatter:,.{digits}f}"


def format_number(value: float) -> str:
    """A number as text, with six digits."""
    return f"{value:,.6g}"
