"""The night log as people look at it: a table of the nights that were processed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from kpfnb import settings
from kpfnb.kpf import nightlog
from kpfnb.kpf.nightlog import Entry
from kpfnb.outcomes import Outcome
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd

COUNTS = {
    "done": "done",
    "already done": "skipped",
    "failed": "failed",
    "junk": "junk",
    "not reached": "unreached",
}
"""Column to the entry's attribute."""


@dataclass(frozen=True, repr=False)
class NightLog(Brief):
    """Nights as they were processed, oldest run first; `zone` is that of the times shown."""

    entries: tuple[Entry, ...]
    zone: ZoneInfo

    @property
    def outcome(self) -> Outcome:
        """To look at a log always succeeds."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """How many nights, and how many of them are not finished."""
        if not self.entries:
            return "no night was processed yet"
        last = {(entry.night, entry.kind): entry for entry in self.entries}
        left = sum(not entry.is_finished for entry in last.values())
        nights = len({entry.night for entry in self.entries})
        return f"{nights} night{'s' * (nights != 1)}, {left or 'none'} not finished"

    def figures(self) -> dict[str, int | float | str]:
        """Nights processed."""
        return {"nights": len({entry.night for entry in self.entries})}

    def to_dict(self) -> dict[str, Any]:
        """All entries; times are UTC."""
        return {"outcome": self.outcome, "nights": [asdict(entry) for entry in self.entries]}

    def to_frame(self) -> pd.DataFrame:
        """One row a night of a run: night, what, start, end, version, counts by fate, run, log."""
        import pandas as pd

        rows = [
            {
                "night": entry.night,
                "what": entry.kind,
                "start": entry.started or None,
                "end": entry.ended or None,
                "version": entry.version,
                **{name: getattr(entry, attribute) for name, attribute in COUNTS.items()},
                "run": entry.run,
                "logs": entry.folder,
            }
            for entry in self.entries
        ]
        frame = pd.DataFrame(rows)
        for name in ("start", "end") if rows else ():
            frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame

    def __str__(self) -> str:
        table = [self._head(), *self._rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        shown = [lines[0], "-" * len(lines[0]), *lines[1:]] if self.entries else []
        return "\n".join([*shown, self.reason])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self._head())
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._rows()
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<p><strong>{escape(self.reason)}</strong></p>{table if self.entries else ''}"

    def _head(self) -> list[str]:
        return ["night", "what", "start", "end", "version", *COUNTS]

    def _rows(self) -> Iterator[list[str]]:
        for entry in self.entries:
            counts = [str(getattr(entry, attribute)) for attribute in COUNTS.values()]
            moments = self._moment(entry.started), self._moment(entry.ended) or "not ended"
            yield [entry.night, entry.kind, *moments, entry.version or "any", *counts]

    def _moment(self, text: str) -> str:
        if not text:
            return ""
        moment = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"


def look(start: str = "", end: str = "", *, root: Path | str | None = None) -> NightLog:
    """The nights from `start` to `end` (YYYYMMDD, both included; '' is open) of a data root."""
    here = settings.load(**({"data_root": root} if root else {}))
    low, high = min(start, end or start), max(start, end)
    entries = [
        entry
        for entry in nightlog.read(nightlog.path(here), here.kpf_root)
        if (not start or entry.night >= low) and (not end or entry.night <= high)
    ]
    return NightLog(tuple(entries), here.zone)
