"""Source and destination of a delivery: the configuration, places, quota, downloads of units."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
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

DELIVERY_FOLDER = "delivery"
"""The default destination: a folder in the work directory."""
STATE_FOLDER = "archive"

PlaceName = str | Path | Location


@dataclass(frozen=True, kw_only=True)
class DeliveryConfig:
    """How to deliver: built once by the command, the notebook or the queue task, and passed whole.

    Attributes
    ----------
    source : folder or remote of the datasets; '' for those in the work directory
    destination : folder or remote of the delivery; '' for one in the work directory
    rules_file : YAML file of what is delivered, and of the tables' columns; '' for KOA's
    quota_gb : GB that may be uploaded a day (UTC), by all workers together if the settings name a
        queue server, else from this work directory; 0 for no limit
    wait : wait for the next day when the quota is used up; otherwise a later call continues
    read_back : verify by reading every byte at the destination, even if the storage has hashes
    prune : delete files at the destination that an earlier delivery of a dataset had, and this one
        has not
    move : delete the files of a dataset at the (local) source once it is delivered
    """

    source: PlaceName = ""
    destination: PlaceName = ""
    rules_file: str | Path = ""
    quota_gb: float = 0
    wait: bool = False
    read_back: bool = False
    prune: bool = False
    move: bool = False


def source_location(place: PlaceName) -> Location:
    """The place of the datasets. `InvalidInputError` if it does not exist."""
    work_dir = settings.load_settings().work_dir
    location = storage.resolve_location(place or work_dir / dataset.DATASETS_FOLDER)
    if location.kind() != "folder":
        raise InvalidInputError(
            f"source: no datasets in {location}", "name the folder or remote that has them"
        )
    return location


def delivery_location(place: PlaceName, source: Location | None = None) -> Location:
    """The place of the delivery. `InvalidInputError` if it and the source overlap."""
    work_dir = settings.load_settings().work_dir
    location = storage.resolve_location(place or work_dir / DELIVERY_FOLDER)
    if source:
        paths = [f"{end.argument.rstrip('/')}/" for end in (source, location)]
        if paths[0].startswith(paths[1]) or paths[1].startswith(paths[0]):
            raise InvalidInputError(
                f"the source {source} and the destination {location} overlap",
                "deliver to another place",
            )
    return location


def local_state_dir(place: Location) -> Path:
    """The folder in the work directory for the state of a delivery."""
    digest = hashlib.sha256(place.argument.encode()).hexdigest()[:8]
    name = f"{place.name[:50] or 'delivery'}-{digest}"
    return settings.load_settings().work_dir / STATE_FOLDER / name


def upload_quota(place: Location, gigabytes: float = 0) -> UploadQuota:
    """The uploads to a delivery, by day.

    With a queue server in the settings, workers on other machines may upload to the same account:
    then the server counts. The embedded server belongs to this work directory alone, like the file.
    """
    daily = round(gigabytes * 1e9)
    if settings.load_settings().redis_url and not place.is_local:
        return UploadQuota(RedisUploadCounter(place.base.partition(":")[0]), daily)
    return UploadQuota(FileUploadCounter(local_state_dir(place) / "uploads.json"), daily)


def download_unit(source: Location, unit: ArchiveUnit, root: Path, rules: ArchiveRules) -> None:
    """Make `root/<unit>` what it is on the remote, verified; unchanged local files stay.

    With joint coadds, the spec1d files that they were made of are downloaded from their datasets.

    Raises
    ------
    InvalidInputError : no such unit
    ServiceUnavailableError : a file could not be downloaded, says which and why; or new results
        are replacing earlier ones just now
    """
    place = source / unit.name
    if place.kind() != "folder":
        raise InvalidInputError(f"no dataset {unit.name} in {source}", "check its name")
    paths = [entry.path for entry in place.list(recursive=True) if not entry.is_folder]
    if staged := [path for path in paths if _is_staged(path, unit)]:
        folder = staged[0].rpartition("/")[0]
        raise ServiceUnavailableError(
            f"{unit.name} is being published: {folder} exists", "reduce or coadd it again"
        )
    wanted = [path for path in paths if _is_wanted(path, unit, rules)]
    if not wanted:
        raise InvalidInputError(
            f"{unit.name} has nothing to deliver in {source}", "is it reduced yet?"
        )
    local = root / unit.name
    _remove_others(local, set(wanted))
    transfer = storage.transfer_files(place, local, only=wanted, progress=False)
    if transfer.interrupted:
        raise KeyboardInterrupt
    if transfer.failed:
        raise ServiceUnavailableError(f"{unit.name} was not downloaded: {transfer.reason}")


def deliverable_files(source: Location, unit: ArchiveUnit, rules: ArchiveRules) -> dict[str, int]:
    """The files of a unit on a remote to be delivered, with sizes (bytes), by path in the unit."""
    entries = (source / unit.name).list(recursive=True)
    return {
        entry.path: entry.size
        for entry in entries
        if not entry.is_folder and unit.owns(entry.path) and rules.is_delivered(entry.path)
    }


def remove_download(root: Path) -> None:
    """Remove what was downloaded."""
    shutil.rmtree(root, ignore_errors=True)


def _is_staged(path: str, unit: ArchiveUnit) -> bool:
    """Whether a file waits, beside earlier results, to replace one of them."""
    folders = path.split("/")[: 1 if unit.is_joint else 2]
    new_coadds = [f"{folder}{queue_task.STAGED_SUFFIX}" for folder in JOINT_FOLDERS]
    return any(
        folder in new_coadds or folder.startswith(publication.STAGED_PREFIX) for folder in folders
    )


def _is_wanted(path: str, unit: ArchiveUnit, rules: ArchiveRules) -> bool:
    if unit.owns(path):
        return not rules.is_excluded(path)
    is_spec1d = path.rpartition("/")[2].startswith("spec1d_")
    return is_spec1d and dataset.is_result_file(path.partition("/")[2])


def _remove_others(folder: Path, wanted: set[str]) -> None:
    """Remove files of an earlier attempt that are no longer on the remote."""
    for path in folder.rglob("*") if folder.is_dir() else ():
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
