"""The plot of an exploration, with tooltips, and its export to files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from kpfnb.core import atomic
from kpfnb.core.spreadsheet_cells import escape_csv_text
from kpfnb.kpf.timeseries import star_plot
from kpfnb.kpf.timeseries.exploration import ExplorationResult
from kpfnb.kpf.timeseries.star_velocities import StarVelocities
from kpfnb.kpf.tsdb.plots.curves import build_curves, format_number
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import PanelRow
from kpfnb.kpf.tsdb.plots.panel_plot import PanelPlot, draw_panel, render_png
from kpfnb.kpf.tsdb.plots.time_axis import load_eras
from kpfnb.notebook import links
from kpfnb.notebook.display.figures import (
    HoverFigure,
    LinkedText,
    PointTooltip,
    register_plot,
)


@register_plot(ExplorationResult)
def plot_exploration(result: ExplorationResult) -> HoverFigure:
    """The panel with every value drawn; the tooltip of a point is its ObsID and value,
    and a click opens its page.
    """
    plot = _draw_exploration(result, all_values=True)
    tooltips = map(partial(point_tooltips, result.view), result.view.panel.rows)
    return HoverFigure(plot.figure, dict(zip(plot.axes, tooltips, strict=False)))


@register_plot(StarVelocities)
def plot_star(result: StarVelocities) -> HoverFigure:
    """Velocities of a star; the tooltip of a point is its ObsID and value."""
    figure = star_plot.plot_velocities(result)
    times = star_plot.observation_days(result)

    def point_tooltip(name: str, unit: str) -> PointTooltip:
        values = result.table[name].to_numpy()

        def text(point: int) -> LinkedText:
            obsid = str(result.table.index[point])
            value = f"{values[point]:.2f} {unit}".rstrip()
            return LinkedText(f"{obsid}\n{value}", links.observation_url(obsid))

        return PointTooltip(np.column_stack([times, values]), text)

    velocity_axes, signal_axes = figure.axes[:2]
    tooltips = {
        velocity_axes: point_tooltip("relative", "m/s"),
        signal_axes: point_tooltip("signal", ""),
    }
    return HoverFigure(figure, tooltips)


def export_exploration(result: ExplorationResult, folder: Path) -> list[Path]:
    """Write the plot (PNG) and the values (CSV) into a directory, and return the paths."""
    picture, values = (folder / f"{result.view.panel.name}.{kind}" for kind in ("png", "csv"))
    with atomic.replace_atomically(picture) as temporary:
        temporary.write_bytes(render_png(_draw_exploration(result)))
    frame = result.to_frame().map(lambda x: escape_csv_text(x) if isinstance(x, str) else x)
    atomic.write_text(values, frame.to_csv(date_format="%Y-%m-%dT%H:%M:%S.%fZ"))
    return [picture, values]


def point_tooltips(view: PanelView, row: PanelRow) -> PointTooltip:
    """The tooltips of a row's points: ObsID, keyword and value."""
    curves = build_curves(view, row)
    finite = [np.flatnonzero(np.isfinite(curve.values)) for curve in curves]
    curve_numbers = np.repeat(np.arange(len(curves)), [rows.size for rows in finite])
    rows = np.concatenate(finite)
    values = np.concatenate([c.values[rows] for c, rows in zip(curves, finite, strict=True)])

    def text(point: int) -> LinkedText:
        label = curves[curve_numbers[point]].label
        value = f"{label}: {format_number(values[point])} {row.unit}"
        obsid = str(view.obsids[rows[point]])
        return LinkedText(f"{obsid}\n{value}".rstrip(), links.observation_url(obsid))

    return PointTooltip(np.column_stack([view.times[rows], values]), text)


def _draw_exploration(result: ExplorationResult, *, all_values: bool = False) -> PanelPlot:
    return draw_panel(
        result.view, result.span, load_eras(), when=result.title, all_values=all_values
    )
