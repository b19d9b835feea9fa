"""The picture of a queue: bars by state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kpfnb import hovering, pictures
from kpfnb.hovering import Hovered
from kpfnb.workqueue.records import Item, State

# From Okabe and Ito's palette, which every kind of colour vision tells apart
STATE_COLOURS = {
    State.WAITING: "#c8c8c8",
    State.RUNNING: "#56b4e9",
    State.FAILED: "#e69f00",
    State.PARKED: "#d55e00",
    State.DONE: "#0072b2",
    State.CANCELLED: "#777777",
}

MOST_LETTERS = 100


def bars(counts: Mapping[State, int], items: Mapping[State, Sequence[Item]], title: str) -> Hovered:
    """The number of items in each state; over a bar their names."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"queue {pictures.literal(title)}", loc="left", fontsize=10)
    if not any(counts.values()):
        pictures.nothing(axes, "no items")
        return Hovered(figure)
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
    texts = [
        f"{counts[state]} {state}\n{hovering.names(map(_about, items[state]))}" for state in states
    ]
    return Hovered(figure, {axes: hovering.bars(texts, upright=False)})


def _about(item: Item) -> str:
    """An item, how far it is, and the first line of what went wrong."""
    told = [item.name, *([item.note] if item.note else []), *item.error.splitlines()[:1]]
    return ": ".join(told)[:MOST_LETTERS]
