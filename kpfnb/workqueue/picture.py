"""The picture of a queue: bars by state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kpfnb import pictures
from kpfnb.workqueue.records import State

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From Okabe and Ito's palette, which every kind of colour vision tells apart
STATE_COLOURS = {
    State.WAITING: "#c8c8c8",
    State.RUNNING: "#56b4e9",
    State.FAILED: "#e69f00",
    State.PARKED: "#d55e00",
    State.DONE: "#0072b2",
    State.CANCELLED: "#777777",
}


def bars(counts: Mapping[State, int], title: str) -> Figure:
    """The number of items in each state."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"queue {pictures.literal(title)}", loc="left", fontsize=10)
    if not any(counts.values()):
        pictures.nothing(axes, "no items")
        return figure
    states = list(counts)
    drawn = axes.barh(
        [str(state) for state in states],
        [counts[state] for state in states],
        color=[STATE_COLOURS[state] for state in states],
    )
    axes.bar_label(drawn, padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*counts.values(), 1) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("items")
    axes.set_ylabel("state")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
