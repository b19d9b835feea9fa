"""The plot of a star's velocities and S/N: with links in JupyterLab, and as SVG on its page.

The SVG follows the theme of the browser: its colours are CSS variables with a value for a light and
a dark ground.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import palette
from kpfnb.kpf.timeseries.star_velocities import StarVelocities, VelocityGroup
from kpfnb.kpf.tsdb.plots import canvas, robust_statistics
from kpfnb.kpf.tsdb.plots.time_axis import EPOCH, TimeSpan, days_since_epoch
from kpfnb.notebook.display.figures import draw_empty_message, escape_mathtext

if TYPE_CHECKING:
    from datetime import datetime

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VELOCITY_HEIGHT, SIGNAL_HEIGHT = 3.2, 1.2
MIN_SPAN_DAYS = 1 / 12
"""The time axis of a single observation."""
MARGIN = 0.03
MAX_LINKS = 5000
"""More points than this have no links in the SVG: it would be too large for a browser."""

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")

ObservationLink = Callable[[str], str]
"""The URL of an observation's page, by its ObsID; '' if there is none."""


def plot_velocities(result: StarVelocities, link: ObservationLink = lambda _: "") -> Figure:
    """Velocities about the median of each group, with errors, and below them the S/N."""
    figure, axes = canvas.create_figure(
        escape_mathtext(f"{result.star.name}: radial velocity"), [VELOCITY_HEIGHT, SIGNAL_HEIGHT]
    )
    times = observation_days(result)
    for number, group in enumerate(result.groups):
        colour = canvas.COLOURS[number % len(canvas.COLOURS)]
        marker = canvas.MARKERS[number // len(canvas.COLOURS) % len(canvas.MARKERS)]
        # Above the error bars, which would take the clicks
        style: dict[str, Any] = {"color": colour, "marker": marker, "zorder": 3}
        _draw_group(axes, result, group, times, style, link)
    _format_axes(axes, result)
    span = time_span(times)
    started = [era for era in result.eras if era.start <= span.until]
    canvas.draw_background(axes, span, times, started)
    canvas.format_time_axis(axes, span, "start of the observation (UT)")
    return figure


def velocity_svg(result: StarVelocities, link: ObservationLink) -> str:
    """The plot as an SVG element for a page, for a light and a dark ground."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    stream = StringIO()
    figure = plot_velocities(result, link)
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_alpha(0)
    FigureCanvasSVG(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": result.star.key}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return add_dark_colours(text[text.index("<svg") :])


def add_dark_colours(svg: str) -> str:
    """Replace the colours of an SVG element by variables that follow the browser's theme."""
    colours = sorted(set(_COLOUR.findall(svg)))
    body = _COLOUR.sub(lambda match: f"var(--c{match[0][1:]})", svg)
    light = "".join(f"--c{colour[1:]}:{colour};" for colour in colours)
    dark = "".join(f"--c{colour[1:]}:{palette.dark_colour(colour)};" for colour in colours)
    style = (
        f"<style>.velocities{{{light}}}"
        f"@media (prefers-color-scheme: dark){{.velocities{{{dark}}}}}</style>"
    )
    return body.replace("<svg", '<svg class="velocities"', 1) + style


def time_span(times: Any) -> TimeSpan:
    """The span of the observations with a margin; at least two hours."""
    from datetime import timedelta

    low, high = float(times.min()), float(times.max())
    margin = max(MARGIN * (high - low), MIN_SPAN_DAYS / 2)
    start, end = (EPOCH + timedelta(days=day) for day in (low - margin, high + margin))
    return TimeSpan(start, end, _moment(high))


def _moment(days: float) -> datetime:
    from datetime import timedelta

    return EPOCH + timedelta(days=days)


def observation_days(result: StarVelocities) -> Any:
    """The start of each observation, days since 1970."""
    return np.array([days_since_epoch(time) for time in result.table["start"]])


def _draw_group(
    axes: list[Axes],
    result: StarVelocities,
    group: VelocityGroup,
    times: Any,
    style: dict[str, Any],
    link: ObservationLink,
) -> None:
    table, rows = result.table, group.rows
    velocities, errors = (table[name].to_numpy()[rows] for name in ("relative", "error"))
    urls = None
    if result.measured <= MAX_LINKS:
        urls = [link(obsid) or None for obsid in table.index[rows]]
    size = 12 if result.measured > 400 else 22
    axes[0].errorbar(
        times[rows],
        velocities,
        errors,
        fmt="none",
        ecolor=style["color"],
        alpha=0.5,
        elinewidth=0.8,
    )
    scatter = f"± {group.scatter:.2f} m/s " if rows.size > 1 else ""
    label = f"{group.label or 'before the first era'}\n   {scatter}({rows.size:,})"
    axes[0].scatter(times[rows], velocities, size, label=label, linewidths=0, urls=urls, **style)
    signal = table["signal"].to_numpy()[rows]
    axes[1].scatter(times[rows], signal, size / 2, linewidths=0, urls=urls, **style)


def _format_axes(axes: list[Axes], result: StarVelocities) -> None:
    upper, lower = axes
    upper.set_ylabel("RV - median [m/s]", size=canvas.SMALL_FONT + 1, color=canvas.INK)
    lower.set_ylabel("S/N at 548 nm", size=canvas.SMALL_FONT + 1, color=canvas.INK)
    for part in axes:
        part.grid(color=canvas.GRID, linewidth=0.6)
    values, errors = (result.table[name].to_numpy() for name in ("relative", "error"))
    bars = np.nan_to_num(errors)
    ends = np.concatenate([values - bars, values + bars])
    limits = robust_statistics.axis_limits(ends, by_scatter=True)
    if limits is None:
        draw_empty_message(upper, "no velocity")
        lower.set_visible(False)
        return
    upper.set_ylim(*limits)
    signal_limits = robust_statistics.axis_limits(result.table["signal"].to_numpy())
    if signal_limits:
        lower.set_ylim(min(0, signal_limits.low), 1.05 * signal_limits.high)
    _draw_off_scale(upper, result, limits)
    canvas.draw_legend_outside(upper, *upper.get_legend_handles_labels())


def _draw_off_scale(axes: Axes, result: StarVelocities, limits: Any) -> None:
    """Triangles at the edge for velocities outside of the axis limits."""
    values, times = result.table["relative"].to_numpy(), observation_days(result)
    sides = (("^", 0.97, values > limits.high), ("v", 0.03, values < limits.low))
    label: str | None = f"off scale ({sum(int(mask.sum()) for *_, mask in sides):,})"
    for marker, height, mask in sides:
        if not mask.any():
            continue
        edge = np.full(int(mask.sum()), height)
        place = axes.get_xaxis_transform()
        style: dict[str, Any] = {"marker": marker, "color": canvas.SOFT, "label": label}
        axes.scatter(times[mask], edge, 16, transform=place, **style)
        label = None
