"""The status of a queue, as a result: counts, running items, failures, rate and time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.core import settings
from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_duration, html_table
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus

if TYPE_CHECKING:
    import pandas as pd


RUNNING = "running"
MAX_WORKERS_SHOWN = 40
RATE_WINDOW = timedelta(minutes=10)
"""The rate is averaged over the last ten minutes, or since the first event in them."""
MAX_ITEMS_SHOWN = 20
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


class AttemptSpan(NamedTuple):
    """One attempt from begin to end; `why` explains its end, '' if nothing needs explaining."""

    worker: str
    begun: datetime
    ended: datetime
    ending: str
    item: str
    attempt: int
    why: str = ""

    @property
    def tooltip(self) -> str:
        """Item, outcome, number and duration, as lines of text."""
        seconds = (self.ended - self.begun).total_seconds()
        text = f"{self.item}\n{self.ending}, attempt {self.attempt}, {seconds:.1f} s"
        return f"{text}\n{self.why}" if self.why else text


@dataclass(frozen=True)
class WorkerTimeline:
    """Attempts that ended and attempts that are running; of many workers the latest.

    Attributes
    ----------
    now : end of the bars of running attempts
    zone : time zone of the times that are shown
    """

    events: Sequence[AttemptEvent]
    running: Sequence[QueueItem]
    now: datetime
    zone: tzinfo

    @property
    def spans(self) -> list[AttemptSpan]:
        """The attempts to draw, by time."""
        spans = [
            AttemptSpan(
                event.worker,
                event.begun,
                event.ended,
                str(event.ending),
                event.item,
                event.attempt,
                event.why,
            )
            for event in self.events
        ]
        spans += [
            AttemptSpan(
                item.worker, item.since or self.now, self.now, RUNNING, item.name, item.attempts
            )
            for item in self.running
        ]
        last_ends = {span.worker: span.ended for span in spans}
        latest = sorted(last_ends, key=lambda worker: last_ends[worker])
        shown_workers = set(latest[-MAX_WORKERS_SHOWN:])
        return sorted(
            (span for span in spans if span.worker in shown_workers), key=lambda span: span.begun
        )


@dataclass(frozen=True, repr=False)
class QueueStatus(OneLineRepr):
    """The status of a queue at one time; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    items : the items of each state, the latest thousand of it
    events : attempts that ended, oldest first
    taken : when the queue was read, UTC
    require_done : report partial while items are open or parked
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
        """Succeeded; partial if `require_done` is set and items are open or parked."""
        if self.require_done and (self._open_count or self.counts[QueueItemStatus.PARKED]):
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    @property
    def _open_count(self) -> int:
        return sum(self.counts[state] for state in QueueItemStatus if state.is_open)

    @property
    def reason(self) -> str:
        """The counts in one line."""
        counts = [f"{count} {state}" for state, count in self.counts.items() if count]
        return (", ".join(counts) or "no items") + (" (draining)" if self.is_draining else "")

    @property
    def rate(self) -> float | None:
        """Items done per second recently; None if none were."""
        return done_rate(self.events, self.taken)

    @property
    def seconds_left(self) -> float | None:
        """Time until all open items are done at this rate; None if it can't be estimated."""
        return self._open_count / self.rate if self.rate and self._open_count else None

    def key_figures(self) -> dict[str, int | float | str]:
        """The number of items by state."""
        return {str(state): count for state, count in self.counts.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: counts, and each item that is running, failed or parked."""
        listed = (QueueItemStatus.RUNNING, QueueItemStatus.FAILED, QueueItemStatus.PARKED)
        return {
            "queue": self.queue,
            "counts": self.key_figures(),
            "draining": self.is_draining,
            "items_per_second": self.rate,
            "seconds_left": self.seconds_left,
            "taken": format_utc(self.taken),
            **{str(state): [item.to_dict() for item in self.items[state]] for state in listed},
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per item; times in UTC."""
        import pandas as pd

        names = ["item", "state", "priority", "attempts", "worker", "since", "seconds", "error"]
        rows = [
            (
                *(item.name, str(item.state), str(item.priority), item.attempts, item.worker),
                *(item.since, item.seconds, item.error),
            )
            for items in self.items.values()
            for item in items
        ]
        return pd.DataFrame(rows, columns=names)

    def failures(self) -> QueueFailures:
        """The items that failed or are parked, with the end of their logs."""
        items = self.items[QueueItemStatus.PARKED] + self.items[QueueItemStatus.FAILED]
        return QueueFailures(tuple(items))

    def timeline(self) -> WorkerTimeline:
        """The attempts of each worker over time."""
        running = self.items[QueueItemStatus.RUNNING]
        return WorkerTimeline(self.events, running, self.taken, self.zone)

    def __str__(self) -> str:
        lines = [f"queue {self.queue}: {self.reason}", self._rate_text()]
        for state in (QueueItemStatus.RUNNING, QueueItemStatus.FAILED, QueueItemStatus.PARKED):
            lines += [self._item_line(item) for item in self.items[state][-MAX_ITEMS_SHOWN:]]
            hidden = self.counts[state] - MAX_ITEMS_SHOWN
            lines += [f"  and {hidden} more {state}"] if hidden > 0 else []
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        """The table of the states, and the running items with their workers; text is escaped."""
        counts = html_table(["state", "items"], self.counts.items())
        running = [
            [item.name, item.worker, self._format_time(item.since), item.attempts]
            for item in self.items[QueueItemStatus.RUNNING]
        ]
        running_table = (
            html_table(["running", "worker", "since", "attempt"], running) if running else ""
        )
        return (
            f"<p><strong>queue {escape(self.queue)}: {escape(self.reason)}</strong>"
            f" {escape(self._rate_text())}</p>{counts}{running_table}"
        )

    def _rate_text(self) -> str:
        if not self.rate:
            return ""
        left = f", {format_duration(self.seconds_left)} left" if self.seconds_left else ""
        return f"{60 * self.rate:.3g} done per minute{left}"

    def _item_line(self, item: QueueItem) -> str:
        since = self._format_time(item.since)
        if item.state is QueueItemStatus.RUNNING:
            text = f"on {item.worker} since {since}, attempt {item.attempts}  {item.note}"
        elif item.state is QueueItemStatus.FAILED:
            next_time = self._format_time(item.until)
            text = f"{item.attempts} attempts, next at {next_time}: {item.error}"
        else:
            text = f"since {since}, {item.attempts} attempts: {item.error}"
        return f"  {item.state:<8} {item.name}  {' '.join(text.split())}"

    def _format_time(self, time: datetime | None) -> str:
        return time.astimezone(self.zone).strftime(TIME_FORMAT) if time else "-"


@dataclass(frozen=True, repr=False)
class QueueFailures(OneLineRepr):
    """Items that failed, each with its error and the end of its log."""

    items: tuple[QueueItem, ...]

    @property
    def reason(self) -> str:
        """The number of items by state."""
        counts = Counter(str(item.state) for item in self.items)
        return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"

    def __str__(self) -> str:
        return "\n\n".join(f"{item.name}: {item.error}\n{item.log}".rstrip() for item in self.items)

    def _repr_html_(self) -> str:
        """One line per item that opens to show the log; all text is escaped."""
        if not self.items:
            return "<p>No failures.</p>"
        return "".join(
            f"<details><summary>{escape(item.name)} ({item.state}, {item.attempts} attempts): "
            f"{escape(item.error)}</summary><pre>{escape(item.log) or 'no log'}</pre></details>"
            for item in self.items
        )


def load_status(queue: Queue, *, require_done: bool = False) -> QueueStatus:
    """Read the status of a queue from the server."""
    return QueueStatus(
        queue.name,
        queue.counts(),
        {state: queue.items(state) for state in QueueItemStatus},
        tuple(queue.events()),
        queue.is_draining,
        utc_now(),
        settings.load_settings().zone,
        require_done,
    )


def done_rate(events: tuple[AttemptEvent, ...], now: datetime) -> float | None:
    """Items done per second in the last ten minutes, or since the first attempt in them."""
    recent = [event for event in events if event.ended >= now - RATE_WINDOW]
    done = sum(event.ending is AttemptOutcome.DONE for event in recent)
    if not done:
        return None
    start = max(min(event.begun for event in recent), now - RATE_WINDOW)
    return done / max((now - start).total_seconds(), 0.001)
