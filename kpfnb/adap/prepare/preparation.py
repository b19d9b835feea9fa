"""All that is done with raw frames before PypeIt: fixed headers, places, trimmed setups."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare import (
    frames as nights,
)
from kpfnb.adap.prepare import (
    header_fixes,
    sort_frames,
    trim_many,
)
from kpfnb.adap.prepare.header_fixes import HeaderFixResult
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.prepare.trim_many import TrimManyResult
from kpfnb.adap.profiles import spectrograph as profiles
from kpfnb.adap.pypeit import installation
from kpfnb.core import settings
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


# What a preparation did, part by part.


@dataclass(frozen=True, repr=False)
class PreparationResult(OneLineRepr):
    """The frames in their places; their setups and the fixed headers, where there are any."""

    frames: SortResult
    setups: TrimManyResult | None = None
    headers: HeaderFixResult | None = None

    @property
    def _parts(self) -> list[HeaderFixResult | SortResult | TrimManyResult]:
        return [part for part in (self.headers, self.frames, self.setups) if part]

    @property
    def outcome(self) -> Outcome:
        """Failed where no frame could be placed; partial where anything else is wrong."""
        if self.frames.outcome is Outcome.FAILED:
            return Outcome.FAILED
        good = all(part.outcome.is_good for part in self._parts)
        return Outcome.SUCCEEDED if good else Outcome.PARTIAL

    @property
    def reason(self) -> str:
        """One line."""
        return "; ".join(part.reason for part in self._parts)

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return self.frames.key_figures()

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a later step takes `datasets`, the complete ones, from it."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": self.frames.complete,
            "frames": self.frames.to_dict(),
            "setups": self.setups.to_dict() if self.setups else None,
            "headers": self.headers.to_dict() if self.headers else None,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a dataset."""
        return self.frames.to_frame()

    def calibrations(self) -> pd.DataFrame:
        """One row a frame of the complete datasets: used in the trimmed setup or not, and why."""
        import pandas as pd

        return self.setups.frames() if self.setups else pd.DataFrame()

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a dataset leads to, as HTML: its frames, and its reduction if there."""
        from kpfnb.adap.pages import reduction_details
        from kpfnb.adap.products import dataset

        name = str(row["dataset"])
        told = ["file", "night", "types", "target", "state", "note"]
        frames = self.frames.frames()
        shown = frames.loc[frames["dataset"] == name, told]
        text = f"<h4>{html.escape(name)}</h4>{reduction_details.table_html('frames', shown, is_open=True)}"
        chosen = self.calibrations()
        if len(chosen):
            own = chosen[chosen["dataset"] == name].drop(columns="dataset")
            text += reduction_details.table_html("what PypeIt is to use", own)
        folder = self.frames.root / name / dataset.COMPLETE / "reduce"
        return text + (reduction_details.details_html(folder, name) if folder.is_dir() else "")

    def plot(self) -> Figure:
        """The frames of each type: in place and not."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which frames are at the mouse."""
        return self.frames.hover_plot()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._parts))

    def _repr_html_(self) -> str:
        """The tables of all parts; all text escaped."""
        return "".join(part._repr_html_() for part in self._parts)


INCOMING_FOLDER, PREPARED_FOLDER = "incoming", "prepared"


def prepare_datasets(
    raw: Sequence[str | Path] = (),
    root: str | Path = "",
    *,
    spectrograph: str | Path,
    fixes: str | Path = "",
    how: str = "copy",
    window_days: float = nights.WINDOW_DAYS,
    custom: str | Path = "",
    exclude: str | Path = "",
    write_setups: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> PreparationResult:
    """Fix headers, put the frames into their places, and choose the calibrations.

    Parameters
    ----------
    raw : folders of raw frames; by default `incoming` in the work directory, and for the Kast
        spectrograph its example frames
    root : folder of the datasets of this spectrograph; '' for one in the work directory
    spectrograph : name of a profile, or the path of one
    fixes : a list of header fixes; '' for none
    how : copy, move or symlink
    window_days : nights that are so near belong together
    custom, exclude : as for `trimmedsets.trim`
    write_setups : write the trimmed setups; else they are only shown, and made by the reduction
    dry_run : say what would be done, and change nothing; setups can't be told then

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing that can be used
    AlreadyRunningError : the same root is being filled by another run
    """
    work_dir = settings.load_settings().work_dir
    name = profiles.load_profile(spectrograph).spectrograph
    fixed = (
        header_fixes.fix_headers(fixes, dry_run=dry_run, progress=progress) if str(fixes) else None
    )
    frames = sort_frames.sort_frames(
        raw or [_default_raw(name, work_dir)],
        root or work_dir / PREPARED_FOLDER / name,
        spectrograph=spectrograph,
        how=how,
        window_days=window_days,
        dry_run=dry_run,
        progress=progress,
    )
    setups = None
    if frames.complete and not frames.interrupted and not dry_run:
        setups = trim_many.trim_datasets(
            frames.root,
            frames.complete,
            spectrograph=spectrograph,
            custom=custom,
            exclude=exclude,
            dry_run=not write_setups,
            progress=progress,
        )
    return PreparationResult(frames, setups, fixed)


def _default_raw(spectrograph: str, work_dir: Path) -> Path:
    if spectrograph == installation.KAST_SPECTROGRAPH:
        return installation.get_example_frames(work_dir)
    return work_dir / INCOMING_FOLDER
