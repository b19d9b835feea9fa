"""The result of trimming one dataset: its `.pypeit` files, and which frames they use."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrimFileResult:
    """The result for one `.pypeit` file.

    Attributes
    ----------
    custom : name of the dataset's custom file that it comes from; '' for the default
    used, frames : number of used frames, and of all frames in it
    changed : False if it was present and unchanged
    problem : why PypeIt can't reduce anything with it; '' if it can
    """

    path: Path
    custom: str
    used: int
    frames: int
    changed: bool
    problem: str = ""


@dataclass(frozen=True, repr=False)
class TrimResult(OneLineRepr):
    """The `.pypeit` files of one dataset; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    exposures : all raw frames
    reasons : why a frame is not used in the default setup, by the name of its file
    """

    dataset: str
    file_results: tuple[TrimFileResult, ...]
    exposures: tuple[RawExposure, ...]
    reasons: Mapping[str, str]
    dry_run: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The `.pypeit` files, unchanged ones too."""
        return tuple(file.path for file in self.file_results)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files."""
        return tuple(
            f"{file.path.name}: {file.problem}" for file in self.file_results if file.problem
        )

    @property
    def outcome(self) -> Outcome:
        """Judged by whether PypeIt can reduce something with each file."""
        return merge_outcomes(
            Outcome.FAILED if file.problem else Outcome.SUCCEEDED for file in self.file_results
        )

    @property
    def reason(self) -> str:
        """One line."""
        changed = sum(file.changed for file in self.file_results)
        verb = "would be written" if self.dry_run else "written"
        count = format_count(len(self.file_results), ".pypeit file")
        text = f"{self.dataset}: {changed} of {count} {verb}"
        text += "" if changed else ", nothing to do"
        for file in self.file_results:
            name = file.custom or file.path.parent.parent.name
            text += f"; {name}: {file.used} of {format_count(file.frames, 'frame')} used"
            text += f", {file.problem}" if file.problem else ""
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        return {
            "raw frames": len(self.exposures),
            "not used": len(self.reasons),
            "reduction files": len(self.file_results),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "dataset": self.dataset,
            "files": [asdict(file) | {"path": str(file.path)} for file in self.file_results],
            "not_used": dict(self.reasons),
            "unreadable": {frame.file: frame.defect for frame in self.exposures if frame.defect},
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each frame."""
        import pandas as pd

        names = ["file", "frame type", "target", "exposure (s)", "lamps", "used", "why not"]
        rows = [
            (
                frame.file,
                ", ".join(frame.types),
                frame.values.get("target") or "",
                frame.values.get("exptime"),
                " ".join(frame.lamps),
                frame.file not in self.reasons,
                self.reasons.get(frame.file, ""),
            )
            for frame in sorted(self.exposures, key=lambda frame: (frame.types, frame.file))
        ]
        return pd.DataFrame(rows, columns=names)

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", *map(str, self.paths), ""]
        return "\n".join([*lines, self.to_frame().to_string(index=False, na_rep="")])

    def _repr_html_(self) -> str:
        """The frames; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + frame_html(self.to_frame())
