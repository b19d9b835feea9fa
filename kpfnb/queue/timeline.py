"""The attempts of each worker over time, as bars to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from kpfnb.queue.records import AttemptEvent, QueueItem

RUNNING = "running"
MAX_WORKERS_SHOWN = 40


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
