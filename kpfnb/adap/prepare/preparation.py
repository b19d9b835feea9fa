"""The preparation of raw frames for PypeIt: headers fixed, frames sorted, setups trimmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.prepare.dataset_groups import WINDOW_DAYS
from kpfnb.adap.prepare.header_fixes import HeaderFixResult, fix_headers
from kpfnb.adap.prepare.sort_frames import sort_frames
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.prepare.trim_many import TrimManyResult, trim_datasets
from kpfnb.adap.profiles.spectrograph import load_profile
from kpfnb.adap.pypeit import installation
from kpfnb.core import settings
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd

INCOMING_FOLDER, PREPARED_FOLDER = "incoming", "prepared"


@dataclass(frozen=True, repr=False)
class PreparationResult(OneLineRepr):
    """The results of all steps of a preparation; a `kpfnb.core.result.Result`."""

    frames: SortResult
    setups: TrimManyResult | None = None
    headers: HeaderFixResult | None = None

    @property
    def _parts(self) -> list[HeaderFixResult | SortResult | TrimManyResult]:
        return [part for part in (self.headers, self.frames, self.setups) if part]

    @property
    def outcome(self) -> Outcome:
        """Failed if no frame could be placed; partial if anything else is wrong.

        Skipped if there were no frames.
        """
        if self.frames.outcome is Outcome.FAILED:
            return Outcome.FAILED
        if self.frames.outcome is Outcome.SKIPPED:
            return self.headers.outcome if self.headers else Outcome.SKIPPED
        is_good = all(part.outcome.is_good for part in self._parts)
        return Outcome.SUCCEEDED if is_good else Outcome.PARTIAL

    @property
    def reason(self) -> str:
        """One line."""
        texts = [part.reason for part in (self.headers, self.frames) if part]
        if self.setups and self.setups.dry_run and self.setups.outcome.is_good:
            texts.append("the .pypeit files are written by the reduction")
        elif self.setups:
            texts.append(self.setups.reason)
        return "; ".join(texts)

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        return self.frames.key_figures()

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a later step reads the complete datasets in `datasets`."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "datasets": self.frames.complete,
            "frames": self.frames.to_dict(),
            "setups": self.setups.to_dict() if self.setups else None,
            "headers": self.headers.to_dict() if self.headers else None,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each dataset."""
        return self.frames.to_frame()

    def calibrations(self) -> pd.DataFrame:
        """One row for each frame of the complete datasets: used or not, and why."""
        import pandas as pd

        return self.setups.frames() if self.setups else pd.DataFrame()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._parts))

    def _repr_html_(self) -> str:
        """The tables of all steps; all text escaped."""
        return "".join(part._repr_html_() for part in self._parts)


def prepare_datasets(
    raw: Sequence[str | Path] = (),
    root: str | Path = "",
    *,
    spectrograph: str | Path,
    fixes: str | Path = "",
    how: str = "copy",
    window_days: float = WINDOW_DAYS,
    custom: str | Path = "",
    exclude: str | Path = "",
    write_setups: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> PreparationResult:
    """Fix headers, sort the frames into datasets, and choose the calibrations.

    Parameters
    ----------
    raw : directories of raw frames; by default `incoming` in the work directory, and for the Kast
        spectrograph its example frames
    root : directory of the datasets of this spectrograph; '' for one in the work directory
    spectrograph : name of a profile, or the path of one
    fixes : a list of header fixes; '' for none
    how : copy, move or symlink
    window_days : nights with a gap up to this belong together
    custom, exclude : as for `trim_many.trim_datasets`
    write_setups : write the trimmed setups; otherwise they are only shown, and the reduction
        creates them
    dry_run : show what would be done; change nothing. The setups are not known then

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument can't be used
    AlreadyRunningError : another run is sorting into the same root
    """
    work_dir = settings.load_settings().work_dir
    name = load_profile(spectrograph).spectrograph
    headers = fix_headers(fixes, dry_run=dry_run, progress=progress) if str(fixes) else None
    frames = sort_frames(
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
        setups = trim_datasets(
            frames.root,
            frames.complete,
            spectrograph=spectrograph,
            custom=custom,
            exclude=exclude,
            dry_run=not write_setups,
            progress=progress,
        )
    return PreparationResult(frames, setups, headers)


def _default_raw(spectrograph: str, work_dir: Path) -> Path:
    if spectrograph == installation.KAST_SPECTROGRAPH:
        return installation.get_example_frames(work_dir)
    return work_dir / INCOMING_FOLDER
