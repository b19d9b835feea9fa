"""What the workers of a queue did over time: a row a worker, a bar an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure
from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


# The picture of a queue: bars by state.

# From Okabe and Ito's palette, which every kind of colour vision tells apart
STATUS_COLOURS = {
    QueueItemStatus.WAITING: "#c8c8c8",
    QueueItemStatus.RUNNING: "#56b4e9",
    QueueItemStatus.FAILED: "#e69f00",
    QueueItemStatus.PARKED: "#d55e00",
    QueueItemStatus.DONE: "#0072b2",
    QueueItemStatus.CANCELLED: "#777777",
}

MAX_TOOLTIP_LENGTH = 100


def plot_statuses(
    counts: Mapping[QueueItemStatus, int],
    items: Mapping[QueueItemStatus, Sequence[QueueItem]],
    title: str,
) -> HoverFigure:
    """The number of items in each state; over a bar their names."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"queue {figures.escape_mathtext(title)}", loc="left", fontsize=10)
    if not any(counts.values()):
        figures.draw_empty_message(axes, "no items")
        return HoverFigure(figure)
    states = list(counts)
    drawn = axes.barh(
        [str(state) for state in states],
        [counts[state] for state in states],
        color=[STATUS_COLOURS[state] for state in states],
    )
    axes.bar_label(drawn, padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*counts.values(), 1) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("items")
    axes.set_ylabel("state")
    axes.spines[["top", "right"]].set_visible(False)
    texts = [
        f"{counts[state]} {state}\n{figures.join_names(map(_item_tooltip, items[state]))}"
        for state in states
    ]
    return HoverFigure(figure, {axes: figures.bar_tooltip(texts, upright=False)})


def _item_tooltip(item: QueueItem) -> str:
    """An item, how far it is, and the first line of what went wrong."""
    told = [item.name, *([item.note] if item.note else []), *item.error.splitlines()[:1]]
    return ": ".join(told)[:MAX_TOOLTIP_LENGTH]


RUNNING = "running"
# From Okabe and Ito's palette, which every kind of colour vision tells apart
ATTEMPT_COLOURS = {
    AttemptOutcome.DONE: "#0072b2",
    AttemptOutcome.FAILED: "#e69f00",
    AttemptOutcome.LOST: "#d55e00",
    AttemptOutcome.RETURNED: "#c8c8c8",
    AttemptOutcome.PARKED: "#cc79a7",
    AttemptOutcome.CANCELLED: "#777777",
    RUNNING: "#56b4e9",
}
MAX_WORKERS_SHOWN = 40
BAR_HEIGHT = 0.7


class AttemptSpan(NamedTuple):
    """One attempt; `why` it ended so, '' where there is no more to say."""

    worker: str
    begun: datetime
    ended: datetime
    ending: str
    item: str
    attempt: int
    why: str = ""

    @property
    def tooltip(self) -> str:
        """In words."""
        seconds = (self.ended - self.begun).total_seconds()
        text = f"{self.item}\n{self.ending}, attempt {self.attempt}, {seconds:.1f} s"
        return f"{text}\n{self.why}" if self.why else text


@dataclass(frozen=True)
class WorkerTimeline:
    """The attempts that ended and those that run; of many workers the latest.

    Attributes
    ----------
    now : when what runs was looked at
    zone : of the times that are shown
    """

    events: Sequence[AttemptEvent]
    running: Sequence[QueueItem]
    now: datetime
    zone: tzinfo

    @property
    def spans(self) -> list[AttemptSpan]:
        """What is drawn, by time."""
        spans = [
            AttemptSpan(e.worker, e.begun, e.ended, str(e.ending), e.item, e.attempt, e.why)
            for e in self.events
        ]
        spans += [
            AttemptSpan(
                one.worker, one.since or self.now, self.now, RUNNING, one.name, one.attempts
            )
            for one in self.running
        ]
        last = {span.worker: span.ended for span in spans}
        shown = set(sorted(last, key=lambda worker: last[worker])[-MAX_WORKERS_SHOWN:])
        return sorted((one for one in spans if one.worker in shown), key=lambda one: one.begun)

    def plot(self) -> Figure:
        """The bars, coloured by how each attempt ended."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The bars, and which attempt is at the mouse."""
        from matplotlib.figure import Figure

        from kpfnb.notebook.display.figures import HoverFigure, area_tooltip

        spans = self.spans
        # The first to come on top
        workers = list(dict.fromkeys(span.worker for span in spans))
        figure = Figure(figsize=(9, 1.5 + 0.28 * max(len(workers), 1)), layout="constrained")
        axes = figure.add_subplot()
        for ending in ATTEMPT_COLOURS:
            _draw_spans(
                axes, [span for span in spans if span.ending == ending], workers, str(ending)
            )
        _label_axes(axes, workers, self.zone)
        return HoverFigure(
            figure, {axes: area_tooltip(lambda x, y: _tooltip_at(spans, workers, x, y))}
        )


def _tooltip_at(spans: Sequence[AttemptSpan], workers: Sequence[str], x: float, y: float) -> str:
    """The attempt at a place, in the data's units; '' where there is none."""
    from matplotlib.dates import num2date

    row = round(y)
    if not 0 <= row < len(workers) or abs(y - row) > BAR_HEIGHT / 2:
        return ""
    moment = num2date(x)
    at = (one for one in spans if one.worker == workers[row] and one.begun <= moment <= one.ended)
    return next((one.tooltip for one in at), "")


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

    axes.set_yticks(range(len(workers)), map(figures.escape_mathtext, workers), size=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"time ({zone})")
    axes.set_ylabel("worker")
    axes.spines[["top", "right"]].set_visible(False)
    if not workers:
        figures.draw_empty_message(axes, "no attempts")
        return
    locator = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.legend(ncols=4, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
