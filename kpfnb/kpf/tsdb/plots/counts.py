"""Observations counted by category and time: stacked bars, and the table of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.kpf.tsdb.plots import canvas, time_axis
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.panel import CountSpec
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array, ValueKind
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
    """One row a unit of time that has observations, one column a category, most frequent first.

    The last column is all of them; for `known` it is left out: an observation is in several.
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
    fit = time_axis.choose_unit(span)
    names = [edge.strftime(fit.format) for edge in edges[:-1]]
    frame = pd.DataFrame(columns, index=pd.Index(names, name=fit.name))
    if not count.known:
        frame[TOTAL] = frame.sum(axis=1)
    any_there = np.bincount(places, minlength=len(edges) - 1) > 0
    kept = frame[any_there]
    return kept if count.sum else kept.astype(int)


def draw_counts(
    view: PanelView, span: TimeSpan, title: str
) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """Stacked bars by time, beside each other for `known`; and their table, with its totals."""
    found = count_table(view, span)
    count = _count_spec(view)
    names = [name for name in found.columns if name != TOTAL]
    height = max(_HEIGHT, 0.175 * (len(names) + 2))
    figure, axes = canvas.create_figure(title, [height])
    edges = time_axis.bin_edges(span)
    fit = time_axis.choose_unit(span)
    begins = {edge.strftime(fit.format): number for number, edge in enumerate(edges[:-1])}
    places = [begins[name] for name in found.index]
    starts = np.array([days_since_epoch(edges[place]) for place in places])
    widths = np.array([days_since_epoch(edges[place + 1]) for place in places]) - starts
    shares = len(names) if count.known else 1
    bottom = np.zeros(len(found))
    handles = []
    for number, name in enumerate(names):
        look: dict[str, Any] = {
            "color": canvas.COLOURS[number % len(canvas.COLOURS)],
            "hatch": _HATCHES[number // len(canvas.COLOURS) % len(_HATCHES)],
            "edgecolor": "white",
            "linewidth": 0,
        }
        values = found[name].to_numpy(dtype=float)
        shift = number * widths / shares if count.known else 0.0
        at = starts + 0.05 * widths + 0.9 * shift
        axes[0].bar(at, values, 0.9 * widths / shares, bottom, align="edge", **look)
        handles.append(_legend_patch(look))
        if not count.known:
            bottom += values
    highest = bottom if not count.known else found[names].to_numpy().max(axis=1)
    axes[0].set_ylim(0, 1.08 * float(highest.max(initial=0)) or 1)
    labels = [
        f"{figures.escape_mathtext(name)}  ({_format_count(found[name].sum(), count)})"
        for name in names
    ]
    canvas.draw_legend_outside(axes[0], handles, labels)
    unit = f" [{count.unit}]" if count.unit else ""
    axes[0].set_ylabel(f"{count.label}{unit} per {fit.name.split()[0]}", size=canvas.SMALL_FONT + 1)
    axes[0].grid(axis="y", color=canvas.GRID, linewidth=0.6)
    return figure, axes, _with_totals(found, count)


def _count_spec(view: PanelView) -> CountSpec:
    if view.panel.count is None:
        raise TypeError(f"panel {view.panel.name} counts nothing")
    return view.panel.count


def _known_masks(view: PanelView, count: CountSpec) -> dict[str, Array]:
    """By label, where a keyword has a value."""
    masks = {}
    for label, column in count.known.items():
        series = view.table.series(column)
        text = series.kind is ValueKind.TEXT
        masks[label] = (
            np.array([one is not None for one in view.texts(column)], dtype=bool)
            if text
            else ~np.isnan(view.numbers(column))
        )
    return masks


def _category_masks(view: PanelView, count: CountSpec) -> dict[str, Array]:
    """By value, most frequent first; the rare ones together."""
    texts = view.texts(count.by)
    known = np.array([text or "not known" for text in texts], dtype=object)
    values, inverse, numbers = np.unique(known.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    masks = {str(values[one]): inverse == one for one in order[: count.most]}
    if order.size > count.most:
        masks[OTHERS] = np.isin(inverse, order[count.most :])
    return masks


def _with_totals(frame: pd.DataFrame, count: CountSpec) -> pd.DataFrame:
    import pandas as pd

    total = frame.sum().to_frame("total").T
    both = pd.concat([frame, total])
    both.index.name = frame.index.name
    return both.round(2) if count.sum else both


def _format_count(value: float, count: CountSpec) -> str:
    unit = f" {count.unit}" if count.unit else ""
    return f"{value:,.1f}{unit}" if count.sum else f"{int(value):,}"


def _legend_patch(look: dict[str, Any]) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=look["color"], hatch=look["hatch"], edgecolor="white", linewidth=0)
