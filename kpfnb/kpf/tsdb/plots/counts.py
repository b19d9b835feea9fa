"""Counts of observations by category and time: stacked bars, and the table of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.kpf.tsdb.kinds import ValueKind
from kpfnb.kpf.tsdb.plots import canvas, time_axis
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import CountSpec
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = "others"
TOTAL = "all"
_HATCHES = ("", "///", "...")
_HEIGHT = 2.6


def count_table(view: PanelView, span: TimeSpan) -> pd.DataFrame:
    """One row per unit of time with observations, one column per category, most frequent first.

    The last column is the sum. It is left out for `known`, where categories overlap.
    """
    import pandas as pd

    count = _count_spec(view)
    masks = _known_masks(view, count) if count.known else _category_masks(view, count)
    edges = time_axis.bin_edges(span)
    places = (
        np.searchsorted([days_since_epoch(edge) for edge in edges], view.times, side="right") - 1
    )
    weights = view.numbers(count.sum) * count.scale if count.sum else np.ones(places.size)
    weights = np.nan_to_num(weights)
    columns = {
        name: np.bincount(places[mask], weights[mask], len(edges) - 1)
        for name, mask in masks.items()
    }
    unit = time_axis.choose_unit(span)
    names = [edge.strftime(unit.format) for edge in edges[:-1]]
    frame = pd.DataFrame(columns, index=pd.Index(names, name=unit.name))
    if not count.known:
        frame[TOTAL] = frame.sum(axis=1)
    has_observations = np.bincount(places, minlength=len(edges) - 1) > 0
    filled = frame[has_observations]
    return filled if count.sum else filled.astype(int)


def draw_counts(
    view: PanelView, span: TimeSpan, title: str
) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """Draw bars by time, stacked or, for `known`, side by side; also returns the table."""
    table = count_table(view, span)
    count = _count_spec(view)
    names = [name for name in table.columns if name != TOTAL]
    height = max(_HEIGHT, 0.175 * (len(names) + 2))
    figure, axes = canvas.create_figure(title, [height])
    edges = time_axis.bin_edges(span)
    unit = time_axis.choose_unit(span)
    bin_numbers = {edge.strftime(unit.format): number for number, edge in enumerate(edges[:-1])}
    places = [bin_numbers[name] for name in table.index]
    starts = np.array([days_since_epoch(edges[place]) for place in places])
    widths = np.array([days_since_epoch(edges[place + 1]) for place in places]) - starts
    bars_per_bin = len(names) if count.known else 1
    bottom = np.zeros(len(table))
    handles = []
    for number, name in enumerate(names):
        style: dict[str, Any] = {
            "color": canvas.COLOURS[number % len(canvas.COLOURS)],
            "hatch": _HATCHES[number // len(canvas.COLOURS) % len(_HATCHES)],
            "edgecolor": "white",
            "linewidth": 0,
        }
        values = table[name].to_numpy(dtype=float)
        shift = number * widths / bars_per_bin if count.known else 0.0
        left_edges = starts + 0.05 * widths + 0.9 * shift
        axes[0].bar(left_edges, values, 0.9 * widths / bars_per_bin, bottom, align="edge", **style)
        handles.append(_legend_patch(style))
        if not count.known:
            bottom += values
    highest = bottom if not count.known else table[names].to_numpy().max(axis=1)
    axes[0].set_ylim(0, 1.08 * float(highest.max(initial=0)) or 1)
    labels = [
        f"{figures.escape_mathtext(name)}  ({_format_count(table[name].sum(), count)})"
        for name in names
    ]
    canvas.draw_legend_outside(axes[0], handles, labels)
    unit_label = f" [{count.unit}]" if count.unit else ""
    axes[0].set_ylabel(
        f"{count.label}{unit_label} per {unit.name.split()[0]}", size=canvas.SMALL_FONT + 1
    )
    axes[0].grid(axis="y", color=canvas.GRID, linewidth=0.6)
    return figure, axes, _with_totals(table, count)


def _count_spec(view: PanelView) -> CountSpec:
    if view.panel.count is None:
        raise TypeError(f"panel {view.panel.name} has no count")
    return view.panel.count


def _known_masks(view: PanelView, count: CountSpec) -> dict[str, Array]:
    """Masks by label: where a keyword has a value."""
    masks = {}
    for label, column in count.known.items():
        series = view.table.series(column)
        text = series.kind is ValueKind.TEXT
        masks[label] = (
            np.array([value is not None for value in view.texts(column)], dtype=bool)
            if text
            else ~np.isnan(view.numbers(column))
        )
    return masks


def _category_masks(view: PanelView, count: CountSpec) -> dict[str, Array]:
    """Masks by value, most frequent first; rare values are combined."""
    texts = view.texts(count.by)
    known = np.array([text or "not known" for text in texts], dtype=object)
    values, inverse, numbers = np.unique(known.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    masks = {
        str(values[value_number]): inverse == value_number for value_number in order[: count.most]
    }
    if order.size > count.most:
        masks[OTHERS] = np.isin(inverse, order[count.most :])
    return masks


def count_table_with_totals(view: PanelView, span: TimeSpan) -> pd.DataFrame:
    """The table of counts with a last row of totals."""
    return _with_totals(count_table(view, span), _count_spec(view))


def _with_totals(frame: pd.DataFrame, count: CountSpec) -> pd.DataFrame:
    import pandas as pd

    total = frame.sum().to_frame("total").T
    both = pd.concat([frame, total])
    both.index.name = frame.index.name
    return both.round(2) if count.sum else both


def _format_count(value: float, count: CountSpec) -> str:
    unit = f" {count.unit}" if count.unit else ""
    return f"{value:,.1f}{unit}" if count.sum else f"{int(value):,}"


def _legend_patch(style: dict[str, Any]) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=style["color"], hatch=style["hatch"], edgecolor="white", linewidth=0)
