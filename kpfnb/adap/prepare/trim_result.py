"""What a trimming gave: the reduction files, and each frame's part in them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


@dataclass(frozen=True)
class TrimFileResult:
    """One reduction file.

    Attributes
    ----------
    custom : name of the dataset's own file that it comes from; '' for the default
    used, frames : how many frames are used, of how many that it names
    changed : False where it was there already, the same
    problem : why PypeIt could reduce nothing with it; '' where it could
    """

    path: Path
    custom: str
    used: int
    frames: int
    changed: bool
    problem: str = ""


@dataclass(frozen=True, repr=False)
class TrimResult(OneLineRepr):
    """The reduction files of one dataset.

    Attributes
    ----------
    reasons : by the file's name, why a frame is not used in the default setup
    """

    dataset: str
    file_results: tuple[TrimFileResult, ...]
    exposures: tuple[RawExposure, ...]
    reasons: Mapping[str, str]
    dry_run: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The reduction files, also those that were there already."""
        return tuple(one.path for one in self.file_results)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with any of them."""
        return tuple(f"{one.path.name}: {one.problem}" for one in self.file_results if one.problem)

    @property
    def outcome(self) -> Outcome:
        """Judged by whether PypeIt could reduce something with each file."""
        good = (Outcome.FAILED if one.problem else Outcome.SUCCEEDED for one in self.file_results)
        return merge_outcomes(good)

    @property
    def reason(self) -> str:
        """One line."""
        new = sum(one.changed for one in self.file_results)
        verb = "would be written" if self.dry_run else "written"
        text = f"{self.dataset}: {new} of {len(self.file_results)} reduction files {verb}"
        text += "" if new else ", nothing to do"
        for one in self.file_results:
            what = one.custom or one.path.parent.parent.name
            text += f"; {what}: {one.used} of {one.frames} frames"
            text += f", {one.problem}" if one.problem else ""
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
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
            "files": [asdict(one) | {"path": str(one.path)} for one in self.file_results],
            "not_used": dict(self.reasons),
            "unreadable": {one.file: one.defect for one in self.exposures if one.defect},
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a frame."""
        import pandas as pd

        names = ["file", "frame type", "target", "exposure (s)", "lamps", "used", "why not"]
        rows = [
            (
                one.file,
                ", ".join(one.types),
                one.values.get("target") or "",
                one.values.get("exptime"),
                " ".join(one.lamps),
                one.file not in self.reasons,
                self.reasons.get(one.file, ""),
            )
            for one in sorted(self.exposures, key=lambda one: (one.types, one.file))
        ]
        return pd.DataFrame(rows, columns=names)

    def plot(self) -> Figure:
        """The frames of each type: used and not."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which frames are at the mouse."""
        from kpfnb.adap.prepare import plots
        from kpfnb.adap.prepare.plots import FrameLabel

        return plots.hover_frame_counts(
            FrameLabel(one.types, one.file, self.reasons.get(one.file, ""))
            for one in self.exposures
        )

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", *map(str, self.paths), ""]
        return "\n".join([*lines, self.to_frame().to_string(index=False, na_rep="")])

    def _repr_html_(self) -> str:
        """The frames; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        table = self.to_frame().to_html(
            index=False, escape=True, border=0, justify="left", na_rep=""
        )
        return head + table
