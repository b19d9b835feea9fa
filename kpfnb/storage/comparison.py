"""Compare two locations, file by file: by size and hash, or by reading the bytes again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import local_files, rclone
from kpfnb.storage.errors import FileFailure, StorageErrorKind, classify_error, make_storage_error
from kpfnb.storage.location import NO_FILE, NO_FOLDER, Location
from kpfnb.storage.paths import StorageEntry, invalid_path_reason, is_temporary

HASH_DIGITS = {"md5": 32, "sha256": 64}
"""Lengths of hashes as hexadecimal digits."""


class FileMatch(StrEnum):
    """How a file at the destination compares with its source."""

    SAME = "same"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """Same size, but no hash known on both sides: the bytes must be compared."""


@dataclass(frozen=True)
class FileInventory:
    """The files of a location by their path below it.

    Attributes
    ----------
    files : those that can be transferred
    problems : why others can't: broken links, unreadable directories, names that are not allowed
    """

    files: Mapping[str, StorageEntry] = field(default_factory=dict)
    problems: Mapping[str, FileFailure] = field(default_factory=dict)


def take_inventory(
    location: Location, *, hash_type: str = "", only: Iterable[str] | None = None
) -> FileInventory:
    """List all files below a location, or the ones named in `only`.

    If nothing exists, the inventory is empty; of a file it holds that file.

    Raises
    ------
    InvalidSettingsError, StorageError : the storage can't be read
    """
    if location.is_local and hash_type in ("", *local_files.HASHES):
        return _local_inventory(location, hash_type, only)
    options = ["--recursive", "--files-only", "--no-mimetype", "--no-modtime", rclone.FOLLOW_LINKS]
    options += ["--hash", f"--hash-type={hash_type}"] if hash_type else []
    completed = rclone.run_command("lsjson", location.argument, options=options, names=only)
    if completed.exit_code in (NO_FOLDER, NO_FILE):
        return FileInventory()
    messages = completed.messages
    problems = {
        path: FileFailure(classify_error(text), text) for path, text in messages.by_file.items()
    }
    if completed.exit_code and not (problems and completed.output.rstrip().endswith(b"]")):
        kind = classify_error(messages.last_message, completed.exit_code)
        raise make_storage_error(kind, f"{location}: {kind} ({messages.last_message})")
    entries = (
        StorageEntry(row["Path"], row["Size"], hash=next(iter(row.get("Hashes", {}).values()), ""))
        for row in json.loads(completed.output)
    )
    return _build_inventory(entries, problems)


def _local_inventory(
    location: Location, hash_type: str, only: Iterable[str] | None
) -> FileInventory:
    try:
        files = list(local_files.list_files(location.argument, hash_type=hash_type, only=only))
    except OSError as error:
        kind = classify_error(str(error))
        raise make_storage_error(kind, f"{location}: {kind} ({error.strerror})") from error
    problems = {
        file.path: FileFailure(classify_error(file.problem), file.problem)
        for file in files
        if file.problem
    }
    entries = (
        StorageEntry(file.path, file.size, hash=file.hash) for file in files if not file.problem
    )
    return _build_inventory(entries, problems)


def _build_inventory(
    entries: Iterable[StorageEntry], problems: Mapping[str, FileFailure]
) -> FileInventory:
    """Add the entries whose names are not allowed to the problems; skip temporary files."""
    files, invalid_names = {}, {}
    for entry in entries:
        if is_temporary(entry.path):
            continue
        if reason := invalid_path_reason(entry.path):
            invalid_names[entry.path] = FileFailure(StorageErrorKind.REFUSED, reason)
        else:
            files[entry.path] = entry
    return FileInventory(files, {**problems, **invalid_names})


def find_common_hash(first: Location, second: Location) -> str:
    """The kind of hash that both storages know; '' if there is none."""
    if first.is_local and second.is_local:
        return local_files.FAST_HASH
    known = second.hash_types
    return next((kind for kind in first.hash_types if kind in known), "")


def compare_entries(source: StorageEntry, destination: StorageEntry | None) -> FileMatch:
    """Compare the two entries of one file."""
    if destination is None:
        return FileMatch.MISSING
    if source.size != destination.size:
        return FileMatch.DIFFERENT
    if not (source.hash and destination.hash):
        return FileMatch.UNKNOWN
    return FileMatch.SAME if source.hash == destination.hash else FileMatch.DIFFERENT


def hash_by_reading(
    location: Location, only: Iterable[str] | None, *, kind: str = "md5"
) -> dict[str, str]:
    """Hash every byte that a reader gets, whatever the storage claims: hashes by path.

    A file that can't be read is left out.
    """
    options = ["--download", rclone.FOLLOW_LINKS]
    completed = rclone.run_command("hashsum", kind, location.argument, options=options, names=only)
    lines = completed.output.decode(errors="replace").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {path: digest for digest, _, path in pairs if len(digest) == HASH_DIGITS[kind]}


@dataclass(frozen=True)
class LocationPair:
    """A source and a destination: two directories, or two files.

    Attributes
    ----------
    one_file : both are files; the path of the one file is the name of the source
    hash_type : a kind that both storages know, such as `md5`; '' if there is none
    read_back : compare the bytes, even if hashes are known
    """

    source: Location
    destination: Location
    one_file: bool
    hash_type: str
    read_back: bool = False

    @property
    def on_disks(self) -> bool:
        """True if both are local."""
        return self.source.is_local and self.destination.is_local

    def list_wanted(self, only: Iterable[str] | None) -> FileInventory:
        """The files to transfer; a requested one that is missing or not allowed is a problem.

        `InvalidInputError` if there is no file at all.
        """
        if only is None:
            inventory = take_inventory(self.source, hash_type=self.hash_type)
            if not (inventory.files or inventory.problems):
                raise InvalidInputError(f"{self.source} holds no files", "nothing was done")
            return inventory
        problems = {}
        allowed = []
        for path in dict.fromkeys(only):
            if reason := invalid_path_reason(path):
                problems[path] = FileFailure(StorageErrorKind.REFUSED, reason)
            else:
                allowed.append(path)
        inventory = take_inventory(self.source, hash_type=self.hash_type, only=allowed)
        missing = FileFailure(StorageErrorKind.NOT_FOUND, f"not in {self.source}")
        problems |= {path: missing for path in allowed if path not in inventory.files}
        return FileInventory(inventory.files, {**problems, **inventory.problems})

    def match_files(
        self, files: Mapping[str, StorageEntry], known: FileInventory | None = None
    ) -> dict[str, FileMatch]:
        """Compare each file of the source with the destination.

        known : what is at the destination, if that was listed already
        """
        if not files:
            return {}
        entries = known.files if known else self._destination_entries(files)
        matches = {path: compare_entries(entry, entries.get(path)) for path, entry in files.items()}
        doubtful = (FileMatch.SAME, FileMatch.UNKNOWN) if self.read_back else (FileMatch.UNKNOWN,)
        return matches | self._compare_bytes(
            [p for p, match in matches.items() if match in doubtful]
        )

    def _destination_entries(self, files: Mapping[str, StorageEntry]) -> Mapping[str, StorageEntry]:
        only = None if self.one_file else files
        entries = take_inventory(self.destination, hash_type=self.hash_type, only=only).files
        if not self.one_file:
            return entries
        # The file may have another name at the destination
        return {path: entry for path in files for entry in entries.values()}

    def _compare_bytes(self, paths: list[str]) -> dict[str, FileMatch]:
        if not paths:
            return {}
        only = None if self.one_file else paths
        source, destination = (
            hash_by_reading(location, only) for location in (self.source, self.destination)
        )
        if self.one_file:
            destination = {path: digest for path in paths for digest in destination.values()}
        same = {path for path in paths if path in source and source[path] == destination.get(path)}
        return {path: FileMatch.SAME if path in same else FileMatch.DIFFERENT for path in paths}


def pair_locations(source: Location, destination: Location, *, read_back: bool) -> LocationPair:
    """Check that two locations can be source and destination of a transfer.

    Raises
    ------
    InvalidInputError : the source does not exist; or one is a file and the other a directory
    StorageError : a location can't be read
    """
    source_kind, destination_kind = source.kind(), destination.kind()
    if not source_kind:
        raise InvalidInputError(f"{source} does not exist", StorageErrorKind.NOT_FOUND.advice)
    if destination_kind and destination_kind != source_kind:
        raise InvalidInputError(
            f"{source} is a {source_kind}, and {destination} a {destination_kind}",
            "name a directory for the files of a directory, and a new file for a file",
        )
    hash_type = find_common_hash(source, destination)
    return LocationPair(source, destination, source_kind == "file", hash_type, read_back)
