"""All that is done with raw frames before PypeIt: fixed headers, places, trimmed setups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kpfnb import settings
from kpfnb.adap import profile as profiles
from kpfnb.adap.preparing import headerfixes, nights, reorganise, trimmedsets
from kpfnb.adap.preparing.prepared import Prepared
from kpfnb.adap.pypeit import kast

INCOMING, DATASETS = "incoming", "prepared"


def run(
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
) -> Prepared:
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
    BadInput, BadParameter : an argument names nothing that can be used
    Busy : the same root is being filled by another run
    """
    work_dir = settings.load().work_dir
    name = profiles.load(spectrograph).spectrograph
    fixed = headerfixes.fix(fixes, dry_run=dry_run, progress=progress) if str(fixes) else None
    frames = reorganise.run(
        raw or [_default_raw(name, work_dir)],
        root or work_dir / DATASETS / name,
        spectrograph=spectrograph,
        how=how,
        window_days=window_days,
        dry_run=dry_run,
        progress=progress,
    )
    setups = None
    if frames.complete and not frames.interrupted and not dry_run:
        setups = trimmedsets.trim(
            frames.root,
            frames.complete,
            spectrograph=spectrograph,
            custom=custom,
            exclude=exclude,
            dry_run=not write_setups,
            progress=progress,
        )
    return Prepared(frames, setups, fixed)


def _default_raw(spectrograph: str, work_dir: Path) -> Path:
    if spectrograph == kast.SPECTROGRAPH:
        return kast.example_frames(work_dir)
    return work_dir / INCOMING
