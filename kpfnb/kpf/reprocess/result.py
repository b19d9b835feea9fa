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

from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered

SHOWN = 50
"""So many failures are shown in a page; all are in the record."""


class Fate(StrEnum):
    """What became of one observation."""

    DONE = "done"
    """All that is expected of it was made and is good."""
    SKIPPED = "already done"
    PLANNED = "to be processed"
    """In a dry run."""
    JUNK = "junk"
    FAILED = "failed"
    UNREACHED = "not reached"
    """The work ended before its products were made."""

    @property
    def needs_work(self) -> bool:
        """True where products are expected that are not there."""
        return self in (Fate.FAILED, Fate.UNREACHED)


@dataclass(frozen=True)
class Item:
    """One observation, or a name that is none.

    Attributes
    ----------
    night : '' where the name is no observation's
    reason : what is wrong with which level; '' where nothing is
    log, excerpt : the DRP's log and what it says about this observation, where it failed
    """

    name: str
    night: str
    fate: Fate
    reason: str = ""
    log: str = ""
    excerpt: str = ""


@dataclass(frozen=True)
class Batch:
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
class Reprocessing(Brief):
    """The result: a `kpfnb.result.Result`.

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
    items: tuple[Item, ...]
    batches: tuple[Batch, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Partial or failed where an observation lacks what is expected of it; junk never does."""
        return combine(
            Outcome.FAILED if item.fate.needs_work else Outcome.SUCCEEDED
            for item in self.items
            if item.fate is not Fate.JUNK
        )

    @property
    def reason(self) -> str:
        """How many observations have which fate, and the first that failed."""
        counts = ", ".join(f"{n} {fate}" for fate, n in self.counts.items() if n)
        bad = self.having(Fate.FAILED, Fate.UNREACHED)
        first = f"; first: {bad[0].name}: {bad[0].reason}" if bad else ""
        return (counts or "no observations") + first

    @property
    def counts(self) -> dict[Fate, int]:
        """Observations by fate."""
        return _count(self.items)

    @property
    def nights(self) -> dict[str, dict[Fate, int]]:
        """Observations by night and fate, in the order of the work."""
        by_night: dict[str, list[Item]] = {}
        for item in self.items:
            by_night.setdefault(item.night, []).append(item)
        return {night: _count(items) for night, items in by_night.items()}

    def having(self, *fates: Fate) -> list[Item]:
        """The items with one of these fates."""
        return [item for item in self.items if item.fate in fates]

    def figures(self) -> dict[str, int | float | str]:
        """Observations by fate, products made and seconds."""
        made = sum(len(times) for batch in self.batches for times in batch.made.values())
        counts = {str(fate): n for fate, n in self.counts.items() if n}
        nights = sum(map(bool, self.nights))
        return {"nights": nights, **counts, "products": made, "seconds": round(self.seconds)}

    def to_dict(self) -> dict[str, Any]:
        """Counts by night and fate; the names by fate, and in full those that lack something."""
        good = (Fate.DONE, Fate.PLANNED, Fate.SKIPPED, Fate.JUNK)
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
            "names": {fate: [item.name for item in self.having(fate)] for fate in good},
            "failed": [asdict(item) for item in self.having(Fate.FAILED, Fate.UNREACHED)],
            "batches": [batch.to_dict() for batch in self.batches],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an observation: name, night, fate, reason, log, excerpt."""
        import pandas as pd

        rows = [asdict(item) | {"fate": str(item.fate)} for item in self.items]
        return pd.DataFrame(rows, columns=list(Item.__dataclass_fields__))

    def plot(self) -> Figure:
        """Observations by night and fate, and products over time."""
        from kpfnb.kpf import reprocessingpicture

        return reprocessingpicture.draw(self)

    def hovered(self) -> Hovered:
        """The plot, and which observations are at the mouse."""
        from kpfnb.kpf import reprocessingpicture

        return reprocessingpicture.hovered(self)

    def __str__(self) -> str:
        remarks = [f"* {remark}" for remark in self._remarks()]
        lines = [*self._table(), *self._plan(), *self._failures(), *remarks, self.reason]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        fates = self._fates()
        head = "".join(f"<th>{escape(name)}</th>" for name in ("night", *fates))
        rows = "".join(
            f"<tr><td>{escape(night)}</td>{''.join(f'<td>{counts[f]}</td>' for f in fates)}</tr>"
            for night, counts in self.nights.items()
        )
        remarks = "".join(f"<li>{escape(line)}</li>" for line in self._remarks())
        failures = "".join(map(_failure_html, self.having(Fate.FAILED, Fate.UNREACHED)[:SHOWN]))
        return (
            f"<p><strong>{escape(self.reason)}</strong></p>"
            f'<div style="max-height: 30em; overflow: auto"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
            f"<ul>{remarks}</ul>{failures}"
        )

    def _fates(self) -> list[Fate]:
        """The columns: those that somebody has."""
        return [fate for fate, n in self.counts.items() if n]

    def _table(self) -> list[str]:
        fates = self._fates()
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
        names = [item.name for item in self.having(Fate.PLANNED)]
        return [f"would run: {shlex.join(self.command)}", *names, ""]

    def _failures(self) -> list[str]:
        return [line for item in self.having(Fate.FAILED) for line in _failure_lines(item)]

    def _remarks(self) -> list[str]:
        """What a reader should know."""
        endings = Counter(batch.ending for batch in self.batches)
        return [*(f"DRP: {n} × {ending}" for ending, n in endings.items()), *self.notes]


def _count(items: Iterable[Item]) -> dict[Fate, int]:
    counts = Counter(item.fate for item in items)
    return {fate: counts[fate] for fate in Fate}


def _failure_lines(item: Item) -> list[str]:
    lines = [f"    {line}" for line in item.excerpt.splitlines()]
    log = [f"    log: {item.log}"] if item.log else []
    return [f"failed: {item.name}: {item.reason}", *lines, *log]


def _failure_html(item: Item) -> str:
    title = escape(f"{item.name}: {item.fate}: {item.reason}")
    if not item.excerpt:
        return f"<p>{title}</p>"
    text = f"<pre>{escape(item.excerpt)}</pre><p>log: {escape(item.log)}</p>"
    return f"<details><summary>{title}</summary>{text}</details>"
