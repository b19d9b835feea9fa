"""Plots of a queue: items by state, and attempts by worker over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from kpfnb.core import palette
from kpfnb.notebook.display.figures import (
    HoverFigure,
    area_tooltip,
    bar_tooltip,
    draw_empty_message,
    escape_mathtext,
    join_names,
    register_plot,
)
from kpfnb.queue.records import AttemptOutcome, QueueItem, QueueItemStatus
from kpfnb.queue.status import QueueStatus
from kpfnb.queue.timeline import RUNNING, AttemptSpan, WorkerTimeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From the palette of Okabe and Ito, which people with any colour vision can tell apart
STATUS_COLOURS = {
    QueueItemStatus.WAITING: palette.PALE_GREY,
    QueueItemStatus.RUNNING: palette.SKY_BLUE,
    QueueItemStatus.FAILED: palette.ORANGE,
    QueueItemStatus.PARKED: palette.VERMILION,
    QueueItemStatus.DONE: palette.BLUE,
    QueueItemStatus.CANCELLED: palette.GREY,
}
ATTEMPT_COLOURS = {
    AttemptOutcome.DONE: palette.BLUE,
    AttemptOutcome.FAILED: palette.ORANGE,
    AttemptOutcome.LOST: palette.VERMILION,
    AttemptOutcome.RETURNED: palette.PALE_GREY,
    AttemptOutcome.PARKED: palette.PURPLE,
    AttemptOutcome.CANCELLED: palette.GREY,
    RUNNING: palette.SKY_BLUE,
}
MAX_TOOLTIP_LENGTH = 100
BAR_HEIGHT = 0.7


@register_plot(QueueStatus)
def plot_status(status: QueueStatus) -> HoverFigure:
    """The number of items in each state; the tooltip of a bar has their names."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    counts = status.counts
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"queue {escape_mathtext(status.queue)}", loc="left", fontsize=10)
    if not any(counts.values()):
        draw_empty_message(axes, "no items")
        return HoverFigure(figure)
    states = list(counts)
    bars = axes.barh(
        [str(state) for state in states],
        [counts[state] for state in states],
        color=[STATUS_COLOURS[state] for state in states],
    )
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*counts.values(), 1) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("items")
    axes.set_ylabel("state")
    axes.spines[["top", "right"]].set_visible(False)
    texts = [
        f"{counts[state]} {state}\n{join_names(map(_item_tooltip, status.items[state]))}"
        for state in states
    ]
    return HoverFigure(figure, {axes: bar_tooltip(texts, upright=False)})


def _item_tooltip(item: QueueItem) -> str:
    """An item, its progress, and the first line of its error."""
    parts = [item.name, *([item.note] if item.note else []), *item.error.splitlines()[:1]]
    return ": ".join(parts)[:MAX_TOOLTIP_LENGTH]


@register_plot(WorkerTimeline)
def plot_timeline(timeline: WorkerTimeline) -> HoverFigure:
    """One row per worker and one bar per attempt, coloured by its outcome."""
    from matplotlib.figure import Figure

    spans = timeline.spans
    # The worker of the first attempt on top
    workers = list(dict.fromkeys(span.worker for span in spans))
    figure = Figure(figsize=(9, 1.5 + 0.28 * max(len(workers), 1)), layout="constrained")
    axes = figure.add_subplot()
    for ending in ATTEMPT_COLOURS:
        _draw_spans(axes, [span for span in spans if span.ending == ending], workers, str(ending))
    _label_axes(axes, workers, timeline.zone)
    return HoverFigure(figure, {axes: area_tooltip(lambda x, y: tooltip_at(spans, workers, x, y))})


def tooltip_at(spans: Sequence[AttemptSpan], workers: Sequence[str], x: float, y: float) -> str:
    """The tooltip of the attempt at a position in data units; '' if there is none."""
    from matplotlib.dates import num2date

    row = round(y)
    if not 0 <= row < len(workers) or abs(y - row) > BAR_HEIGHT / 2:
        return ""
    time = num2date(x)
    at_position = (
        span for span in spans if span.worker == workers[row] and span.begun <= time <= span.ended
    )
    return next((span.tooltip for span in at_position), "")


def _draw_spans(axes: Axes, spans: Sequence[AttemptSpan], workers: list[str], label: str) -> None:
    from matplotlib.dates import date2num

    if not spans:
        return
    left = [date2num(span.begun) for span in spans]
    axes.barh(
        [workers.index(span.worker) for span in spans],
        [date2num(span.ended) - start for span, start in zip(spans, left, strict=True)],
        left=left,
        height=BAR_HEIGHT,
        color=ATTEMPT_COLOURS[label],
        edgecolor="white",
        linewidth=0.4,
        label=label,
    )


def _label_axes(axes: Axes, workers: Sequence[str], zone: tzinfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.set_yticks(range(len(workers)), map(escape_mathtext, workers), size=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"time ({zone})")
    axes.set_ylabel("worker")
    axes.spines[["top", "right"]].set_visible(False)
    if not workers:
        draw_empty_message(axes, "no attempts")
        return
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.legend(ncols=4, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
