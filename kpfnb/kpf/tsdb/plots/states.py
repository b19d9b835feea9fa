"""Texts over time: a version, a mode, a state; and the table of how often each was."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from kpfnb import pictures
from kpfnb.kpf.tsdb.packing import Array
from kpfnb.kpf.tsdb.plots import canvas
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.span import Span, to_days

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
OTHERS = "others"
CUT = 24
_ROW, _LEAST, _LEFT = 0.24, 0.55, 1.9
_PLACES = 400


def table(view: View) -> pd.DataFrame:
    """One row a keyword and value: how many observations had it, and from when to when."""
    import pandas as pd

    rows = []
    nights = np.array([str(obsid)[3:11] for obsid in view.obsids], dtype=object)
    for label, column in view.panel.states.items():
        texts = view.texts(column)
        for value, count in Counter(text for text in texts if text is not None).most_common():
            its = nights[texts == value]
            rows.append([label, value, count, its[0], its[-1]])
    return pd.DataFrame(rows, columns=["", "value", "observations", "first night", "last night"])


def draw(view: View, span: Span, title: str) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """One pair of axes a keyword, one row a value."""
    found = table(view)
    states = view.panel.states
    values = {label: _values(found, label) for label in states}
    heights = [max(_LEAST, _ROW * (len(values[label]) + 1)) for label in states]
    figure, axes = canvas.sheet(title, heights, left=_LEFT)
    for one, (label, column) in zip(axes, states.items(), strict=True):
        _states(one, view.times, view.texts(column), values[label], span)
        one.set_ylabel(label, size=canvas.SMALL + 1)
    return figure, axes, found


def _values(found: pd.DataFrame, label: str) -> list[str]:
    """The values of a keyword from below to above: in order, the rare ones left to the others."""
    frequent = found.loc[found[""] == label, "value"].tolist()
    return ([OTHERS] if len(frequent) > MOST else []) + sorted(frequent[:MOST], key=_natural)


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts v2.9 before v2.10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _states(axes: Axes, times: Array, texts: Array, values: list[str], span: Span) -> None:
    from matplotlib.collections import LineCollection

    place = {value: row for row, value in enumerate(values)}
    rows = np.array([place.get(text, 0) if text is not None else -1 for text in texts])
    start, end = to_days(span.start), to_days(span.end)
    width = (end - start) / _PLACES
    for row in range(len(values)):
        its = times[rows == row]
        columns = np.unique(((its - start) / width).astype(np.intp))
        begins = start + columns * width
        dashes = [((at, row), (at + width, row)) for at in begins]
        colour = canvas.COLOURS[row % len(canvas.COLOURS)]
        axes.add_collection(LineCollection(dashes, colors=colour, linewidths=7, capstyle="butt"))
        axes.text(
            1.01,
            row,
            f"{its.size:,} observations",
            size=canvas.SMALL,
            va="center",
            color=canvas.INK,
            transform=axes.get_yaxis_transform(),
        )
    axes.set_yticks(range(len(values)), [pictures.literal(_cut(value)) for value in values])
    axes.set_ylim(-0.6, max(len(values), 1) - 0.4)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.6)


def _cut(text: str) -> str:
    return text if len(text) <= CUT else text[: CUT - 1] + "…"
