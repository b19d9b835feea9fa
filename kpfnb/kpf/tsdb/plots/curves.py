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
        parts = _split_by_text(view, row.by, values) if row.by else {label: [values]}
        for part_label, members in parts.items():
            part, offset = _subtract_medians(members) if row.relative else (_join(members), 0.0)
            number = len(built)
            colour = canvas.COLOURS[number % len(canvas.COLOURS)]
            marker = canvas.MARKERS[number // len(canvas.COLOURS) % len(canvas.MARKERS)]
            built.append(Curve(part_label, line, part, errors, offset, colour, marker))
    return built


def _split_by_text(view: PanelView, column: str, values: Array) -> dict[str, list[Array]]:
    """The values of each text, NaN elsewhere; most values first, the last ones under one label."""
    texts = np.array([text or UNKNOWN for text in view.texts(column)], dtype=object)
    names, numbers = np.unique(texts[np.isfinite(values)].astype(str), return_counts=True)
    ordered = [str(names[number]) for number in np.argsort(-numbers, kind="stable")]
    parts = {name: [np.where(texts == name, values, np.nan)] for name in ordered}
    if len(ordered) > MAX_PARTS:
        others = ordered[MAX_PARTS - 1 :]
        parts[f"{len(others)} others"] = [parts.pop(name)[0] for name in others]
    return parts or {UNKNOWN: [values]}


def _subtract_medians(members: Sequence[Array]) -> tuple[Array, float]:
    """The values about the median of each member, and what was subtracted; NaN if it differs."""
    medians = [robust_statistics.compute_statistics(member).median for member in members]
    relative = [member - median for member, median in zip(members, medians, strict=True)]
    return _join(relative), medians[0] if len(medians) == 1 else np.nan


def _join(members: Sequence[Array]) -> Array:
    joined = members[0]
    for member in members[1:]:
        joined = np.where(np.isfinite(member), member, joined)
    return joined


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
    handles: list[Any] = [
        _draw_curve(axes, view, curve, span, all_values=all_values) for curve in curves
    ]
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


def _draw_curve(
    axes: Axes, view: PanelView, curve: Curve, span: TimeSpan, *, all_values: bool
) -> Any:
    """Draw one curve and return its handle for the legend."""
    style: dict[str, Any] = {"color": curve.colour, "marker": curve.marker, "markeredgewidth": 0}
    known = np.isfinite(curve.values)
    many = known.sum() > robust_statistics.MAX_POINTS and not all_values
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
        errors = np.where((curve.errors >= 0) & known, curve.errors, np.nan)
        error_style: dict[str, Any] = {"ecolor": curve.colour, "alpha": 0.5, "elinewidth": 0.7}
        axes.errorbar(view.times, curve.values, errors, fmt="none", **error_style)
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
