"""Where a delivery is, where its datasets come from, and what is kept here for it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from kpfnb import storage
from kpfnb.adap.archive.quota import FileUploadCounter, RedisUploadCounter, UploadQuota
from kpfnb.adap.archive.unit import JOINT_FOLDERS, ArchiveRules, ArchiveUnit
from kpfnb.adap.coadd import queue_task
from kpfnb.adap.products import dataset
from kpfnb.adap.reduce import publication
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError
from kpfnb.storage import Location

# A unit of a remote, brought here to be delivered: all but what is known not to be.


def download_unit(origin: Location, unit: ArchiveUnit, root: Path, rules: ArchiveRules) -> None:
    """Make `root/<unit>` here what it is on the remote, verified; what is here stays.

    Of joint coadds the spec1d files that they were made of come too, from their datasets.

    Raises
    ------
    InvalidInputError : no such unit
    ServiceUnavailableError : a file did not come, says which and why; or new results take the place of
        earlier ones just now
    """
    place = origin / unit.name
    if place.kind() != "folder":
        raise InvalidInputError(f"no dataset {unit.name} in {origin}", "check its name")
    files = [one for one in place.list(recursive=True) if not one.is_folder]
    if staged := [one.path for one in files if _is_staged(one.path, unit)]:
        folder = staged[0].rpartition("/")[0]
        raise ServiceUnavailableError(
            f"{unit.name} is being published: {folder} is there", "reduce or coadd it once more"
        )
    wanted = [one.path for one in files if _is_wanted(one.path, unit, rules)]
    if not wanted:
        raise InvalidInputError(
            f"{unit.name} has nothing to deliver in {origin}", "is it reduced yet?"
        )
    top = root / unit.name
    _remove_others(top, set(wanted))
    carried = storage.transfer_files(place, top, only=wanted, progress=False)
    if carried.interrupted:
        raise KeyboardInterrupt
    if carried.failed:
        raise ServiceUnavailableError(f"{unit.name} did not come: {carried.reason}")


def deliverable_files(origin: Location, unit: ArchiveUnit, rules: ArchiveRules) -> dict[str, int]:
    """What is to be delivered of a unit on a remote, with sizes (bytes), by path below the unit."""
    found = (origin / unit.name).list(recursive=True)
    return {
        one.path: one.size
        for one in found
        if not one.is_folder and unit.owns(one.path) and rules.is_delivered(one.path)
    }


def remove_download(root: Path) -> None:
    """Remove what was brought."""
    shutil.rmtree(root, ignore_errors=True)


def _is_staged(path: str, unit: ArchiveUnit) -> bool:
    """Whether a file waits, beside the earlier results, to take the place of one of them."""
    folders = path.split("/")[: 1 if unit.is_joint else 2]
    coadds = [f"{folder}{queue_task.STAGED_SUFFIX}" for folder in JOINT_FOLDERS]
    return any(one in coadds or one.startswith(publication.STAGED_PREFIX) for one in folders)


def _is_wanted(path: str, unit: ArchiveUnit, rules: ArchiveRules) -> bool:
    if unit.owns(path):
        return not rules.is_excluded(path)
    return dataset.is_result_file(path.partition("/")[2]) and path.rpartition("/")[2].startswith(
        "spec1d_"
    )


def _remove_others(top: Path, wanted: set[str]) -> None:
    """Files of an earlier attempt that are not on the remote any more."""
    for path in top.rglob("*") if top.is_dir() else ():
        if path.is_file() and path.relative_to(top).as_posix() not in wanted:
            path.unlink()


DELIVERY_FOLDER = "delivery"
"""Below the work directory: where it goes where no destination is named."""
STATE_FOLDER = "archive"


def source_location(named: str | Path | Location) -> Location:
    """The place of the datasets. `InvalidInputError` where it is not there."""
    found = storage.resolve_location(
        named or settings.load_settings().work_dir / dataset.DATASETS_FOLDER
    )
    if found.kind() != "folder":
        raise InvalidInputError(
            f"source: no datasets in {found}", "name the folder or remote that has them"
        )
    return found


def delivery_location(named: str | Path | Location, origin: Location | None = None) -> Location:
    """The delivery. `InvalidInputError` where it and the source lie in one another."""
    found = storage.resolve_location(named or settings.load_settings().work_dir / DELIVERY_FOLDER)
    if origin:
        ends = [f"{place.argument.rstrip('/')}/" for place in (origin, found)]
        if ends[0].startswith(ends[1]) or ends[1].startswith(ends[0]):
            raise InvalidInputError(
                f"the source {origin} and the destination {found} lie in one another",
                "deliver to another place",
            )
    return found


def local_state_dir(place: Location) -> Path:
    """The folder in the work directory that is kept for a delivery."""
    digest = hashlib.sha256(place.argument.encode()).hexdigest()[:8]
    return (
        settings.load_settings().work_dir
        / STATE_FOLDER
        / f"{place.name[:50] or 'delivery'}-{digest}"
    )


def upload_quota(place: Location, gigabytes: float = 0) -> UploadQuota:
    """The uploads to a delivery, by day.

    Where a queue's server is named there may be workers on other machines, which upload to the same
    account: then they are counted there. The embedded server is of this work directory alone, and
    so is the file.
    """
    daily = round(gigabytes * 1e9)
    if settings.load_settings().redis_url and not place.is_local:
        return UploadQuota(RedisUploadCounter(place.base.partition(":")[0]), daily)
    return UploadQuota(FileUploadCounter(local_state_dir(place) / "uploads.json"), daily)
