"""Carry files from one place to another, so that each is verified there before it counts.

First both places are looked at: what is the same already is not carried again, so a run that was
cut off anywhere goes on where it was. The rest goes through one rclone, which writes beside and
renames (between local folders we do that), then the destination is looked at once more. What is
not the same then has failed, and is tried again where that can help. Only after that is anything
deleted.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpfnb.core import locks
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.storage import comparison, local_files, rclone
from kpfnb.storage.comparison import FileInventory, FileMatch, LocationPair, pair_locations
from kpfnb.storage.errors import FileFailure, StorageError, StorageErrorKind, classify_error
from kpfnb.storage.location import Location, resolve_location
from kpfnb.storage.paths import StorageEntry
from kpfnb.storage.transfer_result import FileOutcome, FileTransfer, TransferResult, format_bytes

# Deletion, which comes last: only what is verified elsewhere, or what a mirror has no more.


def delete_source_files(
    pair: LocationPair, items: list[FileTransfer], files: Mapping[str, StorageEntry]
) -> list[FileTransfer]:
    """Delete at the source what is verified at the destination; the items as they are then."""
    verified = [
        one.path for one in items if one.state in (FileOutcome.COPIED, FileOutcome.UNCHANGED)
    ]
    if not verified:
        return items
    only = None if pair.one_file else verified
    try:
        now = comparison.take_inventory(pair.source, hash_type=pair.hash_type, only=only).files
    except StorageError as error:
        why = FileFailure(error.error_kind, f"copied, but not deleted: {error.what}")
        kept = dict.fromkeys(verified, why)
        return [_mark_moved(one, kept) if one.path in kept else one for one in items]
    unchanged = [path for path in verified if now.get(path) == files[path]]
    failures = _delete_files(pair.source, unchanged, one_file=pair.one_file)
    changed = FileFailure(
        StorageErrorKind.DAMAGED, "changed at the source after it was copied; not deleted"
    )
    failures |= dict.fromkeys(set(verified) - set(unchanged), changed)
    return [_mark_moved(one, failures) if one.path in set(verified) else one for one in items]


def delete_extra_files(
    place: Location, there: FileInventory, files: Mapping[str, StorageEntry], *, dry_run: bool
) -> list[FileTransfer]:
    """Delete what is `there` and not among the files, and the folders that are empty then."""
    extras = {path: one for path, one in there.files.items() if path not in files}
    refused = [
        FileTransfer(path, FileOutcome.FAILED, 0, *why) for path, why in there.problems.items()
    ]
    if dry_run:
        return refused + [
            FileTransfer(p, FileOutcome.WOULD_DELETE, one.size) for p, one in extras.items()
        ]
    failures = _delete_files(place, list(extras)) if extras else {}
    if extras:
        # A folder that stays is no harm; S3 has none
        rclone.run_command("rmdirs", place.argument, options=["--leave-root"])
    return refused + [
        FileTransfer(path, FileOutcome.FAILED, one.size, *failures[path])
        if path in failures
        else FileTransfer(path, FileOutcome.DELETED, one.size)
        for path, one in extras.items()
    ]


def _mark_moved(item: FileTransfer, failures: Mapping[str, FileFailure]) -> FileTransfer:
    if item.path not in failures:
        return replace(item, state=FileOutcome.MOVED)
    trouble, detail = failures[item.path]
    return replace(item, state=FileOutcome.FAILED, trouble=trouble, detail=detail)


def _delete_files(
    place: Location, paths: list[str], *, one_file: bool = False
) -> dict[str, FileFailure]:
    """Delete files; why those are still there that are.

    Links are not followed here: what they point to is not ours.
    """
    if not paths:
        return {}
    only = None if one_file else paths
    answer = rclone.run_command("deletefile" if one_file else "delete", place.argument, names=only)
    try:
        left = comparison.take_inventory(place, only=only).files
    except StorageError as error:
        return dict.fromkeys(paths, FileFailure(error.error_kind, f"deleted or not: {error.what}"))
    failures = {}
    for path in left:
        said = answer.messages.by_file.get(path, "still there")
        failures[path] = FileFailure(classify_error(said), f"not deleted: {said}")
    return failures


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
    """Copy a folder's files below the folder `destination`, or one file to the name `destination`.

    What went wrong with a file, a full quota among it, is in the result, never raised. Links are
    followed; empty folders and files that a killed writer left are not carried.

    Parameters
    ----------
    only : paths below the source; all files by default
    mirror : delete at the destination what the source has not; only if all else succeeded
    move : delete at the source what is verified at the destination, and has not changed since
    read_back : compare the bytes, also where hashes are known: slow, but trusts nothing
    retries : so many more attempts for files that failed for a reason that may pass
    dry_run : say what would be done
    progress : False shows nothing

    Raises
    ------
    InvalidInputError : there is nothing at the source, or one is a file and the other a folder
    InvalidSettingsError, StorageError : a place can't be looked at; nothing was done
    AlreadyRunningError : another process carries to the same place
    """
    if mirror and only is not None:
        raise InvalidParameterError(
            "mirror and only exclude each other", "mirror a folder of its own"
        )
    started = time.monotonic()
    origin, target = resolve_location(source), resolve_location(destination)
    with locks.acquire_lock(_lock_name(target)):
        pair = pair_locations(origin, target, read_back=read_back)
        if pair.one_file and (mirror or only is not None):
            raise InvalidInputError(f"{origin} is a file", "name the folder that it is in")
        wanted = pair.list_wanted(only)
        there = comparison.take_inventory(target, hash_type=pair.hash_type) if mirror else None
        matches = pair.match_files(wanted.files, there)
        todo = [path for path, found in matches.items() if found is not FileMatch.SAME]
        items = [
            FileTransfer(p, FileOutcome.FAILED, 0, t, d) for p, (t, d) in wanted.problems.items()
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
        if there and all(item.state.outcome.is_good for item in items):
            items += delete_extra_files(target, there, wanted.files, dry_run=dry_run)
    ordered = tuple(sorted(items, key=lambda item: item.path))
    return TransferResult(str(origin), str(target), ordered, time.monotonic() - started, dry_run)


def _lock_name(target: Location) -> str:
    digest = hashlib.sha256(target.argument.encode()).hexdigest()
    return f"carrying to {target.name[:50]} {digest[:8]}"


def _plan_files(files: Mapping[str, StorageEntry], todo: list[str]) -> list[FileTransfer]:
    missing = set(todo)
    return [
        FileTransfer(
            path, FileOutcome.WOULD_COPY if path in missing else FileOutcome.UNCHANGED, one.size
        )
        for path, one in files.items()
    ]


def _classify_files(
    files: Mapping[str, StorageEntry], todo: list[str], failures: Mapping[str, FileFailure | None]
) -> list[FileTransfer]:
    """What became of each file; a failure of None stands for one that was not reached."""
    tried = set(todo)
    items = []
    for path, one in files.items():
        if path not in tried:
            items.append(FileTransfer(path, FileOutcome.UNCHANGED, one.size))
        elif path not in failures:
            items.append(FileTransfer(path, FileOutcome.COPIED, one.size))
        elif failure := failures[path]:
            items.append(FileTransfer(path, FileOutcome.FAILED, one.size, *failure))
        else:
            items.append(
                FileTransfer(path, FileOutcome.NOT_REACHED, one.size, None, "stopped before")
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
    """Why files are not at the destination in the end."""
    failures: dict[str, FileFailure | None] = dict.fromkeys(todo)
    shown = progress and bool(todo)
    with live.show_progress(len(todo), f"carrying to {pair.destination}", shown=shown) as bar:
        for attempt in range(attempts):
            left = [
                path for path, why in failures.items() if not why or why.error_kind.is_transient
            ]
            if not left:
                break
            try:
                time.sleep(RETRY_SECONDS * attempt)
                found = _try_transfer(pair, {path: files[path] for path in left}, bar, len(todo))
            except KeyboardInterrupt:
                return failures
            failures = {p: why for p, why in failures.items() if p not in left} | dict(found)
        for path, why in failures.items():
            bar.report_failure(path, why.detail if why else "")
        bar.update(done=len(todo), failed=len(failures), note="")
    return failures


def _try_transfer(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: live.ProgressBar, total: int
) -> dict[str, FileFailure]:
    """Carry the files once, and look what is there then; those that failed, and why."""
    way = _copy_local if pair.on_disks else _copy_by_rclone
    words = way(pair, files, bar, total - len(files))
    bar.update(note="verifying")
    try:
        _sync_to_disk(pair.destination, [""] if pair.one_file else files)
        matches = pair.match_files(files)
    except StorageError as error:
        return dict.fromkeys(files, FileFailure(error.error_kind, f"not verified: {error.what}"))
    return {
        path: words.get(path) or FileFailure(StorageErrorKind.DAMAGED, _damage_text(found))
        for path, found in matches.items()
        if found is not FileMatch.SAME
    }


def _damage_text(found: FileMatch) -> str:
    return f"{found} at the destination, or changed at the source"


def _copy_by_rclone(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: live.ProgressBar, done: int
) -> dict[str, FileFailure]:
    """What rclone says of files, or of all together where it failed."""

    def tell(stats: Mapping[str, Any]) -> None:
        volume = (
            f"{format_bytes(stats.get('bytes', 0))} of {format_bytes(stats.get('totalBytes', 0))}"
        )
        bar.update(done=done + stats.get("transfers", 0), note=volume)

    answer = rclone.run_transfer(
        "copyto" if pair.one_file else "copy",
        pair.source.argument,
        pair.destination.argument,
        # All of them differ: nothing is to be skipped for its size and time
        options=["--ignore-times", rclone.FOLLOW_LINKS],
        names=None if pair.one_file else files,
        tell=tell,
        silence_seconds=STALL_SECONDS,
    )
    said = dict.fromkeys(files, answer.messages.last_message) if answer.exit_code else {}
    said |= answer.messages.by_file
    return {
        path: FileFailure(classify_error(text, answer.exit_code), text)
        for path, text in said.items()
    }


def _copy_local(
    pair: LocationPair, files: Mapping[str, StorageEntry], bar: live.ProgressBar, done: int
) -> dict[str, FileFailure]:
    volume = format_bytes(sum(one.size for one in files.values()))

    def tell(copied: int, size: int) -> None:
        bar.update(done=done + copied, note=f"{format_bytes(size)} of {volume}")

    paths = [""] if pair.one_file else files
    places = pair.source.argument, pair.destination.argument
    said = local_files.copy_files(*places, paths, tell)
    if pair.one_file:
        said = {path: text for path in files for text in said.values()}
    return {path: FileFailure(classify_error(text), text) for path, text in said.items()}


def _sync_to_disk(destination: Location, paths: Iterable[str]) -> None:
    """On a local disk: what counts as there has to be there after a power cut, too."""
    if not destination.is_local:
        return
    for path in paths:
        # What is not there is found by the comparison
        with suppress(FileNotFoundError, NotADirectoryError):
            descriptor = os.open(Path(destination.argument, path), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
