"""The result of an ingestion, night by night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import Outcome
from kpfnb.core.text import format_count, frame_html
from kpfnb.kpf.tsdb.batch import RefusedFile

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 10


@dataclass(frozen=True)
class IngestedNight:
    """One night: the files on disk, those ingested now and those refused now."""

    night: str
    files: int
    ingested: int
    refused: tuple[RefusedFile, ...] = ()

    @property
    def unchanged(self) -> int:
        """Files that were not read because they had not changed."""
        return self.files - self.ingested - len(self.refused)


@dataclass(frozen=True)
class IngestResult:
    """The result of an ingestion of nights or files.

    Attributes
    ----------
    failed : nights (or files that are not observations) that could not be processed, and why
    seconds : wall-clock time
    """

    nights: tuple[IngestedNight, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def ingested(self) -> int:
        """Number of files ingested."""
        return sum(night.ingested for night in self.nights)

    @property
    def unchanged(self) -> int:
        """Number of files that had not changed."""
        return sum(night.unchanged for night in self.nights)

    @property
    def refused(self) -> tuple[RefusedFile, ...]:
        """Files that were refused."""
        return tuple(file for night in self.nights for file in night.refused)

    @property
    def outcome(self) -> Outcome:
        """Partial if files were refused or nights failed; failed if no night was processed.

        Skipped if the nights have no files.
        """
        if self.failed and not self.nights:
            return Outcome.FAILED
        if not self.failed and not any(night.files for night in self.nights):
            return Outcome.SKIPPED
        return Outcome.PARTIAL if self.failed or self.refused else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """Counts in one line."""
        if self.notes and not any(night.files for night in self.nights):
            return self.notes[0]
        ingested = format_count(self.ingested, "file")
        counts = f"{ingested} ingested, {self.unchanged} unchanged"
        refused = f", {len(self.refused)} refused" if self.refused else ""
        failed = f", {len(self.failed)} failed" if self.failed else ""
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
            "refused_files": {file.path: file.reason for file in self.refused},
            "failed": dict(self.failed),
            "changed_nights": [night.night for night in self.nights if night.ingested],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per night."""
        import pandas as pd

        rows = [
            [night.night, night.files, night.ingested, night.unchanged, len(night.refused)]
            for night in self.nights
        ]
        columns = ["night", "files", "ingested", "unchanged", "refused"]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        lines = [self.reason]
        lines += [f"  {file.path}: {file.reason}" for file in self.refused[:MAX_SHOWN]]
        if len(self.refused) > MAX_SHOWN:
            lines.append(f"  and {len(self.refused) - MAX_SHOWN} more: kpfnb tsdb problems")
        lines += [f"  {name}: {why}" for name, why in self.failed.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>{frame_html(self.to_frame())}"
