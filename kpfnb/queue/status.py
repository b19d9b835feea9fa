"""How a queue stands, as a result: counts, who works on what, what went wrong, the time left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core import settings
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_duration
from kpfnb.queue.client import Queue
from kpfnb.queue.plots import WorkerTimeline
from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus, to_iso

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

RATE_WINDOW = timedelta(minutes=10)
"""The rate is that of the last ten minutes, or since the first event in them."""

MAX_ITEMS_SHOWN = 20
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, repr=False)
class QueueStatus(OneLineRepr):
    """A look at a queue; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    items : the items of each state, the latest thousand of it
    events : ends of attempts, oldest first
    taken : when it was looked at, UTC
    require_done : call it partial while something is open or parked
    """

    queue: str
    counts: dict[QueueItemStatus, int]
    items: dict[QueueItemStatus, list[QueueItem]]
    events: tuple[AttemptEvent, ...]
    is_draining: bool
    taken: datetime
    zone: tzinfo
    require_done: bool = False

    @property
    def outcome(self) -> Outcome:
        """Looking succeeds; where all was to be done, what is not makes it partial."""
        undone = sum(self.counts[state] for state in QueueItemStatus if state.is_open)
        if self.require_done and (undone or self.counts[QueueItemStatus.PARKED]):
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """The counts in one line."""
        told = [f"{count} {state}" for state, count in self.counts.items() if count]
        return (", ".join(told) or "no items") + (" (draining)" if self.is_draining else "")

    @property
    def rate(self) -> float | None:
        """Items done a second lately; None where none were."""
        return done_rate(self.events, self.taken)

    @property
    def seconds_left(self) -> float | None:
        """Until all open items are done, if it goes on like this; None if nobody can tell."""
        undone = sum(self.counts[state] for state in QueueItemStatus if state.is_open)
        return undone / self.rate if self.rate and undone else None

    def key_figures(self) -> dict[str, int | float | str]:
        """The counts."""
        return {str(state): count for state, count in self.counts.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: counts, and each item that runs, failed or is parked."""
        told = (QueueItemStatus.RUNNING, QueueItemStatus.FAILED, QueueItemStatus.PARKED)
        return {
            "queue": self.queue,
            "counts": self.key_figures(),
            "draining": self.is_draining,
            "items_per_second": self.rate,
            "seconds_left": self.seconds_left,
            "taken": to_iso(self.taken),
            **{str(state): [item.to_dict() for item in self.items[state]] for state in told},
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an item; times in UTC."""
        import pandas as pd

        names = ["item", "state", "priority", "attempts", "worker", "since", "seconds", "error"]
        rows = [
            (
                *(one.name, str(one.state), str(one.priority), one.attempts, one.worker),
                *(one.since, one.seconds, one.error),
            )
            for items in self.items.values()
            for one in items
        ]
        return pd.DataFrame(rows, columns=names)

    def failures(self) -> QueueFailures:
        """What failed or is parked, with the last words of each."""
        return QueueFailures(
            tuple(self.items[QueueItemStatus.PARKED] + self.items[QueueItemStatus.FAILED])
        )

    def plot(self) -> Figure:
        """Bars by state."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which items are at the mouse."""
        from kpfnb.queue import plots

        return plots.plot_statuses(self.counts, self.items, self.queue)

    def timeline(self) -> WorkerTimeline:
        """The attempts of each worker over time."""
        return WorkerTimeline(
            self.events, self.items[QueueItemStatus.RUNNING], self.taken, self.zone
        )

    def __str__(self) -> str:
        lines = [f"queue {self.queue}: {self.reason}", self._rate_text()]
        for state in (QueueItemStatus.RUNNING, QueueItemStatus.FAILED, QueueItemStatus.PARKED):
            lines += [self._item_line(item) for item in self.items[state][-MAX_ITEMS_SHOWN:]]
            hidden = self.counts[state] - MAX_ITEMS_SHOWN
            lines += [f"  and {hidden} more {state}"] if hidden > 0 else []
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        """The table of the states, and who works on what; all text escaped."""
        counts = [[str(state), str(count)] for state, count in self.counts.items()]
        running = [
            [item.name, item.worker, self._format_time(item.since), str(item.attempts)]
            for item in self.items[QueueItemStatus.RUNNING]
        ]
        return (
            f"<p><strong>queue {escape(self.queue)}: {escape(self.reason)}</strong>"
            f" {escape(self._rate_text())}</p>{_html_table(['state', 'items'], counts)}"
            + (_html_table(["running", "worker", "since", "attempt"], running) if running else "")
        )

    def _rate_text(self) -> str:
        if not self.rate:
            return ""
        left = f", {format_duration(self.seconds_left)} left" if self.seconds_left else ""
        return f"{60 * self.rate:.3g} done a minute{left}"

    def _item_line(self, item: QueueItem) -> str:
        since = self._format_time(item.since)
        if item.state is QueueItemStatus.RUNNING:
            told = f"on {item.worker} since {since}, attempt {item.attempts}  {item.note}"
        elif item.state is QueueItemStatus.FAILED:
            told = (
                f"{item.attempts} attempts, again at {self._format_time(item.until)}: {item.error}"
            )
        else:
            told = f"since {since}, {item.attempts} attempts: {item.error}"
        return f"  {item.state:<8} {item.name}  {' '.join(told.split())}"

    def _format_time(self, time: datetime | None) -> str:
        return time.astimezone(self.zone).strftime(TIME_FORMAT) if time else "-"


@dataclass(frozen=True, repr=False)
class QueueFailures(OneLineRepr):
    """Items that failed, each with its error and the end of its log."""

    items: tuple[QueueItem, ...]

    @property
    def reason(self) -> str:
        """How many there are."""
        states = Counter(str(item.state) for item in self.items)
        return ", ".join(f"{count} {state}" for state, count in states.items()) or "none"

    def __str__(self) -> str:
        return "\n\n".join(f"{one.name}: {one.error}\n{one.log}".rstrip() for one in self.items)

    def _repr_html_(self) -> str:
        """A line each that opens to show the log; all text escaped."""
        if not self.items:
            return "<p>No failures.</p>"
        return "".join(
            f"<details><summary>{escape(one.name)} ({one.state}, {one.attempts} attempts): "
            f"{escape(one.error)}</summary><pre>{escape(one.log) or 'no log'}</pre></details>"
            for one in self.items
        )


def load_status(queue: Queue, *, require_done: bool = False) -> QueueStatus:
    """Look at a queue."""
    return QueueStatus(
        queue.name,
        queue.counts(),
        {state: queue.items(state) for state in QueueItemStatus},
        tuple(queue.events()),
        queue.is_draining,
        datetime.now(UTC),
        settings.load_settings().zone,
        require_done,
    )


def done_rate(events: tuple[AttemptEvent, ...], now: datetime) -> float | None:
    """Items done a second in the last ten minutes, or since the first attempt in them."""
    recent = [event for event in events if event.ended >= now - RATE_WINDOW]
    done = sum(event.ending is AttemptOutcome.DONE for event in recent)
    if not done:
        return None
    start = max(min(event.begun for event in recent), now - RATE_WINDOW)
    return done / max((now - start).total_seconds(), 0.001)


def _html_table(titles: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th scope='col'>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
