"""Transfer files from one location to another; each is verified there before it counts.

First both locations are listed. Files that are the same already are not transferred again, so an
interrupted run continues where it stopped. The rest goes through one rclone process, which writes
temporary files and renames them (between local directories `local_files` does that). Then the
destination is listed once more. A file that still differs has failed, and is tried again if
that can help. Only after that is anything deleted.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kpfnb.core import locks
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.progress import ProgressBar, show_progress
from kpfnb.core.text import format_size
from kpfnb.storage import local_files, rclone
from kpfnb.storage.comparison import FileMatch, LocationPair, pair_locations, take_inventory
from kpfnb.storage.deletion import delete_extra_files, delete_source_files
from kpfnb.storage.errors import FileFailure, StorageError, StorageErrorKind, classify_error
from kpfnb.storage.location import Location, resolve_location
from kpfnb.storage.paths import StorageEntry
from kpfnb.storage.transfer_result import FileOutcome, FileTransfer, TransferResult

RETRY_SECONDS = 2.0
STALL_SECONDS = 1800.0


def transfer_files(
    source: str | Path | Location,
    destination: str | Path | Location,
    *,
    only: Iterable[str] | None = None,
    mirror: bool = False,
    move: bool = False,
    read_back: bool = False,
    retries: int = 2,
    dry_run: bool = False,
    progress: bool = True,
) -> TransferResult:
    """Copy a directory's files below `destination`, or one file to the name `destination`.

    Failures of single files, including a full quota, are in the result and never raised. Links are
    followed; empty directories and temporary files of killed writers are not transferred.

    Parameters
    ----------
    only : paths below the source; all files by default
    mirror : delete at the destination what the source does not have, if all else succeeded
    move : delete at the source what is verified at the destination and has not changed since
    read_back : compare the bytes even if hashes are known: slow, but trusts nothing
    retries : number of further attempts for files with a transient error
    dry_run : report what would be done; change nothing
    progress : False shows nothing

    Raises
    ------
    InvalidInputError : the source does not exist, or one is a file and the other a directory
    InvalidSettingsError, StorageError : a location can't be read; nothing was done
    AlreadyRunningError : another process transfers to the same destination
    """
    if mirror and only is not None:
        raise InvalidParameterError(
            "mirror and only exclude each other", "mirror into a separate directory"
        )
    started = time.monotonic()
    origin, target = resolve_location(source), resolve_location(destination)
    with locks.acquire_lock(transfer_lock_name(target)):
        pair = pair_locations(origin, target, read_back=read_back)
        if pair.one_file and (mirror or only is not None):
            raise InvalidInputError(f"{origin} is a file", "name the directory that it is in")
        wanted = pair.list_wanted(only)
        existing = take_inventory(target, hash_type=pair.hash_type) if mirror else None
        matches = pair.match_files(wanted.files, existing)
        todo = [path for path, match in matches.items() if match is not FileMatch.SAME]
        items = [
            FileTransfer(path, FileOutcome.FAILED, 0, *why) for path, why in wanted.problems.items()
        ]
        if dry_run:
            items += _plan_files(wanted.files, todo)
        else:
            failures = _transfer_with_retries(
                pair, wanted.files, todo, 1 + retries, progress=progress
            )
            items += _classify_files(wanted.files, todo, failures)
        if move and not dry_run:
            items = delete_source_files(pair, items, wanted.files)
        if existing and all(item.state.outcome.is_good for item in items):
            items += delete_extra_files(target, existing, wanted.files, dry_run=dry_run)
    ordered = tuple(sorted(items, key=lambda item: item.path))
    return TransferResult(str(origin), str(target), ordered, time.monotonic() - started, dry_run)


def transfer_lock_name(target: Location) -> str:
    """The lock that a transfer to this location holds."""
    # The text must not change: a running older version may hold the same lock
    digest = hashlib.sha256(target.argument.encode()).hexdigest()
    return f"carrying to {target.name[:50]} {digest[:8]}"


def _plan_files(files: Mapping[str, StorageEntry], todo: list[str]) -> list[FileTransfer]:
    different = set(todo)
    return [
        FileTransfer(
            path, FileOutcome.WOULD_COPY if path in different else FileOutcome.UNCHANGED, entry.size
        )
        for path, entry in files.items()
    ]


def _classify_files(
    files: Mapping[str, StorageEntry], todo: list[str], failures: Mapping[str, FileFailure | None]
) -> list[FileTransfer]:
    """The outcome of each file; a failure of None means that it was not reached."""
    attempted = set(todo)
    items = []
    for path, entry in files.items():
        if path not in attempted:
            items.append(FileTransfer(path, FileOutcome.UNCHANGED, entry.size))
        elif path not in failures:
            items.append(FileTransfer(path, FileOutcome.COPIED, entry.size))
        elif failure := failures[path]:
            items.append(FileTransfer(path, FileOutcome.FAILED, entry.size, *failure))
        else:
            items.append(
                FileTransfer(path, FileOutcome.NOT_REACHED, entry.size, None, "stopped before")
            )
    return items


def _transfer_with_retries(
    pair: LocationPair,
    files: Mapping[str, StorageEntry],
    todo: list[str],
    attempts: int,
    *,
    progress: bool,
) -> dict[str, FileFailure | None]:
    """Transfer files; returns why some are not at the destination, by path (None: not reached)."""
    failures: dict[str, FileFailure | None] = dict.fromkeys(todo)
    shown = progress and bool(todo)
    with show_progress(len(todo), f"transferring to {pair.destination}", shown=shown) as bar:
        for attempt in range(attempts):
            unsent = {
                path: files[path]
                for path, why in failures.items()
                if not why or why.error_kind.is_transient
            }
            if not unsent:
                break
            try:
                time.sleep(RETRY_SECONDS * attempt)
                new_failures = _try_transfer(pair, unsent, bar, len(todo))
            except KeyboardInterrupt:
                return failures
            failures = {path: why for path, why in failures.items() if path not in unsent}
            failures |= new_failures
        for path, why in failures.items():
            bar.report_failure(path, why.detail if why else "")
        bar.update(done=len(todo), failed=len(failures), note="")
    return failures


def _try_transfer(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: ProgressBar, total: int
) -> dict[str, FileFailure]:
    """Transfer the files once and verify them; returns why some failed, by path."""
    copy = _copy_local if pair.on_disks else _copy_by_rclone
    reasons = copy(pair, files, bar, total - len(files))
    bar.update(note="verifying")
    try:
        _sync_to_disk(pair.destination, [""] if pair.one_file else files)
        matches = pair.match_files(files)
    except StorageError as error:
        return dict.fromkeys(files, FileFailure(error.error_kind, f"not verified: {error.what}"))
    return {
        path: reasons.get(path) or FileFailure(StorageErrorKind.DAMAGED, _damage_text(match))
        for path, match in matches.items()
        if match is not FileMatch.SAME
    }


def _damage_text(match: FileMatch) -> str:
    return f"{match} at the destination, or changed at the source"


def _copy_by_rclone(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: ProgressBar, done: int
) -> dict[str, FileFailure]:
    """Copy by rclone; returns the errors of single files, or of all if the call failed."""

    def report(stats: Mapping[str, Any]) -> None:
        volume = (
            f"{format_size(stats.get('bytes', 0))} of {format_size(stats.get('totalBytes', 0))}"
        )
        bar.update(done=done + stats.get("transfers", 0), note=volume)

    completed = rclone.run_transfer(
        "copyto" if pair.one_file else "copy",
        pair.source.argument,
        pair.destination.argument,
        # All of them differ: skip none because of its size and time
        options=["--ignore-times", rclone.FOLLOW_LINKS],
        names=None if pair.one_file else files,
        report=report,
        stall_seconds=STALL_SECONDS,
    )
    messages, exit_code = completed.messages, completed.exit_code
    reasons = dict.fromkeys(files, messages.last_message) if exit_code else {}
    reasons |= messages.by_file
    return {
        path: FileFailure(classify_error(text, exit_code), text) for path, text in reasons.items()
    }


def _copy_local(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: ProgressBar, done: int
) -> dict[str, FileFailure]:
    volume = format_size(sum(entry.size for entry in files.values()))

    def report(copied: int, size: int) -> None:
        bar.update(done=done + copied, note=f"{format_size(size)} of {volume}")

    paths = [""] if pair.one_file else files
    locations = pair.source.argument, pair.destination.argument
    reasons = local_files.copy_files(*locations, paths, report)
    if pair.one_file:
        reasons = {path: text for path in files for text in reasons.values()}
    return {path: FileFailure(classify_error(text), text) for path, text in reasons.items()}


def _sync_to_disk(destination: Location, paths: Iterable[str]) -> None:
    """Flush files to a local disk: what counts as present must survive a power cut."""
    if not destination.is_local:
        return
    for path in paths:
        # A missing file is found by the comparison
        with suppress(FileNotFoundError, NotADirectoryError):
            descriptor = os.open(Path(destination.argument, path), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
