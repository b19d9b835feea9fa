"""The result of sorting raw frames: each frame with its place, or the reason why it has none."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare.placement_plan import DROPPED, IN_PLACE, FramePlacement
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd

REPORT_NAME = "reorganised"
MAX_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, repr=False)
class SortResult(OneLineRepr):
    """The placements of all frames; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    sources : the directories of raw frames
    missing_types : frame types that an incomplete dataset needs, by its name
    notes : remarks on datasets
    """

    root: Path
    spectrograph: str
    mode: str
    rows: tuple[FramePlacement, ...]
    missing_types: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    interrupted: bool = False
    dry_run: bool = False

    @property
    def misplaced(self) -> list[FramePlacement]:
        """The frames that should have a place and have none."""
        return [row for row in self.rows if row.state not in (IN_PLACE, DROPPED)]

    @property
    def outcome(self) -> Outcome:
        """Judged by the frames in place; the profile decides which frames are dropped.

        Skipped if there are no frames at all, neither new ones nor in place.
        """
        if not self.rows:
            return Outcome.SKIPPED
        if not self.misplaced:
            return Outcome.SUCCEEDED
        is_partial = any(row.state in (IN_PLACE, DROPPED) for row in self.rows)
        return Outcome.PARTIAL if is_partial else Outcome.FAILED

    @property
    def reason(self) -> str:
        """What was done, and what is wrong, in one line."""
        if not self.rows:
            return f"no raw frames (.fits, .fits.gz) in {', '.join(self.sources) or self.root}"
        changed = sum(row.changed for row in self.rows)
        verb = {"copy": "copied", "move": "moved", "symlink": "linked"}[self.mode]
        would = "would be " if self.dry_run else ""
        text = f"{changed} of {format_count(self._placed_count, 'frame')} {would}{verb}"
        if not changed:
            text = f"nothing to do: {format_count(self._placed_count, 'frame')} in place"
        text += f", {format_count(len(self.datasets), 'dataset')} ({len(self.complete)} complete)"
        for state, count in Counter(row.state for row in self.rows).items():
            text += f", {count} {state}" if state != IN_PLACE else ""
        return ("stopped: " if self.interrupted else "") + text

    @property
    def datasets(self) -> list[str]:
        """The names of the datasets that have frames."""
        return sorted({row.dataset for row in self.rows if row.state == IN_PLACE})

    @property
    def complete(self) -> list[str]:
        """The names of the datasets that PypeIt can reduce."""
        return [name for name in self.datasets if not self.missing_types.get(name)]

    @property
    def _placed_count(self) -> int:
        return sum(row.state == IN_PLACE for row in self.rows)

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        return {
            "frames": len(self.rows),
            "in place": self._placed_count,
            "new": sum(row.changed for row in self.rows),
            "dropped": sum(row.state == DROPPED for row in self.rows),
            "problems": len(self.misplaced),
            "datasets": len(self.datasets),
            "complete": len(self.complete),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a later step reads the names in `complete`."""
        incomplete = [name for name in self.datasets if self.missing_types.get(name)]
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "root": str(self.root),
            "spectrograph": self.spectrograph,
            "figures": self.key_figures(),
            "complete": self.complete,
            "incomplete": {name: list(self.missing_types[name]) for name in incomplete},
            "notes": list(self.notes),
            "problems": [f"{row.source}: {row.state}: {row.note}" for row in self.misplaced],
            "frames": [asdict(row) for row in self.rows],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each dataset."""
        import pandas as pd

        rows = []
        for name in self.datasets:
            frames = [row for row in self.rows if row.dataset == name and row.state == IN_PLACE]
            counts = Counter(row.types[0] for row in frames)
            types = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            missing = ", ".join(self.missing_types.get(name, ()))
            rows.append((name, len(frames), types, "no" if missing else "yes", missing))
        return pd.DataFrame(rows, columns=["dataset", "frames", "types", "complete", "missing"])

    def frames(self) -> pd.DataFrame:
        """One row for each frame."""
        import pandas as pd

        rows = [asdict(row) | {"types": ", ".join(row.types)} for row in self.rows]
        return pd.DataFrame(rows, columns=list(FramePlacement.__dataclass_fields__))

    def problems(self) -> pd.DataFrame:
        """One row for each frame that has no place, was dropped, or has a note."""
        table = self.frames()
        has_problem = (table["state"] != IN_PLACE) | (table["note"] != "")
        columns = ["file", "state", "note", "dataset"]
        return table.loc[has_problem, columns].reset_index(drop=True)

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}"]
        lines += [f"  note: {note}" for note in self.notes]
        misplaced = [f"  {row.source}: {row.state}: {row.note}" for row in self.misplaced]
        lines += misplaced[:MAX_PROBLEMS_SHOWN]
        if len(misplaced) > MAX_PROBLEMS_SHOWN:
            lines.append(f"  and {len(misplaced) - MAX_PROBLEMS_SHOWN} more")
        if not self.dry_run:
            lines.append(f"report: {self.root / REPORT_NAME}.html")
        if self.datasets:
            lines += ["", self.to_frame().to_string(index=False)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The datasets and the problems; all text escaped."""
        text = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        text += "".join(f"<p>note: {html.escape(note)}</p>" for note in self.notes)
        tables = {"Datasets": self.to_frame(), "Frames that need attention": self.problems()}
        for title, table in tables.items():
            if len(table):
                text += f"<h4>{title}</h4>{frame_html(table)}"
        return text
