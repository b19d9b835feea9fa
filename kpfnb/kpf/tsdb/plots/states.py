"""Flags and states over time: checks of quality control, and texts such as versions or modes."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kpfnb.kpf.tsdb.plots import canvas
from kpfnb.kpf.tsdb.plots.data import PanelView
from kpfnb.kpf.tsdb.plots.time_axis import TimeSpan, days_since_epoch
from kpfnb.kpf.tsdb.series import Array
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


TIME_BINS = 144
MAX_LATEST_FAILURES = 5
"""The maximum number of failed observations that are named."""
_FLAG_ROW_HEIGHT, _FLAG_LEFT = 0.27, 2.2

MAX_STATES = 12
OTHER_STATES = "others"
MAX_TEXT_LENGTH = 24
_STATE_ROW_HEIGHT, _MIN_STATE_HEIGHT, _STATE_LEFT = 0.24, 0.55, 1.9
_DASH_BINS = 400


class FailureShade(NamedTuple):
    """A colour for shares of failures up to `max_share`."""

    max_share: float
    colour: str
    label: str


# Monotonic in lightness, from blue to orange: distinct for every kind of colour vision
FAILURE_SHADES = (
    FailureShade(0.0, "#9ecae1", "all passed"),
    FailureShade(0.1, "#fdd49e", "up to 10 % failed"),
    FailureShade(0.5, "#f0803c", "up to half failed"),
    FailureShade(1.0, "#7f2704", "most failed"),
)


def flag_table(view: PanelView) -> pd.DataFrame:
    """One row per check: how many were checked and failed, and the latest failures."""
    import pandas as pd

    rows = {}
    for label, column in view.panel.flags.items():
        values = view.numbers(column)
        checked, failed = int(np.isfinite(values).sum()), values == 0
        share = f"{100 * failed.sum() / checked:.1f}" if checked else ""
        latest = ", ".join(view.obsids[failed][::-1][:MAX_LATEST_FAILURES])
        rows[label] = [column, checked, int(failed.sum()), share, latest]
    names = ["keyword", "checked", "failed", "failed [%]", "latest failures"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("check")


def failure_shares(times: Array, values: Array, span: TimeSpan, number: int = TIME_BINS) -> Array:
    """The share of failures (values of 0) in equal bins of time; NaN in bins without a check."""
    start, end = days_since_epoch(span.start), days_since_epoch(span.end)
    known = np.isfinite(values) & (times >= start) & (times < end)
    places = ((times[known] - start) / (end - start) * number).astype(np.intp)
    checked = np.bincount(places, minlength=number)
    failed = np.bincount(places, values[known] == 0, number)
    return np.where(checked > 0, failed / np.maximum(checked, 1), np.nan)


def draw_flags(
    view: PanelView, span: TimeSpan, title: str
) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """One row per check; even a single failure is visible."""
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    table = flag_table(view)
    size = len(table)
    height = max(_FLAG_ROW_HEIGHT * size, 1.2)
    figure, axes = canvas.create_figure(title, [height], left=_FLAG_LEFT)
    image = np.array([failure_shares(view.times, view.numbers(c), span) for c in table["keyword"]])
    # The first shade is for bins without failures
    norm = BoundaryNorm(
        [-1.0, 1e-9, *(shade.max_share + 1e-9 for shade in FAILURE_SHADES[1:])], len(FAILURE_SHADES)
    )
    axes[0].imshow(
        np.ma.masked_invalid(image),
        cmap=ListedColormap([shade.colour for shade in FAILURE_SHADES]),
        norm=norm,
        aspect="auto",
        interpolation="nearest",
        extent=(days_since_epoch(span.start), days_since_epoch(span.end), size - 0.5, -0.5),
        zorder=2,
    )
    axes[0].set_yticks(
        range(size), [f"{name}  " for name in table.index], size=canvas.SMALL_FONT + 0.5
    )
    axes[0].set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes[0].grid(which="minor", axis="y", color="white", linewidth=2, zorder=3)
    axes[0].set_axisbelow(False)
    axes[0].tick_params(which="both", axis="y", length=0)
    for row, (checked, failed) in enumerate(zip(table["checked"], table["failed"], strict=True)):
        text = f"{failed:,} of {checked:,} failed" if checked else "not checked"
        weight = "bold" if failed else "normal"
        axes[0].text(
            1.01,
            row,
            text,
            size=canvas.SMALL_FONT,
            weight=weight,
            va="center",
            color=canvas.INK,
            transform=axes[0].get_yaxis_transform(),
        )
    patches = [Patch(facecolor=shade.colour, label=shade.label) for shade in FAILURE_SHADES]
    figure.legend(
        handles=patches,
        loc="upper right",
        ncols=len(FAILURE_SHADES),
        fontsize=canvas.SMALL_FONT - 0.5,
        frameon=False,
        bbox_to_anchor=(0.995, 1.0),
        columnspacing=1.0,
        handlelength=1.0,
    )
    return figure, axes, table


def state_table(view: PanelView) -> pd.DataFrame:
    """One row per keyword and value: number of observations, first and last night."""
    import pandas as pd

    rows = []
    nights = np.array([str(obsid)[3:11] for obsid in view.obsids], dtype=object)
    for label, column in view.panel.states.items():
        texts = view.texts(column)
        for value, count in Counter(text for text in texts if text is not None).most_common():
            state_nights = nights[texts == value]
            rows.append([label, value, count, state_nights[0], state_nights[-1]])
    return pd.DataFrame(rows, columns=["", "value", "observations", "first night", "last night"])


def draw_states(
    view: PanelView, span: TimeSpan, title: str
) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """One pair of axes per keyword, one row per value."""
    table = state_table(view)
    states = view.panel.states
    values = {label: _state_values(table, label) for label in states}
    heights = [
        max(_MIN_STATE_HEIGHT, _STATE_ROW_HEIGHT * (len(values[label]) + 1)) for label in states
    ]
    figure, axes = canvas.create_figure(title, heights, left=_STATE_LEFT)
    for part, (label, column) in zip(axes, states.items(), strict=True):
        _draw_state_rows(part, view.times, view.texts(column), values[label], span)
        part.set_ylabel(label, size=canvas.SMALL_FONT + 1)
    return figure, axes, table


def _state_values(table: pd.DataFrame, label: str) -> list[str]:
    """The values of a keyword in order, from bottom to top; rare ones are combined as others."""
    frequent = table.loc[table[""] == label, "value"].tolist()
    return ([OTHER_STATES] if len(frequent) > MAX_STATES else []) + sorted(
        frequent[:MAX_STATES], key=_natural_key
    )


def _natural_key(text: str) -> list[tuple[int, str]]:
    """A sort key that puts v2.9 before v2.10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _draw_state_rows(
    axes: Axes, times: Array, texts: Array, values: list[str], span: TimeSpan
) -> None:
    from matplotlib.collections import LineCollection

    row_numbers = {value: row for row, value in enumerate(values)}
    rows = np.array([row_numbers.get(text, 0) if text is not None else -1 for text in texts])
    start, end = days_since_epoch(span.start), days_since_epoch(span.end)
    width = (end - start) / _DASH_BINS
    for row in range(len(values)):
        row_times = times[rows == row]
        columns = np.unique(((row_times - start) / width).astype(np.intp))
        starts = start + columns * width
        dashes = [((at, row), (at + width, row)) for at in starts]
        colour = canvas.COLOURS[row % len(canvas.COLOURS)]
        axes.add_collection(LineCollection(dashes, colors=colour, linewidths=7, capstyle="butt"))
        axes.text(
            1.01,
            row,
            f"{row_times.size:,} observations",
            size=canvas.SMALL_FONT,
            va="center",
            color=canvas.INK,
            transform=axes.get_yaxis_transform(),
        )
    axes.set_yticks(
        range(len(values)), [figures.escape_mathtext(_shorten_text(value)) for value in values]
    )
    axes.set_ylim(-0.6, max(len(values), 1) - 0.4)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.6)


def _shorten_text(text: str) -> str:
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"
