"""The tasks `coadd1d` and `coadd2d`: coadds of a configuration or dataset on the remote.

Reductions are downloaded, coadds uploaded, both verified. New coadds are complete on the remote,
beside the old ones, before they replace them. Local files are removed only after that; if a worker
is killed, or can't upload, the next one continues with what is on this machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb import storage
from kpfnb.adap.coadd.products import CoaddKind
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import RECORD_FILE, SHUTDOWN_WAIT_SECONDS, coadd_folder
from kpfnb.adap.coadd.task import CoaddConfig
from kpfnb.adap.products import dataset, reduction, remote_datasets
from kpfnb.adap.products.reduction import SCIENCE_FOLDER
from kpfnb.adap.reduce import publication
from kpfnb.adap.score import scored_slits
from kpfnb.core import locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.queue.lease import Lease
from kpfnb.storage import FileOutcome, Location, TransferResult
from kpfnb.storage.paths import check_path

LOCAL_FOLDER = "coadding"
STAGED_SUFFIX = ".new"
"""Ends the name of the folder of new coadds, which is beside the earlier ones."""
MAX_LOG_BYTES = 1_000_000
"""A larger log of coadds that were set aside is not kept."""
BACKUP_REMOTE = remote_datasets.BACKUP_REMOTE.rstrip(":")


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
    """Download the reductions, coadd their spectra, and upload the coadds, verified.

    source : the remote of the datasets
    flux : source of the sensitivity function; auto as the spectrograph's profile says
    config : a file of PypeIt's parameters, which override those of the profile
    custom : folder of files named as the item, `<mask>_<config>[_<date>].collate1d`
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    """
    coadd_config = CoaddConfig(
        flux=flux,
        parameters=config,
        custom=custom,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
    )
    return RemoteCoadd(item, CoaddKind.SPECTRA, lease, source, coadd_config).run()


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
    """Download the reductions, stack their images, and upload the coadds, verified.

    custom : folder of files named as the item, `<mask>_<config>[_<date>].coadd2d`; the others as
        for `coadd_spectra`
    """
    coadd_config = CoaddConfig(
        parameters=config,
        custom=custom,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
    )
    return RemoteCoadd(item, CoaddKind.IMAGES, lease, source, coadd_config).run()


@dataclass(frozen=True)
class RemoteCoadd:
    """The coadds of one kind of an item on the remote.

    Attributes
    ----------
    item : mask/config, or mask/config/date
    source : the remote of the datasets
    """

    item: str
    kind: CoaddKind
    lease: Lease
    source: str
    config: CoaddConfig

    def run(self) -> CoaddResult:
        """Download, coadd, publish and clean up. Storage errors are raised: the item is retried."""
        name = parse_item(self.item)
        remote = storage.resolve_location(self.source) / name
        local = settings.load_settings().work_dir / LOCAL_FOLDER / str(self.kind) / name
        with locks.acquire_lock(f"coadding-{self.kind}-{name}", wait_seconds=SHUTDOWN_WAIT_SECONDS):
            self.lease.note("download")
            self._download(remote, local)
            self.lease.note("coadd")
            result = coadd_folder(local, "", self.kind, self.config, progress=False)
            # Coadds that were set aside, because earlier ones are better, stay off the remote
            if result.output == self._local_output(local):
                result = self._publish(result, self._output_location(remote), name)
            else:
                keep_logs(result.output, kept_logs_folder(self.kind, name))
            shutil.rmtree(local)
        return result

    def _download(self, remote: Location, local: Path) -> None:
        """The reductions as they are on the remote now; also its coadds, if none are local."""
        if remote.kind() != "folder":
            raise InvalidInputError(f"no dataset {self.item} in {self.source}", "check its name")
        is_dated = self.item.count("/") == 2
        wanted = [path for path in _file_paths(remote) if is_input_file(path, dated=is_dated)]
        if not wanted:
            raise InvalidInputError(
                f"{self.item} has no reductions in {self.source}", "is it reduced yet?"
            )
        for path in _local_reduction_files(local):
            if path.relative_to(local).as_posix() not in wanted:
                path.unlink()
        storage.transfer_files(remote, local, only=wanted, progress=False).require_complete()
        local_coadds, remote_coadds = self._local_output(local), self._output_location(remote)
        if _has_local_coadds(local_coadds):
            return
        # Without a record, on either side, it is the unfinished output of a killed worker
        shutil.rmtree(local_coadds, ignore_errors=True)
        if (remote_coadds / RECORD_FILE).exists():
            storage.transfer_files(remote_coadds, local_coadds, progress=False).require_complete()

    def _publish(self, result: CoaddResult, place: Location, name: str) -> CoaddResult:
        """Upload the coadds, then back them up; a failed backup is only a warning.

        Coadds without an exposure that the earlier ones there have are not published.
        """
        earlier = publication.read_remote_record(place, name=RECORD_FILE)
        if earlier and earlier["outcome"] and reduction.loses_frames(earlier, result.to_dict()):
            return _add_problems(result, [f"the earlier coadds are kept in {place}"])
        if _differs_from(result.output, place):
            self._upload(result.output, place)
        if BACKUP_REMOTE not in settings.load_settings().remotes:
            return result
        self.lease.note("backup")
        problems = remote_datasets.try_optional(
            "backup", lambda: self._back_up(result.output, name)
        )
        return _add_problems(result, problems) if problems else result

    def _back_up(self, output: Path, name: str) -> TransferResult:
        root = storage.resolve_location(remote_datasets.BACKUP_REMOTE) / name
        place = self._output_location(root)
        return storage.transfer_files(output, place, mirror=True, progress=False).require_complete()

    def _upload(self, output: Path, place: Location) -> None:
        """Upload all beside the earlier coadds; the record is deleted first and copied last."""
        self.lease.confirm()
        self.lease.note("upload")
        staged = Location(place.base, f"{place.path}{STAGED_SUFFIX}", place.label)
        transfer = storage.transfer_files(
            output, staged, mirror=True, progress=False
        ).require_complete()
        uploaded = [item.path for item in transfer.items if item.state is not FileOutcome.DELETED]
        products = [path for path in uploaded if path != RECORD_FILE]
        self.lease.confirm()
        # Until the new record is there, a mixture is never taken for coadds
        (place / RECORD_FILE).delete()
        storage.transfer_files(staged, place, only=products, progress=False).require_complete()
        storage.transfer_files(staged, place, mirror=True, progress=False).require_complete()
        staged.delete()

    def _output_location(self, root: Location) -> Location:
        """The folder of the coadds in the folder of the item."""
        folder = root / dataset.COMPLETE if self.item.count("/") == 2 else root
        return folder / self.kind.folder

    def _local_output(self, local: Path) -> Path:
        return Path(self._output_location(storage.resolve_location(local)).argument)


def kept_logs_folder(kind: CoaddKind, name: str) -> Path:
    """Where the logs of an item's coadds are kept that are not published."""
    return settings.load_settings().work_dir / LOCAL_FOLDER / "logs" / str(kind) / name


def keep_logs(output: Path, place: Path) -> None:
    """Copy the logs of coadds that were set aside: they say why these are worse."""
    for path in sorted(output.glob("*.log")):
        if path.stat().st_size <= MAX_LOG_BYTES:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / path.name)


def parse_item(item: str) -> str:
    """The name of a configuration or a dataset; `InvalidInputError` if it is not a valid one."""
    name = check_path(item.strip().rstrip("/"))
    if name.count("/") == 1:
        return name
    return str(dataset.parse_dataset(name))


def is_input_file(path: str, *, dated: bool) -> bool:
    """Whether a file of an item is needed to coadd: calibrations and pictures are not.

    dated : the item is a dataset, not a configuration
    """
    below_dataset = path if dated else path.partition("/")[2]
    if not dataset.is_result_file(below_dataset):
        return False
    *folders, file = below_dataset.split("/")[2:]
    if not folders:
        is_slit_list = Path(file).match(scored_slits.BAD_SLITS_PATTERN)
        return file == reduction.RECORD_NAME or is_slit_list
    if len(folders) == 1:
        return file.endswith((".pypeit", ".log"))
    return folders[1:] == [SCIENCE_FOLDER] and file.endswith(".fits")


def _add_problems(result: CoaddResult, problems: Iterable[str]) -> CoaddResult:
    return replace(result, problems=(*result.problems, *problems), note="")


def _file_paths(place: Location) -> list[str]:
    return [entry.path for entry in place.list(recursive=True) if not entry.is_folder]


def _local_reduction_files(local: Path) -> list[Path]:
    """The files of reductions that an earlier worker downloaded."""
    return [
        path
        for path in local.rglob("*")
        if path.is_file() and any(map(dataset.is_reduction_folder, path.relative_to(local).parts))
    ]


def _has_local_coadds(output: Path) -> bool:
    """Whether there are local coadds, made or downloaded, or set aside while new ones are made."""
    places = (output.with_name(output.name + suffix) for suffix in ("", ".previous"))
    return any((place / RECORD_FILE).is_file() for place in places)


def _differs_from(output: Path, place: Location) -> bool:
    if not place.exists():
        return True
    plan = storage.transfer_files(output, place, mirror=True, dry_run=True, progress=False)
    return any(item.state is not FileOutcome.UNCHANGED for item in plan.items)
