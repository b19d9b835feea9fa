"""Pictures of a queue: bars by state, and what its workers did over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from kpfnb import pictures
from kpfnb.workqueue.records import Ending, Event, Item, State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
RUNNING = "running"
ENDING_COLOURS = {
    Ending.DONE: "#0072b2",
    Ending.FAILED: "#e69f00",
    Ending.LOST: "#d55e00",
    Ending.RETURNED: "#c8c8c8",
    Ending.PARKED: "#cc79a7",
    Ending.CANCELLED: "#777777",
    RUNNING: "#56b4e9",
}
MOST_WORKERS = 40


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


def timeline(
    events: Sequence[Event], running: Sequence[Item], now: datetime, zone: tzinfo
) -> Figure:
    """One row a worker, one bar an attempt, coloured by how it ended."""
    from matplotlib.figure import Figure

    spans = [(event.worker, event.begun, event.ended, str(event.ending)) for event in events]
    spans += [(item.worker, item.since or now, now, RUNNING) for item in running]
    # The latest workers, the first to come on top
    last = {worker: ended for worker, _, ended, _ in spans}
    shown = set(sorted(last, key=lambda worker: last[worker])[-MOST_WORKERS:])
    spans = sorted((span for span in spans if span[0] in shown), key=lambda span: span[1])
    workers = list(dict.fromkeys(worker for worker, *_ in spans))
    height = 1.5 + 0.28 * max(len(workers), 1)
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.add_subplot()
    for ending in ENDING_COLOURS:
        _draw(axes, [span for span in spans if span[3] == ending], workers, str(ending))
    _label(axes, workers, zone)
    return figure


def _draw(
    axes: Axes, spans: Sequence[tuple[str, datetime, datetime, str]], workers: list[str], label: str
) -> None:
    from matplotlib.dates import date2num

    if not spans:
        return
    left = [date2num(begun) for _, begun, _, _ in spans]
    axes.barh(
        [workers.index(worker) for worker, *_ in spans],
        [date2num(ended) - start for (_, _, ended, _), start in zip(spans, left, strict=True)],
        left=left,
        height=0.7,
        color=ENDING_COLOURS[label],
        edgecolor="white",
        linewidth=0.4,
        label=label,
    )


def _label(axes: Axes, workers: Sequence[str], zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.set_yticks(range(len(workers)), map(pictures.literal, workers), size=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"time ({zone})")
    axes.set_ylabel("worker")
    axes.spines[["top", "right"]].set_visible(False)
    if not workers:
        pictures.nothing(axes, "no attempts")
        return
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.legend(ncols=4, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
