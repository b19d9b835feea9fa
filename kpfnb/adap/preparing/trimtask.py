"""The task `trim`: the trimmed setup of a dataset on the remote, without reducing it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import locks, settings, storage
from kpfnb.adap import dataset, holdings
from kpfnb.adap import profile as profiles
from kpfnb.adap.preparing import trimming
from kpfnb.errors import BadInput

if TYPE_CHECKING:
    from kpfnb.adap.preparing.trimmed import Trimmed
    from kpfnb.adap.profile import Profile
    from kpfnb.workqueue.lease import Lease

WAIT_SECONDS = 60
"""For a worker that was killed to be gone."""


def run(
    item: str,
    lease: Lease,
    *,
    spectrograph: str = "keck_deimos",
    custom: str = "",
    exclude: str = "",
) -> Trimmed:
    """Bring the raw frames here, trim, and put the reduction files on the remote, verified.

    Raw frames that were brought for it are removed after that.

    spectrograph : name of a profile, or a profile file's path
    custom : folder of datasets' own files
    exclude : file with names of frames not to be used, one a line
    """
    profile = profiles.load(spectrograph)
    name = str(dataset.parse(item))
    folder = settings.load().work_dir / dataset.FOLDER / name / dataset.COMPLETE
    own = Path(custom) if custom else None
    # The reduction of a dataset holds it too: its raw frames are not to go meanwhile
    with locks.hold(f"dataset-{name}", wait_seconds=WAIT_SECONDS):
        return _do(name, lease, folder, profile, own, Path(exclude) if exclude else ())


def _do(
    item: str,
    lease: Lease,
    folder: Path,
    profile: Profile,
    custom: Path | None,
    exclude: Path | tuple[str, ...],
) -> Trimmed:
    raw = folder / dataset.RAW
    was_here = raw.is_dir()
    lease.note("download")
    holdings.whole(storage.carry(_remote(item) / dataset.RAW, raw, progress=False))
    lease.note("trim")
    found = trimming.trim(
        raw,
        folder,
        profile,
        dataset=item,
        custom=custom,
        exclude=exclude,
    )
    lease.confirm()
    lease.note("upload")
    below = [str(path.relative_to(folder)) for path in found.files]
    holdings.whole(storage.carry(folder, _remote(item), only=below, progress=False))
    if not was_here:
        shutil.rmtree(raw)
    return found


def _remote(item: str) -> storage.Location:
    place = storage.at(holdings.DATA) / item / dataset.COMPLETE
    if place.kind() != "folder":
        raise BadInput(f"{place} is no complete dataset", "check its name; is it incomplete?")
    return place


def survey(queue: str) -> dict[str, bool]:
    """The complete datasets on the remote, and whether they have reduction files."""
    origin = storage.at(holdings.DATA)
    found = {}
    for name in dataset.find(origin):
        folder = origin / name / dataset.COMPLETE
        if folder.kind() == "folder":
            paths = [one.path for one in folder.list(recursive=True) if not one.is_folder]
            found[name] = any(path.endswith(trimming.PYPEIT) for path in paths)
    return found
