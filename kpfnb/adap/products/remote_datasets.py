"""Datasets on remotes: downloaded to this machine, and backed up to a second remote.

The setting `remotes` names them: `data` has the datasets, and `backup` has a copy of their
reductions under the same names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import storage
from kpfnb.adap.products import dataset
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
from kpfnb.core.progress import show_progress
from kpfnb.storage import (
    FileOutcome,
    FileTransfer,
    Location,
    StorageError,
    StorageErrorKind,
    TransferResult,
)

if TYPE_CHECKING:
    from kpfnb.queue.lease import Lease

DATA_REMOTE = "data:"
BACKUP_REMOTE = "backup:"

LocationLike = str | Path | Location

logger = logging.getLogger(__name__)


def download_dataset(
    name: str,
    destination: LocationLike = ".",
    *,
    source: LocationLike = DATA_REMOTE,
    logs: bool = False,
    raw: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> TransferResult:
    """Download the reductions of a dataset to `<destination>/<name>/complete/reduce...`.

    Files that are present and unchanged are not transferred again.

    Parameters
    ----------
    logs : only the logs
    raw : the raw frames as well

    Raises
    ------
    InvalidParameterError : both logs and raw
    InvalidInputError : no such dataset, or no such files in it
    StorageError : the remote can't be read
    """
    if logs and raw:
        raise InvalidParameterError("logs and raw exclude each other", "use one of them")
    name = str(dataset.parse_dataset(name))
    origin = storage.resolve_location(source) / name
    if origin.kind() != "folder":
        raise InvalidInputError(
            f"no dataset {name} in {source}", "check its name, and the setting remotes"
        )
    paths = [entry.path for entry in origin.list(recursive=True) if not entry.is_folder]
    wanted = [path for path in paths if _is_wanted(path, logs=logs, raw=raw)]
    if not wanted:
        what = "logs" if logs else "results or raw frames" if raw else "results"
        raise InvalidInputError(f"dataset {name} has no {what} in {source}", "is it reduced yet?")
    target = storage.resolve_location(destination) / name
    return storage.transfer_files(origin, target, only=wanted, dry_run=dry_run, progress=progress)


def _is_wanted(path: str, *, logs: bool, raw: bool) -> bool:
    if logs:
        return dataset.is_log_file(path)
    return dataset.is_result_file(path) or (raw and dataset.is_raw_file(path))


def sync_backups(
    names: Iterable[str] = (),
    *,
    source: LocationLike = DATA_REMOTE,
    backup: LocationLike = BACKUP_REMOTE,
    read_back: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> TransferResult:
    """Make the backups of datasets equal to their reductions, verified.

    Files are streamed from remote to remote through this machine; no copy is kept on its disk. A
    backup stays if its reduction is no longer on the remote. If one dataset fails, the others are
    still backed up.

    Parameters
    ----------
    names : datasets; by default all on the remote
    read_back : compare every byte, not only hashes

    Raises
    ------
    InvalidInputError : a name is not valid, or there is no dataset; before any work
    InvalidSettingsError, StorageError : a remote can't be used; before any work
    """
    origin, target = storage.resolve_location(source), storage.resolve_location(backup)
    wanted = [str(dataset.parse_dataset(name)) for name in names]
    if len(wanted) != 1:
        for location in (origin, target):
            # A remote that can't be used is one error here, not one for each dataset
            location.kind()
    wanted = wanted or dataset.find_datasets(origin)
    if not wanted:
        raise InvalidInputError(f"no datasets in {origin}", "check the setting remotes")
    results: list[tuple[str, TransferResult]] = []
    with show_progress(len(wanted), f"backup to {target}", shown=progress) as bar:
        for done, name in enumerate(wanted):
            bar.update(done=done, note=name)
            try:
                for path, result in _back_up_reductions(origin, target, name, read_back, dry_run):
                    results.append((path, result))
                    for file in result.failed:
                        bar.report_failure(f"{path}/{file.path}".rstrip("/"), file.detail)
            except KeyboardInterrupt:
                interrupted = _single_item_result(
                    FileOutcome.NOT_REACHED, None, "stopped before its end"
                )
                results += [(remaining, interrupted) for remaining in wanted[done:]]
                break
        bar.update(done=len(wanted), note="")
    return storage.merge_results(str(origin), str(target), results)


def _back_up_reductions(
    origin: Location, target: Location, name: str, read_back: bool, dry_run: bool
) -> Iterator[tuple[str, TransferResult]]:
    """The result for each reduction of a dataset; a failure does not stop the next one."""
    try:
        folders = dataset.list_reductions(origin / name)
    except KpfnbError as error:
        yield name, _failed_result(error)
        return
    if not folders:
        kind = StorageErrorKind.NOT_FOUND
        yield name, _single_item_result(FileOutcome.FAILED, kind, "no results to back up")
    for folder in folders:
        path = f"{name}/{folder}"
        try:
            result = storage.transfer_files(
                origin / path,
                target / path,
                mirror=True,
                read_back=read_back,
                dry_run=dry_run,
                progress=False,
            )
        except KpfnbError as error:
            result = _failed_result(error)
        yield path, result
        if result.interrupted:
            raise KeyboardInterrupt


def back_up_item(item: str, lease: Lease, *, read_back: bool = False) -> TransferResult:
    """The queue task `backup`: make the backup of one dataset equal to its reductions.

    read_back : compare every byte, not only hashes
    """
    return sync_backups([item], read_back=read_back, progress=False)


def try_optional(what: str, call: Callable[[], object]) -> list[str]:
    """Call what a task can do without; returns the error in one line, or an empty list."""
    try:
        call()
    except KpfnbError as error:
        logger.warning("%s: %s", what, error)
        return [f"{what}: {error.what}"]
    return []


def _failed_result(error: KpfnbError) -> TransferResult:
    kind = error.error_kind if isinstance(error, StorageError) else StorageErrorKind.OTHER
    return _single_item_result(FileOutcome.FAILED, kind, error.what)


def _single_item_result(
    outcome: FileOutcome, error_kind: StorageErrorKind | None, detail: str
) -> TransferResult:
    return TransferResult("", "", (FileTransfer("", outcome, 0, error_kind, detail),))
