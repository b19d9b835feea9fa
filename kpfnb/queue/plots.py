"""What the workers of a queue did over time: a row a worker, a bar an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from kpfnb import pictures
from kpfnb.workqueue.records import Ending, Event, Item

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered

RUNNING = "running"
# From Okabe and Ito's palette, which every kind of colour vision tells apart
COLOURS = {
    Ending.DONE: "#0072b2",
    Ending.FAILED: "#e69f00",
    Ending.LOST: "#d55e00",
    Ending.RETURNED: "#c8c8c8",
    Ending.PARKED: "#cc79a7",
    Ending.CANCELLED: "#777777",
    RUNNING: "#56b4e9",
}
MOST_WORKERS = 40
BAR_HEIGHT = 0.7


class Span(NamedTuple):
    """One attempt; `why` it ended so, '' where there is no more to say."""

    worker: str
    begun: datetime
    ended: datetime
    ending: str
    item: str
    attempt: int
    why: str = ""

    @property
    def told(self) -> str:
        """In words."""
        seconds = (self.ended - self.begun).total_seconds()
        text = f"{self.item}\n{self.ending}, attempt {self.attempt}, {seconds:.1f} s"
        return f"{text}\n{self.why}" if self.why else text


@dataclass(frozen=True)
class Timeline:
    """The attempts that ended and those that run; of many workers the latest.

    Attributes
    ----------
    now : when what runs was looked at
    zone : of the times that are shown
    """

    events: Sequence[Event]
    running: Sequence[Item]
    now: datetime
    zone: tzinfo

    @property
    def spans(self) -> list[Span]:
        """What is drawn, by time."""
        spans = [
            Span(e.worker, e.begun, e.ended, str(e.ending), e.item, e.attempt, e.why)
            for e in self.events
        ]
        spans += [
            Span(one.worker, one.since or self.now, self.now, RUNNING, one.name, one.attempts)
            for one in self.running
        ]
        last = {span.worker: span.ended for span in spans}
        shown = set(sorted(last, key=lambda worker: last[worker])[-MOST_WORKERS:])
        return sorted((one for one in spans if one.worker in shown), key=lambda one: one.begun)

    def plot(self) -> Figure:
        """The bars, coloured by how each attempt ended."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The bars, and which attempt is at the mouse."""
        from matplotlib.figure import Figure

        from kpfnb.hovering import Hovered, area

        spans = self.spans
        # The first to come on top
        workers = list(dict.fromkeys(span.worker for span in spans))
        figure = Figure(figsize=(9, 1.5 + 0.28 * max(len(workers), 1)), layout="constrained")
        axes = figure.add_subplot()
        for ending in COLOURS:
            _draw(axes, [span for span in spans if span.ending == ending], workers, str(ending))
        _label(axes, workers, self.zone)
        return Hovered(figure, {axes: area(lambda x, y: _at(spans, workers, x, y))})


def _at(spans: Sequence[Span], workers: Sequence[str], x: float, y: float) -> str:
    """The attempt at a place, in the data's units; '' where there is none."""
    from matplotlib.dates import num2date

    row = round(y)
    if not 0 <= row < len(workers) or abs(y - row) > BAR_HEIGHT / 2:
        return ""
    moment = num2date(x)
    at = (one for one in spans if one.worker == workers[row] and one.begun <= moment <= one.ended)
    return next((one.told for one in at), "")


def _draw(axes: Axes, spans: Sequence[Span], workers: list[str], label: str) -> None:
    from matplotlib.dates import date2num

    if not spans:
        return
    left = [date2num(span.begun) for span in spans]
    axes.barh(
        [workers.index(span.worker) for span in spans],
        [date2num(span.ended) - start for span, start in zip(spans, left, strict=True)],
        left=left,
        height=BAR_HEIGHT,
        color=COLOURS[label],
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
