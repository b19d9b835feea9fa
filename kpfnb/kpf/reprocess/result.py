"""What became of each observation in a reprocessing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

MAX_FAILURES_SHOWN = 50
"""So many failures are shown in a page; all are in the record."""


class ObservationOutcome(StrEnum):
    """What became of one observation."""

    DONE = "done"
    """All that is expected of it was made and is good."""
    SKIPPED = "already done"
    PLANNED = "to be processed"
    """In a dry run."""
    JUNK = "junk"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """The work ended before its products were made."""

    @property
    def needs_work(self) -> bool:
        """True where products are expected that are not there."""
        return self in (ObservationOutcome.FAILED, ObservationOutcome.NOT_REACHED)


@dataclass(frozen=True)
class ReprocessItem:
    """One observation, or a name that is none.

    Attributes
    ----------
    night : '' where the name is no observation's
    reason : what is wrong with which level; '' where nothing is
    log, excerpt : the DRP's log and what it says about this observation, where it failed
    """

    name: str
    night: str
    fate: ObservationOutcome
    reason: str = ""
    log: str = ""
    excerpt: str = ""


@dataclass(frozen=True)
class DrpBatch:
    """One start of the DRP.

    Attributes
    ----------
    started_seconds, seconds : since the reprocessing's start, and how long it took
    made : the time at which each product was made, level to seconds since the start
    stop : why the batches after this one are not worth a try; '' as a rule
    """

    command: tuple[str, ...]
    log: str
    observations: int
    ending: str
    started_seconds: float
    seconds: float
    made: dict[str, tuple[float, ...]]
    stop: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; of the products only their number."""
        return asdict(self) | {
            "command": list(self.command),
            "made": {level: len(times) for level, times in self.made.items()},
        }


@dataclass(frozen=True, repr=False)
class ReprocessResult(OneLineRepr):
    """The result: a `kpfnb.core.result.Result`.

    Attributes
    ----------
    command : as the DRP is started; in a dry run with the words LIST for the list of L0 files
    started : UTC, ISO 8601
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

    @property
    def outcome(self) -> Outcome:
        """Partial or failed where an observation lacks what is expected of it; junk never does."""
        return merge_outcomes(
            Outcome.FAILED if item.fate.needs_work else Outcome.SUCCEEDED
            for item in self.items
            if item.fate is not ObservationOutcome.JUNK
        )

    @property
    def reason(self) -> str:
        """How many observations have which fate, and the first that failed."""
        counts = ", ".join(f"{n} {fate}" for fate, n in self.counts.items() if n)
        bad = self.with_outcome(ObservationOutcome.FAILED, ObservationOutcome.NOT_REACHED)
        first = f"; first: {bad[0].name}: {bad[0].reason}" if bad else ""
        return (counts or "no observations") + first

    @property
    def counts(self) -> dict[ObservationOutcome, int]:
        """Observations by fate."""
        return _count_outcomes(self.items)

    @property
    def nights(self) -> dict[str, dict[ObservationOutcome, int]]:
        """Observations by night and fate, in the order of the work."""
        by_night: dict[str, list[ReprocessItem]] = {}
        for item in self.items:
            by_night.setdefault(item.night, []).append(item)
        return {night: _count_outcomes(items) for night, items in by_night.items()}

    def with_outcome(self, *fates: ObservationOutcome) -> list[ReprocessItem]:
        """The items with one of these fates."""
        return [item for item in self.items if item.fate in fates]

    def key_figures(self) -> dict[str, int | float | str]:
        """Observations by fate, products made and seconds."""
        made = sum(len(times) for batch in self.batches for times in batch.made.values())
        counts = {str(fate): n for fate, n in self.counts.items() if n}
        nights = sum(map(bool, self.nights))
        return {"nights": nights, **counts, "products": made, "seconds": round(self.seconds)}

    def to_dict(self) -> dict[str, Any]:
        """Counts by night and fate; the names by fate, and in full those that lack something."""
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
            "names": {fate: [item.name for item in self.with_outcome(fate)] for fate in good},
            "failed": [
                asdict(item)
                for item in self.with_outcome(
                    ObservationOutcome.FAILED, ObservationOutcome.NOT_REACHED
                )
            ],
            "batches": [batch.to_dict() for batch in self.batches],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an observation: name, night, fate, reason, log, excerpt."""
        import pandas as pd

        rows = [asdict(item) | {"fate": str(item.fate)} for item in self.items]
        return pd.DataFrame(rows, columns=list(ReprocessItem.__dataclass_fields__))

    def plot(self) -> Figure:
        """Observations by night and fate, and products over time."""
        from kpfnb.kpf.reprocess import plots

        return plots.plot_reprocessing(self)

    def hover_plot(self) -> HoverFigure:
        """The plot, and which observations are at the mouse."""
        from kpfnb.kpf.reprocess import plots

        return plots.hover_reprocessing_plot(self)

    def __str__(self) -> str:
        remarks = [f"* {remark}" for remark in self._remarks()]
        lines = [*self._table(), *self._plan(), *self._failures(), *remarks, self.reason]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        fates = self._outcomes()
        head = "".join(f"<th>{escape(name)}</th>" for name in ("night", *fates))
        rows = "".join(
            f"<tr><td>{escape(night)}</td>{''.join(f'<td>{counts[f]}</td>' for f in fates)}</tr>"
            for night, counts in self.nights.items()
        )
        remarks = "".join(f"<li>{escape(line)}</li>" for line in self._remarks())
        failures = "".join(
            map(
                _failure_html,
                self.with_outcome(ObservationOutcome.FAILED, ObservationOutcome.NOT_REACHED)[
                    :MAX_FAILURES_SHOWN
                ],
            )
        )
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f'<div style="max-height: 30em; overflow: auto"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
            f"<ul>{remarks}</ul>{failures}"
        )

    def _outcomes(self) -> list[ObservationOutcome]:
        """The columns: those that somebody has."""
        return [fate for fate, n in self.counts.items() if n]

    def _table(self) -> list[str]:
        fates = self._outcomes()
        header = " | ".join(["NIGHT   ", *(fate.upper() for fate in fates)])
        rows = [
            " | ".join([f"{night:<8}", *(f"{counts[fate]:>{len(fate)}}" for fate in fates)])
            for night, counts in self.nights.items()
        ]
        return [header, "-" * len(header), *rows, ""] if rows else []

    def _plan(self) -> list[str]:
        """What a dry run is for: the command and the names."""
        if not self.dry_run:
            return []
        names = [item.name for item in self.with_outcome(ObservationOutcome.PLANNED)]
        return [f"would run: {shlex.join(self.command)}", *names, ""]

    def _failures(self) -> list[str]:
        return [
            line
            for item in self.with_outcome(ObservationOutcome.FAILED)
            for line in _failure_lines(item)
        ]

    def _remarks(self) -> list[str]:
        """What a reader should know."""
        endings = Counter(batch.ending for batch in self.batches)
        return [*(f"DRP: {n} × {ending}" for ending, n in endings.items()), *self.notes]


def _count_outcomes(items: Iterable[ReprocessItem]) -> dict[ObservationOutcome, int]:
    counts = Counter(item.fate for item in items)
    return {fate: counts[fate] for fate in ObservationOutcome}


def _failure_lines(item: ReprocessItem) -> list[str]:
    lines = [f"    {line}" for line in item.excerpt.splitlines()]
    log = [f"    log: {item.log}"] if item.log else []
    return [f"failed: {item.name}: {item.reason}", *lines, *log]


def _failure_html(item: ReprocessItem) -> str:
    title = escape(f"{item.name}: {item.fate}: {item.reason}")
    if not item.excerpt:
        return f"<p>{title}</p>"
    text = f"<pre>{escape(item.excerpt)}</pre><p>log: {escape(item.log)}</p>"
    return f"<details><summary>{title}</summary>{text}</details>"
