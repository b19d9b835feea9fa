"""What an ingestion did: night by night, for a person and for the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import Outcome
from kpfnb.kpf.tsdb.batch import RefusedFile
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_SHOWN = 10


@dataclass(frozen=True)
class IngestedNight:
    """One night: files there are, files taken now, files refused now."""

    night: str
    files: int
    ingested: int
    refused: tuple[RefusedFile, ...] = ()

    @property
    def unchanged(self) -> int:
        """The files that were not read: known as they are."""
        return self.files - self.ingested - len(self.refused)


@dataclass(frozen=True)
class IngestResult:
    """All nights.

    Attributes
    ----------
    failed : nights (or names that are no observation's) that could not be worked on, and why
    seconds : wall-clock time
    """

    nights: tuple[IngestedNight, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def ingested(self) -> int:
        """Files taken."""
        return sum(night.ingested for night in self.nights)

    @property
    def unchanged(self) -> int:
        """Files that had not changed."""
        return sum(night.unchanged for night in self.nights)

    @property
    def refused(self) -> tuple[RefusedFile, ...]:
        """Files that could not be taken."""
        return tuple(bad for night in self.nights for bad in night.refused)

    @property
    def outcome(self) -> Outcome:
        """Partial where files were refused or nights failed; failed where no night was done."""
        if self.failed and not self.nights:
            return Outcome.FAILED
        return Outcome.PARTIAL if self.failed or self.refused else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """One line."""
        if not self.nights and self.notes:
            return self.notes[0]
        counts = f"{self.ingested} files ingested, {self.unchanged} unchanged"
        refused = f", {len(self.refused)} refused" if self.refused else ""
        failed = f", {len(self.failed)} nights failed" if self.failed else ""
        return counts + refused + failed

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures."""
        return {
            "nights": len(self.nights),
            "ingested": self.ingested,
            "unchanged": self.unchanged,
            "refused": len(self.refused),
            "seconds": round(self.seconds, 1),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **self.key_figures(),
            "outcome": self.outcome,
            "refused_files": {bad.path: bad.reason for bad in self.refused},
            "failed": dict(self.failed),
            "changed_nights": [night.night for night in self.nights if night.ingested],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a night."""
        import pandas as pd

        rows = [
            [one.night, one.files, one.ingested, one.unchanged, len(one.refused)]
            for one in self.nights
        ]
        columns = ["night", "files", "ingested", "unchanged", "refused"]
        return pd.DataFrame(rows, columns=columns)

    def plot(self) -> Figure:
        """Files by night, stacked: ingested, unchanged, refused."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        frame = self.to_frame()
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        if frame.empty:
            figures.draw_empty_message(axes, "no nights")
            return figure
        bottom = frame["night"].map(lambda _: 0)
        colours = {"ingested": "#0072B2", "unchanged": "#BBBBBB", "refused": "#D55E00"}
        for name, colour in colours.items():
            axes.bar(frame["night"], frame[name], bottom=bottom, color=colour, label=name)
            bottom = bottom + frame[name]
        axes.set(xlabel="night (UT)", ylabel="files")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        step = max(1, len(frame) // MAX_SHOWN)
        axes.set_xticks(range(0, len(frame), step), frame["night"][::step], rotation=30)
        axes.legend(ncols=len(colours), loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
        return figure

    def __str__(self) -> str:
        lines = [self.reason]
        lines += [f"  {bad.path}: {bad.reason}" for bad in self.refused[:MAX_SHOWN]]
        if len(self.refused) > MAX_SHOWN:
            lines.append(f"  and {len(self.refused) - MAX_SHOWN} more: kpfnb tsdb problems")
        lines += [f"  {name}: {why}" for name, why in self.failed.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        import html

        table: str = self.to_frame().to_html(index=False, border=0)
        return f"<pre>{html.escape(str(self))}</pre>{table}"
