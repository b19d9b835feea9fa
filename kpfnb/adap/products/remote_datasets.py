"""Datasets on the remote: brought here, and kept safe on another one.

The settings' remote `data` holds the datasets, `backup` their reductions once more, at the same
place below it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import storage
from kpfnb.adap.products import dataset
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
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
    from kpfnb.storage import TransferResult

DATA_REMOTE = "data:"
BACKUP_REMOTE = "backup:"

LocationLike = str | Path | Location

_log = logging.getLogger(__name__)


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
    """Bring the reductions of a dataset here, as `<destination>/<name>/complete/reduce...`.

    What is here already and is the same is not brought again.

    Parameters
    ----------
    logs : only their logs
    raw : the raw frames too

    Raises
    ------
    InvalidParameterError : logs and raw
    InvalidInputError : no such dataset, or nothing of what is wanted in it
    StorageError : the remote can't be read
    """
    if logs and raw:
        raise InvalidParameterError("logs and raw exclude each other", "say one of them")
    below = str(dataset.parse_dataset(name))
    origin = storage.resolve_location(source) / below
    if origin.kind() != "folder":
        raise InvalidInputError(
            f"no dataset {below} in {source}", "check its name, and the setting remotes"
        )
    paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
    wanted = [path for path in paths if _is_wanted(path, logs=logs, raw=raw)]
    if not wanted:
        what = "logs" if logs else "results or raw frames" if raw else "results"
        raise InvalidInputError(f"dataset {below} has no {what} in {source}", "is it reduced yet?")
    target = storage.resolve_location(destination) / below
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
    """Make the backup of each dataset's reductions the same as the reductions; verified.

    It goes from remote to remote through this machine, without a copy on its disk. A backup of a
    reduction that is not on the remote any more is left alone. One dataset that fails does not
    stop the others.

    Parameters
    ----------
    names : datasets; all on the remote by default
    read_back : compare every byte, not only hashes

    Raises
    ------
    InvalidInputError : a name that is none, or no dataset at all; before any work
    InvalidSettingsError, StorageError : a remote can't be used; before any work
    """
    origin, target = storage.resolve_location(source), storage.resolve_location(backup)
    wanted = [str(dataset.parse_dataset(name)) for name in names]
    if len(wanted) != 1:
        for place in (origin, target):
            # One word now, instead of one for each dataset
            place.kind()
    wanted = wanted or dataset.find_datasets(origin)
    if not wanted:
        raise InvalidInputError(f"no datasets in {origin}", "check the setting remotes")
    parts: list[tuple[str, TransferResult]] = []
    with live.show_progress(len(wanted), f"backup to {target}", shown=progress) as bar:
        for done, name in enumerate(wanted):
            bar.update(done=done, note=name)
            try:
                for folder, part in _back_up_reductions(origin, target, name, read_back, dry_run):
                    parts.append((folder, part))
                    for item in part.failed:
                        bar.report_failure(f"{folder}/{item.path}".rstrip("/"), item.detail)
            except KeyboardInterrupt:
                stopped = _single_item_result(
                    FileOutcome.NOT_REACHED, None, "stopped before its end"
                )
                parts += [(left, stopped) for left in wanted[done:]]
                break
        bar.update(done=len(wanted), note="")
    return storage.merge_results(str(origin), str(target), parts)


def _back_up_reductions(
    origin: Location, target: Location, name: str, read_back: bool, dry_run: bool
) -> Iterator[tuple[str, TransferResult]]:
    """What became of each folder of results; one that fails is told, and does not stop the next."""
    try:
        folders = dataset.list_reductions(origin / name)
    except KpfnbError as error:
        yield name, _failed_result(error)
        return
    if not folders:
        yield (
            name,
            _single_item_result(
                FileOutcome.FAILED, StorageErrorKind.NOT_FOUND, "no results to back up"
            ),
        )
    for folder in folders:
        below = f"{name}/{folder}"
        try:
            part = storage.transfer_files(
                origin / below,
                target / below,
                mirror=True,
                read_back=read_back,
                dry_run=dry_run,
                progress=False,
            )
        except KpfnbError as error:
            part = _failed_result(error)
        yield below, part
        if part.interrupted:
            raise KeyboardInterrupt


def require_complete(done: TransferResult) -> TransferResult:
    """What was carried, if all of it arrived; a `KpfnbError` that a task fails with, if not."""
    if not done.outcome.is_good:
        raise KpfnbError(f"{done.source} to {done.destination}: {done.reason}", "try again")
    return done


def try_optional(what: str, call: Callable[[], object]) -> list[str]:
    """Do what a task may lack and still be done: what went wrong in one line, or nothing."""
    try:
        call()
    except KpfnbError as error:
        _log.warning("%s: %s", what, error)
        return [f"{what}: {error.what}"]
    return []


def _failed_result(error: KpfnbError) -> TransferResult:
    trouble = error.error_kind if isinstance(error, StorageError) else StorageErrorKind.OTHER
    return _single_item_result(FileOutcome.FAILED, trouble, error.what)


def _single_item_result(
    state: FileOutcome, trouble: StorageErrorKind | None, detail: str
) -> TransferResult:
    return TransferResult("", "", (FileTransfer("", state, 0, trouble, detail),))


# The task `backup`: a dataset's reductions from the remote to the backup remote, verified.


def back_up_item(item: str, lease: Lease, *, read_back: bool = False) -> TransferResult:
    """Make the backup of one dataset the same as its reductions.

    read_back : compare every byte, not only hashes
    """
    return sync_backups([item], read_back=read_back, progress=False)
