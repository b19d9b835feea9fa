"""The status of a queue, as a result: counts, running items, failures, rate and time left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import settings
from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_duration, html_table
from kpfnb.queue import attempt_logs
from kpfnb.queue.client import Queue
from kpfnb.queue.records import AttemptEvent, AttemptOutcome, QueueItem, QueueItemStatus
from kpfnb.queue.timeline import WorkerTimeline

if TYPE_CHECKING:
    import pandas as pd


RATE_WINDOW = timedelta(minutes=10)
"""The rate is averaged over the last ten minutes, or since the first event in them."""
MAX_ITEMS_SHOWN = 20
TIME_FORMAT = "%Y-%m-%d %H:%M"
PROBLEM_STATES = (QueueItemStatus.PARKED, QueueItemStatus.FAILED)
REASON_ORDER = (
    *(QueueItemStatus.PARKED, QueueItemStatus.FAILED, QueueItemStatus.RUNNING),
    *(QueueItemStatus.WAITING, QueueItemStatus.DONE, QueueItemStatus.CANCELLED),
)
"""What needs a person comes first."""


@dataclass(frozen=True)
class QueueProblem:
    """An item that failed or is set aside, with what a person needs to decide about it.

    Attributes
    ----------
    since : when it came into its state, UTC
    log_end : the end of the log of its last failed attempt; '' if there is none
    log_path : the whole log; None if it is not on this machine
    """

    item: str
    state: QueueItemStatus
    attempts: int
    error: str
    log_end: str
    log_path: Path | None
    since: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "item": self.item,
            "state": str(self.state),
            "attempts": self.attempts,
            "error": self.error,
            "log_end": self.log_end,
            "log_path": str(self.log_path or ""),
            "since": format_utc(self.since) if self.since else None,
        }


def list_problems(queue: Queue) -> list[QueueProblem]:
    """The items that are parked, then those that failed and are retried; the latest thousand."""
    return [
        describe_problem(queue.name, item)
        for state in PROBLEM_STATES
        for item in queue.items(state)
    ]


def describe_problem(queue: str, item: QueueItem) -> QueueProblem:
    """The problem of an item that failed or is parked."""
    path = attempt_logs.find_log(queue, item) if item.log else None
    return QueueProblem(
        item.name, item.state, item.attempts, item.error, item.log, path, item.since
    )


@dataclass(frozen=True, repr=False)
class QueueStatus(OneLineRepr):
    """The status of a queue at one time; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    items : the items of each state, the latest thousand of it
    events : attempts that ended, oldest first
    taken : when the queue was read, UTC
    require_done : report partial while items are open, too
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
        """Partial if items are parked, or `require_done` is set and items are open."""
        if self.counts[QueueItemStatus.PARKED] or (self.require_done and self._open_count):
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED

    @property
    def _open_count(self) -> int:
        return sum(self.counts[state] for state in QueueItemStatus if state.is_open)

    @property
    def reason(self) -> str:
        """The counts in one line, parked items first, and why the latest of them is parked."""
        counts = [f"{self.counts[state]} {state}" for state in REASON_ORDER if self.counts[state]]
        text = (", ".join(counts) or "no items") + (" (draining)" if self.is_draining else "")
        parked = self.items[QueueItemStatus.PARKED]
        error = next(iter(parked[-1].error.splitlines()), "") if parked else ""
        return f"{text}; {parked[-1].name}: {error}" if error else text

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

    def problems(self) -> pd.DataFrame:
        """One row per item that failed or is parked; times in the site's zone."""
        import pandas as pd

        names = ["item", "state", "attempts", f"since ({self.zone})", "error"]
        rows = [
            (item.name, str(item.state), item.attempts, self._format_time(item.since), item.error)
            for state in PROBLEM_STATES
            for item in reversed(self.items[state])
        ]
        return pd.DataFrame(rows, columns=names)

    def timeline(self) -> WorkerTimeline:
        """The attempts of each worker over time."""
        running = self.items[QueueItemStatus.RUNNING]
        return WorkerTimeline(self.events, running, self.taken, self.zone)

    def __str__(self) -> str:
        lines = [f"queue {self.queue}: {self.reason}", self._rate_text()]
        for state in (QueueItemStatus.PARKED, QueueItemStatus.FAILED, QueueItemStatus.RUNNING):
            lines += [self._item_line(item) for item in self.items[state][-MAX_ITEMS_SHOWN:]]
            hidden = self.counts[state] - MAX_ITEMS_SHOWN
            lines += [f"  and {hidden} more {state}"] if hidden > 0 else []
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        """What is done, the states, and the running items with their workers; text is escaped."""
        counts = html_table(["state", "items"], self.counts.items())
        running = [
            [
                *(item.name, item.worker, self._format_time(item.since)),
                format_duration((self.taken - item.since).total_seconds()) if item.since else "",
                *(item.attempts, item.note),
            ]
            for item in self.items[QueueItemStatus.RUNNING]
        ]
        titles = ["running", "worker", f"since ({self.zone})", "for", "attempt", "progress"]
        table = html_table(titles, running) if running else "<p>No item is running.</p>"
        return (
            f"<p><strong>queue {escape(self.queue)}: {escape(self.reason)}</strong></p>"
            f"{self._progress_html()}{counts}{table}"
        )

    def _progress_html(self) -> str:
        """The part of the items on which no more work is done, the rate and the time left."""
        total = sum(self.counts.values())
        if not total:
            return ""
        closed = total - self._open_count
        left = self._rate_text() or ("time left not known yet" if self._open_count else "")
        text = escape(", ".join(filter(None, [f"{closed} of {total} finished", left])))
        return (
            f'<progress aria-label="items finished" style="width: 100%; max-width: 40em" '
            f'value="{closed}" max="{total}"></progress><div>{text}</div>'
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
