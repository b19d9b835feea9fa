"""Coadds of an item on the remote: its reductions come here, its coadds go there, verified.

New coadds are whole on the remote, beside the old ones, before anything takes their place. What is
here is removed only after that; a worker that was killed, or could not upload, is followed by one
that goes on with what is here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import storage
from kpfnb.adap.coadd import run as coadd
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddKind
from kpfnb.adap.products import dataset, reduction, remote_datasets
from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.reduce import publication
from kpfnb.adap.score import scored_slits
from kpfnb.core import locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.queue.lease import Lease
from kpfnb.storage import FileOutcome, Location
from kpfnb.storage import paths as allowed

if TYPE_CHECKING:
    from kpfnb.adap.coadd.result import CoaddResult
    from kpfnb.queue.lease import Lease

LOCAL_FOLDER = "coadding"
STAGED_SUFFIX = ".new"
"""Ends the name of the folder beside the earlier coadds."""
BACKUP_REMOTE = remote_datasets.BACKUP_REMOTE.rstrip(":")
SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait for a worker that was killed to be gone."""


@dataclass(frozen=True)
class RemoteCoadd:
    """One item, and what is to be made of it.

    Attributes
    ----------
    item : mask/config, or mask/config/date
    source : the remote with the datasets
    """

    item: str
    kind: CoaddKind
    lease: Lease
    source: str = remote_datasets.DATA_REMOTE
    flux: str = "auto"
    config: str = ""
    custom: str = ""
    silence_minutes: float = 30
    timeout_minutes: float = 0

    def run(self) -> CoaddResult:
        """From the download to the clean-up. Errors of storage are raised: the item is retried."""
        name = parse_item(self.item)
        origin = storage.resolve_location(self.source) / name
        local = settings.load_settings().work_dir / LOCAL_FOLDER / str(self.kind) / name
        with locks.acquire_lock(f"coadding-{self.kind}-{name}", wait_seconds=SHUTDOWN_WAIT_SECONDS):
            self.lease.note("download")
            self._download(origin, local)
            self.lease.note("coadd")
            result = coadd.coadd_folder(
                local,
                kind=self.kind,
                flux=self.flux,
                config=self.config,
                custom=self.custom,
                silence_minutes=self.silence_minutes,
                timeout_minutes=self.timeout_minutes,
                progress=False,
            )
            # Those that were put aside for earlier ones are not for the remote
            if result.output == Path(
                self._output_location(storage.resolve_location(local)).argument
            ):
                result = self._publish(result, self._output_location(origin), name)
            shutil.rmtree(local)
        return result

    def _download(self, origin: Location, local: Path) -> None:
        """The reductions as they are on the remote now; coadds too, where none are here."""
        if origin.kind() != "folder":
            raise InvalidInputError(f"no dataset {self.item} in {self.source}", "check its name")
        paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
        wanted = [path for path in paths if is_input_file(path, dated=self.item.count("/") == 2)]
        if not wanted:
            raise InvalidInputError(
                f"{self.item} has no reductions in {self.source}", "is it reduced yet?"
            )
        for path in _local_reduction_files(local):
            if path.relative_to(local).as_posix() not in wanted:
                path.unlink()
        remote_datasets.require_complete(
            storage.transfer_files(origin, local, only=wanted, progress=False)
        )
        here, there = (
            Path(self._output_location(storage.resolve_location(local)).argument),
            self._output_location(origin),
        )
        if _has_local_coadds(here):
            return
        # What has no record, here or there, is a part that a killed worker has left
        shutil.rmtree(here, ignore_errors=True)
        if (there / coadd.RECORD_FILE).exists():
            remote_datasets.require_complete(storage.transfer_files(there, here, progress=False))

    def _publish(self, result: CoaddResult, place: Location, name: str) -> CoaddResult:
        """The coadds to the remote, then to the backup, whose failure is a warning.

        Those that lack an exposure which the earlier ones there have are not published.
        """
        old = publication.read_remote_record(place, name=coadd.RECORD_FILE)
        if old and old["outcome"] and reduction.loses_frames(old, result.to_dict()):
            kept = f"the earlier coadds are kept in {place}"
            return replace(result, problems=(*result.problems, kept), note="")
        if _differs_from(result.output, place):
            self._upload(result.output, place)
        if BACKUP_REMOTE not in settings.load_settings().remotes:
            return result
        self.lease.note("backup")
        backup = self._output_location(
            storage.resolve_location(remote_datasets.BACKUP_REMOTE) / name
        )
        call = partial(storage.transfer_files, result.output, backup, mirror=True, progress=False)
        if trouble := remote_datasets.try_optional(
            "backup", lambda: remote_datasets.require_complete(call())
        ):
            return replace(result, problems=(*result.problems, *trouble), note="")
        return result

    def _upload(self, output: Path, place: Location) -> None:
        """All of it beside the earlier coadds first; the record goes first and comes last."""
        self.lease.confirm()
        self.lease.note("upload")
        beside = Location(place.base, f"{place.path}{STAGED_SUFFIX}", place.label)
        sent = remote_datasets.require_complete(
            storage.transfer_files(output, beside, mirror=True, progress=False)
        )
        there = (item.path for item in sent.items if item.state is not FileOutcome.DELETED)
        products = [path for path in there if path != coadd.RECORD_FILE]
        self.lease.confirm()
        # Until the new one is there, nobody takes a mixture for coadds
        (place / coadd.RECORD_FILE).delete()
        remote_datasets.require_complete(
            storage.transfer_files(beside, place, only=products, progress=False)
        )
        remote_datasets.require_complete(
            storage.transfer_files(beside, place, mirror=True, progress=False)
        )
        beside.delete()

    def _output_location(self, root: Location) -> Location:
        """Where the coadds are below the place of the item."""
        folder = root / dataset.COMPLETE if self.item.count("/") == 2 else root
        return folder / self.kind.folder


def parse_item(item: str) -> str:
    """The name of a configuration or of a dataset; `InvalidInputError` where it is none."""
    name = allowed.check_path(item.strip().rstrip("/"))
    if name.count("/") == 1:
        return name
    return str(dataset.parse_dataset(name))


def is_input_file(path: str, *, dated: bool) -> bool:
    """Whether a file below an item is needed to coadd: calibrations and pictures are not.

    dated : the item is a dataset, not a configuration
    """
    below = path if dated else path.partition("/")[2]
    if not dataset.is_result_file(below):
        return False
    parts = below.split("/")[2:]
    if len(parts) == 1:
        return parts[0] == reduction.RECORD_NAME or Path(parts[0]).match(
            scored_slits.BAD_SLITS_PATTERN
        )
    if len(parts) == 2:
        return parts[1].endswith((".pypeit", ".log"))
    return len(parts) == 3 and parts[1] == SCIENCE_FOLDER and parts[2].endswith(".fits")


def _local_reduction_files(local: Path) -> list[Path]:
    """The files of reductions that an earlier worker has brought."""
    return [
        path
        for path in local.rglob("*")
        if path.is_file() and any(map(dataset.is_reduction_folder, path.relative_to(local).parts))
    ]


def _has_local_coadds(output: Path) -> bool:
    """Whether coadds are here, made or brought, or put aside for new ones that were being made."""
    places = (output.with_name(output.name + end) for end in ("", ".previous"))
    return any((place / coadd.RECORD_FILE).is_file() for place in places)


def _differs_from(output: Path, place: Location) -> bool:
    if not place.exists():
        return True
    seen = storage.transfer_files(output, place, mirror=True, dry_run=True, progress=False)
    return any(item.state is not FileOutcome.UNCHANGED for item in seen.items)


# The tasks `coadd1d` and `coadd2d`: the coadds of a configuration or a dataset on the remote.


def coadd_spectra(
    item: str,
    lease: Lease,
    *,
    source: str = "data:",
    flux: str = "auto",
    config: str = "",
    custom: str = "",
    silence_minutes: float = 30.0,
    timeout_minutes: float = 0.0,
) -> CoaddResult:
    """Bring the reductions here, coadd their spectra, and put the coadds on the remote, verified.

    source : the remote with the datasets
    flux : where the sensitivity function comes from; auto as the spectrograph's profile says
    config : a file of PypeIt's parameters, over those of the profile
    custom : folder of files named as the item, `<mask>_<config>[_<date>].collate1d`
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    """
    limits = silence_minutes, timeout_minutes
    return RemoteCoadd(item, CoaddKind.SPECTRA, lease, source, flux, config, custom, *limits).run()


def coadd_images(
    item: str,
    lease: Lease,
    *,
    source: str = "data:",
    config: str = "",
    custom: str = "",
    silence_minutes: float = 30.0,
    timeout_minutes: float = 0.0,
) -> CoaddResult:
    """Bring the reductions here, stack their images, and put the coadds on the remote, verified.

    custom : folder of files named as the item, `<mask>_<config>[_<date>].coadd2d`; all else as of
        `spectra`
    """
    limits = silence_minutes, timeout_minutes
    return RemoteCoadd(item, CoaddKind.IMAGES, lease, source, "auto", config, custom, *limits).run()
