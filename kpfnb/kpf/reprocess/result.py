"""The result of a reprocessing: the outcome of each observation and of each start of the DRP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.command_lines import format_command
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import html_table

if TYPE_CHECKING:
    import pandas as pd

MAX_FAILURES_SHOWN = 50
"""A page shows this many failures; the record holds all."""


class ObservationOutcome(StrEnum):
    """Outcome of the processing of one observation."""

    DONE = "done"
    """All expected products were made and are good."""
    SKIPPED = "already done"
    PLANNED = "to be processed"
    """Only in a dry run."""
    JUNK = "junk"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The run ended before its products were made."""

    @property
    def needs_work(self) -> bool:
        """Whether expected products are missing."""
        return self in (ObservationOutcome.FAILED, ObservationOutcome.NOT_REACHED)


@dataclass(frozen=True)
class ReprocessItem:
    """One observation or night, or an invalid name.

    Attributes
    ----------
    night : '' if the name is invalid
    reason : the defects by level; '' if there are none
    log, excerpt : after a failure, the DRP's log and its lines about this observation
    """

    name: str
    night: str
    outcome: ObservationOutcome
    reason: str = ""
    log: str = ""
    excerpt: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON values; records have always called the outcome `fate`."""
        return {
            "name": self.name,
            "night": self.night,
            "fate": str(self.outcome),
            "reason": self.reason,
            "log": self.log,
            "excerpt": self.excerpt,
        }


@dataclass(frozen=True)
class DrpBatch:
    """One start of the DRP.

    Attributes
    ----------
    started_seconds, seconds : start (since the start of the run), and duration
    product_times : level to the time of each new product, seconds since the start of the run
    stop : why no further batch should be started; usually ''
    """

    command: tuple[str, ...]
    log: str
    observations: int
    ending: str
    started_seconds: float
    seconds: float
    product_times: dict[str, tuple[float, ...]]
    stop: str = ""

    @property
    def product_count(self) -> int:
        """The number of new products."""
        return sum(map(len, self.product_times.values()))

    def to_dict(self) -> dict[str, Any]:
        """JSON values, with the number of products."""
        values = asdict(self) | {"command": list(self.command)}
        times = values.pop("product_times")
        return values | {"made": {level: len(times[level]) for level in times}}


@dataclass(frozen=True, repr=False)
class ReprocessResult(OneLineRepr):
    """What a reprocessing did: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    command : the command of the DRP, with LIST in place of the list of L0 files
    started : UTC, ISO 8601
    is_empty : the targets have no observations; the first note says so
    """

    root: Path
    version: str
    levels: tuple[str, ...]
    command: tuple[str, ...]
    started: str
    seconds: float
    items: tuple[ReprocessItem, ...]
    batches: tuple[DrpBatch, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    is_empty: bool = False

    @property
    def outcome(self) -> Outcome:
        """Partial or failed if an observation misses expected products; junk does not count.

        Skipped if there are no observations.
        """
        if self.is_empty:
            return Outcome.SKIPPED
        return merge_outcomes(
            Outcome.FAILED if item.outcome.needs_work else Outcome.SUCCEEDED
            for item in self.items
            if item.outcome is not ObservationOutcome.JUNK
        )

    @property
    def reason(self) -> str:
        """The number of observations by outcome, and the first that failed."""
        if not self.items and self.notes:
            return self.notes[0]
        counts = ", ".join(f"{n} {outcome}" for outcome, n in self.counts.items() if n)
        failed = self.incomplete
        first = f"; first: {failed[0].name}: {failed[0].reason}" if failed else ""
        return (counts or "no observations") + first

    @property
    def counts(self) -> dict[ObservationOutcome, int]:
        """Observations by outcome."""
        return _count_outcomes(self.items)

    @property
    def nights(self) -> dict[str, dict[ObservationOutcome, int]]:
        """Observations by night and outcome, in the order of the work."""
        by_night: dict[str, list[ReprocessItem]] = {}
        for item in self.items:
            by_night.setdefault(item.night, []).append(item)
        return {night: _count_outcomes(items) for night, items in by_night.items()}

    def with_outcome(self, *outcomes: ObservationOutcome) -> list[ReprocessItem]:
        """The items with one of these outcomes."""
        return [item for item in self.items if item.outcome in outcomes]

    @property
    def incomplete(self) -> list[ReprocessItem]:
        """The items with missing products."""
        return [item for item in self.items if item.outcome.needs_work]

    def key_figures(self) -> dict[str, int | float | str]:
        """Observations by outcome, products made and seconds."""
        products = sum(batch.product_count for batch in self.batches)
        counts = {str(outcome): n for outcome, n in self.counts.items() if n}
        nights = sum(map(bool, self.nights))
        return {"nights": nights, **counts, "products": products, "seconds": round(self.seconds)}

    def to_dict(self) -> dict[str, Any]:
        """Counts by night and outcome, names by outcome, all values of incomplete observations."""
        good = (
            ObservationOutcome.DONE,
            ObservationOutcome.PLANNED,
            ObservationOutcome.SKIPPED,
            ObservationOutcome.JUNK,
        )
        return {
            "outcome": self.outcome,
            "root": str(self.root),
            "version": self.version,
            "levels": list(self.levels),
            "dry_run": self.dry_run,
            "command": list(self.command),
            "started": self.started,
            "seconds": self.seconds,
            "nights": self.nights,
            "names": {
                outcome: [item.name for item in self.with_outcome(outcome)] for outcome in good
            },
            "failed": [item.to_dict() for item in self.incomplete],
            "batches": [batch.to_dict() for batch in self.batches],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an observation: name, night, result, reason, log, excerpt."""
        import pandas as pd

        columns = ["name", "night", "fate", "reason", "log", "excerpt"]
        frame = pd.DataFrame([item.to_dict() for item in self.items], columns=columns)
        return frame.rename(columns={"fate": "result"})

    def __str__(self) -> str:
        remarks = [f"* {remark}" for remark in self._remarks()]
        lines = [*self._table(), *self._plan(), *self._failures(), *remarks, self.reason]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        outcomes = self._outcomes()
        table = html_table(
            ["night", *outcomes],
            (
                [night, *(counts[outcome] for outcome in outcomes)]
                for night, counts in self.nights.items()
            ),
        )
        remarks = "".join(f"<li>{escape(line)}</li>" for line in self._remarks())
        failures = "".join(map(_failure_html, self.incomplete[:MAX_FAILURES_SHOWN]))
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f'<div style="max-height: 30em; overflow: auto">{table}</div>'
            f"<ul>{remarks}</ul>{failures}"
        )

    def _outcomes(self) -> list[ObservationOutcome]:
        """The outcomes that occur: the columns."""
        return [outcome for outcome, n in self.counts.items() if n]

    def _table(self) -> list[str]:
        outcomes = self._outcomes()
        header = " | ".join(["NIGHT   ", *(outcome.upper() for outcome in outcomes)])
        rows = [
            " | ".join([f"{night:<8}", *(f"{counts[o]:>{len(o)}}" for o in outcomes)])
            for night, counts in self.nights.items()
        ]
        return [header, "-" * len(header), *rows, ""] if rows else []

    def _plan(self) -> list[str]:
        """The command and the names in a dry run; empty otherwise."""
        if not self.dry_run:
            return []
        names = [item.name for item in self.with_outcome(ObservationOutcome.PLANNED)]
        return [f"would run: {format_command(self.command)}", *names, ""]

    def _failures(self) -> list[str]:
        return [
            line
            for item in self.with_outcome(ObservationOutcome.FAILED)
            for line in _failure_lines(item)
        ]

    def _remarks(self) -> list[str]:
        """How the DRP ended, and the notes."""
        endings = Counter(batch.ending for batch in self.batches)
        times = {ending: "once" if n == 1 else f"{n} times" for ending, n in endings.items()}
        return [*(f"DRP ran {times[ending]}: {ending}" for ending in endings), *self.notes]


def _count_outcomes(items: Iterable[ReprocessItem]) -> dict[ObservationOutcome, int]:
    counts = Counter(item.outcome for item in items)
    return {outcome: counts[outcome] for outcome in ObservationOutcome}


def _failure_lines(item: ReprocessItem) -> list[str]:
    lines = [f"    {line}" for line in item.excerpt.splitlines()]
    log = [f"    log: {item.log}"] if item.log else []
    return [f"failed: {item.name}: {item.reason}", *lines, *log]


def _failure_html(item: ReprocessItem) -> str:
    title = escape(f"{item.name}: {item.outcome}: {item.reason}")
    if not item.excerpt:
        return f"<p>{title}</p>"
    text = f"<pre>{escape(item.excerpt)}</pre><p>log: {escape(item.log)}</p>"
    return f"<details><summary>{title}</summary>{text}</details>"
