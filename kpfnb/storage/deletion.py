"""Deletion after a transfer: only files verified elsewhere, or extra files of a mirror."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kpfnb.storage import rclone
from kpfnb.storage.comparison import FileInventory, LocationPair, take_inventory
from kpfnb.storage.errors import FileFailure, StorageError, StorageErrorKind, classify_error
from kpfnb.storage.location import Location
from kpfnb.storage.paths import StorageEntry
from kpfnb.storage.transfer_result import FileOutcome, FileTransfer


def delete_source_files(
    pair: LocationPair, items: list[FileTransfer], files: Mapping[str, StorageEntry]
) -> list[FileTransfer]:
    """Delete at the source what is verified at the destination; returns the updated items."""
    verified = {
        item.path for item in items if item.state in (FileOutcome.COPIED, FileOutcome.UNCHANGED)
    }
    if not verified:
        return items
    only = None if pair.one_file else sorted(verified)
    try:
        current = take_inventory(pair.source, hash_type=pair.hash_type, only=only).files
    except StorageError as error:
        why = FileFailure(error.error_kind, f"copied, but not deleted: {error.what}")
        failures = dict.fromkeys(verified, why)
    else:
        unchanged = sorted(path for path in verified if current.get(path) == files[path])
        changed = FileFailure(
            StorageErrorKind.DAMAGED, "changed at the source after it was copied; not deleted"
        )
        failures = _delete_files(pair.source, unchanged, one_file=pair.one_file)
        failures |= dict.fromkeys(verified - set(unchanged), changed)
    return [_mark_moved(item, failures) if item.path in verified else item for item in items]


def delete_extra_files(
    location: Location,
    existing: FileInventory,
    files: Mapping[str, StorageEntry],
    *,
    dry_run: bool,
) -> list[FileTransfer]:
    """Delete what exists and is not among the files, and directories that become empty."""
    extras = {path: entry for path, entry in existing.files.items() if path not in files}
    outcome, failures = FileOutcome.WOULD_DELETE, {}
    if extras and not dry_run:
        failures = _delete_files(location, list(extras))
        # A directory that is left does no harm; S3 has none
        rclone.run_command("rmdirs", location.argument, options=["--leave-root"])
    if not dry_run:
        outcome = FileOutcome.DELETED
    items = [
        FileTransfer(path, FileOutcome.FAILED, 0, *why) for path, why in existing.problems.items()
    ]
    return items + [
        FileTransfer(path, FileOutcome.FAILED, entry.size, *failures[path])
        if path in failures
        else FileTransfer(path, outcome, entry.size)
        for path, entry in extras.items()
    ]


def _mark_moved(item: FileTransfer, failures: Mapping[str, FileFailure]) -> FileTransfer:
    if item.path not in failures:
        return replace(item, state=FileOutcome.MOVED)
    kind, detail = failures[item.path]
    return replace(item, state=FileOutcome.FAILED, error_kind=kind, detail=detail)


def _delete_files(
    location: Location, paths: list[str], *, one_file: bool = False
) -> dict[str, FileFailure]:
    """Delete files; returns why some still exist, by path.

    Links are not followed here: their targets may belong to other people.
    """
    if not paths:
        return {}
    only = None if one_file else paths
    command = "deletefile" if one_file else "delete"
    completed = rclone.run_command(command, location.argument, names=only)
    try:
        remaining = take_inventory(location, only=only).files
    except StorageError as error:
        return dict.fromkeys(paths, FileFailure(error.error_kind, f"deleted or not: {error.what}"))
    failures = {}
    for path in remaining:
        text = completed.messages.by_file.get(path, "still exists")
        failures[path] = FileFailure(classify_error(text), f"not deleted: {text}")
    return failures
