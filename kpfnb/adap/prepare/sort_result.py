"""What a reorganising did: every frame with its place, or why it has none."""

from __future__ import annotations

import csv
import html
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare.placement_plan import DROPPED, IN_PLACE, FramePlacement
from kpfnb.core import atomic, spreadsheet_cells
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

REPORT_NAME = "reorganised"
MAX_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, repr=False)
class SortResult(OneLineRepr):
    """The rows of all frames; `lacking` tells of each incomplete dataset what it lacks."""

    root: Path
    spectrograph: str
    mode: str
    rows: tuple[FramePlacement, ...]
    missing_types: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    dry_run: bool = False

    @property
    def misplaced(self) -> list[FramePlacement]:
        """The frames that have no place and should have one."""
        return [row for row in self.rows if row.state not in (IN_PLACE, DROPPED)]

    @property
    def outcome(self) -> Outcome:
        """Dropped frames are as the profile wants it; all others must be in their places."""
        if not self.misplaced:
            return Outcome.SUCCEEDED
        good = any(row.state in (IN_PLACE, DROPPED) for row in self.rows)
        return Outcome.PARTIAL if good else Outcome.FAILED

    @property
    def reason(self) -> str:
        """What was done, and what is wrong, in one line."""
        changed = sum(row.changed for row in self.rows)
        verb = {"copy": "copied", "move": "moved", "symlink": "linked"}[self.mode]
        text = (
            f"{'would be ' if self.dry_run else ''}{verb}: {changed} of {self._placed_count} frames"
        )
        if not self.rows:
            text = "nothing to do: no raw frames"
        elif not changed:
            text = f"nothing to do: {self._placed_count} frames are in their places"
        text += f", {len(self.datasets)} datasets ({len(self.datasets) - self._incomplete_count} complete)"
        for state, count in Counter(r.state for r in self.rows if r.state != IN_PLACE).items():
            text += f", {count} {state}"
        return ("stopped: " if self.interrupted else "") + text

    @property
    def datasets(self) -> list[str]:
        """The names of the datasets that have frames."""
        return sorted({row.dataset for row in self.rows if row.state == IN_PLACE})

    @property
    def complete(self) -> list[str]:
        """The names of those that PypeIt can reduce: what to put on the queue."""
        return [name for name in self.datasets if not self.missing_types.get(name)]

    @property
    def _placed_count(self) -> int:
        return sum(row.state == IN_PLACE for row in self.rows)

    @property
    def _incomplete_count(self) -> int:
        return len(self.datasets) - len(self.complete)

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
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
        """JSON values; a later step takes `complete` from it."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "root": str(self.root),
            "spectrograph": self.spectrograph,
            "figures": self.key_figures(),
            "complete": self.complete,
            "incomplete": {name: list(self.missing_types[name]) for name in self._incomplete()},
            "notes": list(self.notes),
            "problems": [f"{row.source}: {row.state}: {row.note}" for row in self.misplaced],
            "frames": [asdict(row) for row in self.rows],
            "dry_run": self.dry_run,
        }

    def _incomplete(self) -> list[str]:
        return [name for name in self.datasets if self.missing_types.get(name)]

    def to_frame(self) -> pd.DataFrame:
        """One row a dataset."""
        import pandas as pd

        rows = []
        for name in self.datasets:
            own = [row for row in self.rows if row.dataset == name and row.state == IN_PLACE]
            counts = Counter(row.types[0] for row in own)
            told = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
            lacks = ", ".join(self.missing_types.get(name, ()))
            rows.append((name, len(own), told, "no" if lacks else "yes", lacks))
        return pd.DataFrame(rows, columns=["dataset", "frames", "types", "complete", "lacks"])

    def frames(self) -> pd.DataFrame:
        """One row a frame."""
        import pandas as pd

        rows = [asdict(row) | {"types": ", ".join(row.types)} for row in self.rows]
        return pd.DataFrame(rows, columns=list(FramePlacement.__dataclass_fields__))

    def problems(self) -> pd.DataFrame:
        """One row a frame that has no place, or lacks something, or was dropped."""
        table = self.frames()
        told = (table["state"] != IN_PLACE) | (table["note"] != "")
        return table.loc[told, ["file", "state", "note", "dataset"]].reset_index(drop=True)

    def plot(self) -> Figure:
        """The frames of each type: in place and not."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which frames are at the mouse."""
        from kpfnb.adap.prepare import plots
        from kpfnb.adap.prepare.plots import FrameLabel

        return plots.hover_frame_counts(
            FrameLabel(row.types, row.file, "" if row.state == IN_PLACE else row.note or row.state)
            for row in self.rows
        )

    def write_report(self) -> None:
        """The report: a page, a table and JSON, in the root; the same for the same state."""
        from kpfnb.adap.prepare import sort_frames

        atomic.write_text(self.root / f"{REPORT_NAME}.html", sort_frames.render_report(self))
        atomic.write_text(self.root / f"{REPORT_NAME}.csv", self._to_csv())
        atomic.write_json(self.root / f"{REPORT_NAME}.json", self.to_dict())

    def _to_csv(self) -> str:
        text = io.StringIO()
        names = [name for name in FramePlacement.__dataclass_fields__ if name != "changed"]
        table = csv.writer(text, lineterminator="\n")
        table.writerow(names)
        for row in self.rows:
            values = asdict(row) | {"types": ",".join(row.types)}
            table.writerow([spreadsheet_cells.escape_csv_text(str(values[name])) for name in names])
        return text.getvalue()

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}"]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  {r.source}: {r.state}: {r.note}" for r in self.misplaced[:MAX_PROBLEMS_SHOWN]]
        if len(self.misplaced) > MAX_PROBLEMS_SHOWN:
            lines.append(f"  and {len(self.misplaced) - MAX_PROBLEMS_SHOWN} more")
        if not self.dry_run:
            lines.append(f"report: {self.root / REPORT_NAME}.html")
        if self.datasets:
            lines += ["", self.to_frame().to_string(index=False)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The datasets and the problems; all text escaped."""
        text = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        text += "".join(f"<p>note: {html.escape(note)}</p>" for note in self.notes)
        for title, table in (("Datasets", self.to_frame()), ("Told", self.problems())):
            if len(table):
                shown = table.to_html(index=False, escape=True, border=0, justify="left")
                text += f"<h4>{title}</h4>{shown}"
        return text
