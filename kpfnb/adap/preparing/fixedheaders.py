"""What became of the headers that a list was to fix."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.outcomes import Outcome, combine
from kpfnb.result import Brief

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.hovering import Hovered


@dataclass(frozen=True)
class Fixed:
    """What became of one file; `changes` are texts as "RA: 1.5 (was missing)"."""

    path: Path
    changes: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, repr=False)
class FixedHeaders(Brief):
    """What became of each file of a list."""

    fixed: tuple[Fixed, ...]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Every file must be as the list says."""
        return combine(Outcome.FAILED if one.error else Outcome.SUCCEEDED for one in self.fixed)

    @property
    def reason(self) -> str:
        """One line."""
        changed = sum(bool(one.changes) for one in self.fixed)
        wrong = [f"{one.path.name}: {one.error}" for one in self.fixed if one.error]
        verb = "would be fixed" if self.dry_run else "fixed"
        text = f"{changed} of {len(self.fixed)} headers {verb}"
        if not changed and not wrong:
            text = f"nothing to do: {len(self.fixed)} headers are as they should be"
        return "; ".join([text, *wrong])

    def figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            "files": len(self.fixed),
            "fixed": sum(bool(one.changes) for one in self.fixed),
            "failed": sum(bool(one.error) for one in self.fixed),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "files": [asdict(one) | {"path": str(one.path)} for one in self.fixed],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a file."""
        import pandas as pd

        rows = [(one.path.name, "; ".join(one.changes), one.error) for one in self.fixed]
        return pd.DataFrame(rows, columns=["file", "changes", "error"])

    def plot(self) -> Figure:
        """How many there are of each state."""
        return self.hovered().figure

    def hovered(self) -> Hovered:
        """The plot, and which files are at the mouse."""
        from kpfnb.adap.preparing import framecounts
        from kpfnb.adap.preparing.framecounts import Told

        return framecounts.hovered(
            Told(("failed" if one.error else "fixed",), one.path.name, one.error)
            for one in self.fixed
        )

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + self.to_frame().to_html(index=False, escape=True, border=0, justify="left")
