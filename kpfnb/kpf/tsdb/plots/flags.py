"""Checks of quality control over time: by share of those that passed, and the table of failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kpfnb.kpf.tsdb.packing import Array
from kpfnb.kpf.tsdb.plots import canvas
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.span import Span, to_days

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 144
SHOWN = 5
"""So many of the failed observations are named."""
_ROW, _LEFT = 0.27, 2.2


class Shade(NamedTuple):
    """A colour for shares of failures up to `most`."""

    most: float
    colour: str
    label: str


# In one direction of lightness and from blue to orange, which every colour vision tells apart
SHADES = (
    Shade(0.0, "#9ecae1", "all passed"),
    Shade(0.1, "#fdd49e", "up to 10 % failed"),
    Shade(0.5, "#f0803c", "up to half failed"),
    Shade(1.0, "#7f2704", "most failed"),
)


def table(view: View) -> pd.DataFrame:
    """One row a check: how many were checked and failed, and the latest failures."""
    import pandas as pd

    rows = {}
    for label, column in view.panel.flags.items():
        values = view.numbers(column)
        checked, failed = int(np.isfinite(values).sum()), values == 0
        share = f"{100 * failed.sum() / checked:.1f}" if checked else ""
        latest = ", ".join(view.obsids[failed][::-1][:SHOWN])
        rows[label] = [column, checked, int(failed.sum()), share, latest]
    names = ["keyword", "checked", "failed", "failed [%]", "latest failures"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("check")


def shares(times: Array, values: Array, span: Span, number: int = COLUMNS) -> Array:
    """The share of failures (values of 0) in equal bins of time; NaN where nothing was checked."""
    start, end = to_days(span.start), to_days(span.end)
    known = np.isfinite(values) & (times >= start) & (times < end)
    places = ((times[known] - start) / (end - start) * number).astype(np.intp)
    checked = np.bincount(places, minlength=number)
    failed = np.bincount(places, values[known] == 0, number)
    return np.where(checked > 0, failed / np.maximum(checked, 1), np.nan)


def draw(view: View, span: Span, title: str) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """One row a check; a failure is seen however short it was."""
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    found = table(view)
    size = len(found)
    height = max(_ROW * size, 1.2)
    figure, axes = canvas.sheet(title, [height], left=_LEFT)
    image = np.array([shares(view.times, view.numbers(c), span) for c in found["keyword"]])
    # The first shade is for no failure at all
    norm = BoundaryNorm([-1.0, 1e-9, *(shade.most + 1e-9 for shade in SHADES[1:])], len(SHADES))
    axes[0].imshow(
        np.ma.masked_invalid(image),
        cmap=ListedColormap([shade.colour for shade in SHADES]),
        norm=norm,
        aspect="auto",
        interpolation="nearest",
        extent=(to_days(span.start), to_days(span.end), size - 0.5, -0.5),
        zorder=2,
    )
    axes[0].set_yticks(range(size), [f"{name}  " for name in found.index], size=canvas.SMALL + 0.5)
    axes[0].set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes[0].grid(which="minor", axis="y", color="white", linewidth=2, zorder=3)
    axes[0].set_axisbelow(False)
    axes[0].tick_params(which="both", axis="y", length=0)
    for row, (checked, failed) in enumerate(zip(found["checked"], found["failed"], strict=True)):
        words = f"{failed:,} of {checked:,} failed" if checked else "not checked"
        bold = "bold" if failed else "normal"
        axes[0].text(
            1.01,
            row,
            words,
            size=canvas.SMALL,
            weight=bold,
            va="center",
            color=canvas.INK,
            transform=axes[0].get_yaxis_transform(),
        )
    patches = [Patch(facecolor=shade.colour, label=shade.label) for shade in SHADES]
    figure.legend(
        handles=patches,
        loc="upper right",
        ncols=len(SHADES),
        fontsize=canvas.SMALL - 0.5,
        frameon=False,
        bbox_to_anchor=(0.995, 1.0),
        columnspacing=1.0,
        handlelength=1.0,
    )
    return figure, axes, found
