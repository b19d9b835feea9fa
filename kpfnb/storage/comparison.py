"""Two places, of which one is to hold what the other has; how each file stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import errors, local_files, rclone
from kpfnb.storage import paths as names
from kpfnb.storage.errors import FileFailure, StorageErrorKind
from kpfnb.storage.location import NO_FILE, NO_FOLDER, Location
from kpfnb.storage.paths import StorageEntry

# What is in two places, and whether it is the same: by size and hash, or by reading it again.

HASH_DIGITS = {"md5": 32, "sha256": 64}
"""Of hashes, as hexadecimal digits."""


class FileMatch(StrEnum):
    """How a file at the destination compares with its source."""

    SAME = "same"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """Of the same size, and no hash is known of both: its bytes have to be compared."""


@dataclass(frozen=True)
class FileInventory:
    """The files of a place by their path below it.

    Attributes
    ----------
    files : those that can be carried
    problems : why others can't be: broken links, folders that can't be read, names not allowed
    """

    files: Mapping[str, StorageEntry] = field(default_factory=dict)
    problems: Mapping[str, FileFailure] = field(default_factory=dict)


def take_inventory(
    place: Location, *, hash_type: str = "", only: Iterable[str] | None = None
) -> FileInventory:
    """Look at all files below the place, or only at those named; nothing there is an empty one.

    Where the place is a file, it is the one entry.

    Raises
    ------
    InvalidSettingsError, StorageError : the storage can't be read
    """
    if place.is_local and hash_type in ("", *local_files.HASHES):
        return _local_inventory(place, hash_type, only)
    options = ["--recursive", "--files-only", "--no-mimetype", "--no-modtime", rclone.FOLLOW_LINKS]
    options += ["--hash", f"--hash-type={hash_type}"] if hash_type else []
    answer = rclone.run_command("lsjson", place.argument, options=options, names=only)
    if answer.exit_code in (NO_FOLDER, NO_FILE):
        return FileInventory()
    problems = {
        path: FileFailure(errors.classify_error(said), said)
        for path, said in answer.messages.by_file.items()
    }
    if answer.exit_code and not (problems and answer.output.rstrip().endswith(b"]")):
        kind = errors.classify_error(answer.messages.last_message, answer.exit_code)
        raise errors.make_storage_error(kind, f"{place}: {kind} ({answer.messages.last_message})")
    return _build_inventory(
        (
            StorageEntry(
                row["Path"], row["Size"], hash=next(iter(row.get("Hashes", {}).values()), "")
            )
            for row in json.loads(answer.output)
        ),
        problems,
    )


def _local_inventory(place: Location, hash_type: str, only: Iterable[str] | None) -> FileInventory:
    try:
        found = list(local_files.list_files(place.argument, hash_type=hash_type, only=only))
    except OSError as error:
        kind = errors.classify_error(str(error))
        raise errors.make_storage_error(kind, f"{place}: {kind} ({error.strerror})") from error
    problems = {
        one.path: FileFailure(errors.classify_error(one.problem), one.problem)
        for one in found
        if one.problem
    }
    entries = (StorageEntry(one.path, one.size, hash=one.hash) for one in found if not one.problem)
    return _build_inventory(entries, problems)


def _build_inventory(
    entries: Iterable[StorageEntry], problems: Mapping[str, FileFailure]
) -> FileInventory:
    """Those that can be carried, and those that have a problem already or get one by their name."""
    files, wrong_names = {}, {}
    for one in entries:
        if names.is_temporary(one.path):
            continue
        if wrong := names.invalid_path_reason(one.path):
            wrong_names[one.path] = FileFailure(StorageErrorKind.REFUSED, wrong)
        else:
            files[one.path] = one
    return FileInventory(files, {**problems, **wrong_names})


def find_common_hash(first: Location, second: Location) -> str:
    """The kind of hash that both storages know; '' where there is none."""
    if first.is_local and second.is_local:
        return local_files.FAST_HASH
    known = second.hash_types
    return next((kind for kind in first.hash_types if kind in known), "")


def compare_entries(source: StorageEntry, there: StorageEntry | None) -> FileMatch:
    """Compare two entries of a file."""
    if there is None:
        return FileMatch.MISSING
    if source.size != there.size:
        return FileMatch.DIFFERENT
    if not (source.hash and there.hash):
        return FileMatch.UNKNOWN
    return FileMatch.SAME if source.hash == there.hash else FileMatch.DIFFERENT


def hash_by_reading(
    place: Location, only: Iterable[str] | None, *, kind: str = "md5"
) -> dict[str, str]:
    """The hash of what a reader gets, by path: every byte is read, whatever the storage claims.

    A file that can't be read is left out.
    """
    options = ["--download", rclone.FOLLOW_LINKS]
    answer = rclone.run_command("hashsum", kind, place.argument, options=options, names=only)
    lines = answer.output.decode(errors="replace").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {path: digest for digest, _, path in pairs if len(digest) == HASH_DIGITS[kind]}


@dataclass(frozen=True)
class LocationPair:
    """A source and a destination: two folders, or two files.

    Attributes
    ----------
    one_file : both are files; the path of the one file is the name of the source
    hash_type : what both storages know, as `md5`; '' where there is none
    read_back : compare the bytes, also where hashes are known
    """

    source: Location
    destination: Location
    one_file: bool
    hash_type: str
    read_back: bool = False

    @property
    def on_disks(self) -> bool:
        """True where both are local."""
        return self.source.is_local and self.destination.is_local

    def list_wanted(self, only: Iterable[str] | None) -> FileInventory:
        """The files to carry; what is asked for and is not there, or not allowed, is a problem.

        `InvalidInputError` where there is no file at all.
        """
        if only is None:
            found = take_inventory(self.source, hash_type=self.hash_type)
            if not (found.files or found.problems):
                raise InvalidInputError(f"{self.source} holds no files", "nothing was done")
            return found
        problems = {}
        fine = []
        for path in dict.fromkeys(only):
            if wrong := names.invalid_path_reason(path):
                problems[path] = FileFailure(StorageErrorKind.REFUSED, wrong)
            else:
                fine.append(path)
        found = take_inventory(self.source, hash_type=self.hash_type, only=fine)
        lost = FileFailure(StorageErrorKind.NOT_FOUND, f"not in {self.source}")
        problems |= {path: lost for path in fine if path not in found.files}
        return FileInventory(found.files, {**problems, **found.problems})

    def match_files(
        self, files: Mapping[str, StorageEntry], known: FileInventory | None = None
    ) -> dict[str, FileMatch]:
        """How each file of the source stands at the destination now, or as `known` tells."""
        if not files:
            return {}
        there = known.files if known else self._destination_entries(files)
        matches = {path: compare_entries(one, there.get(path)) for path, one in files.items()}
        doubtful = (FileMatch.SAME, FileMatch.UNKNOWN) if self.read_back else (FileMatch.UNKNOWN,)
        again = [path for path, match in matches.items() if match in doubtful]
        return matches | self._compare_bytes(again)

    def _destination_entries(self, files: Mapping[str, StorageEntry]) -> Mapping[str, StorageEntry]:
        only = None if self.one_file else files
        found = take_inventory(self.destination, hash_type=self.hash_type, only=only).files
        # The file may have another name there
        return {path: one for path in files for one in found.values()} if self.one_file else found

    def _compare_bytes(self, paths: list[str]) -> dict[str, FileMatch]:
        if not paths:
            return {}
        only = None if self.one_file else paths
        here, there = (hash_by_reading(place, only) for place in (self.source, self.destination))
        if self.one_file:
            there = {path: digest for path in paths for digest in there.values()}
        same = {path for path in paths if path in here and here[path] == there.get(path)}
        return {path: FileMatch.SAME if path in same else FileMatch.DIFFERENT for path in paths}


def pair_locations(source: Location, destination: Location, *, read_back: bool) -> LocationPair:
    """The pair, if it can be one.

    Raises
    ------
    InvalidInputError : nothing at the source; or one is a file, and the other a folder
    StorageError : a place can't be read
    """
    kind, there = source.kind(), destination.kind()
    if not kind:
        raise InvalidInputError(f"{source} is not there", StorageErrorKind.NOT_FOUND.advice)
    if there and there != kind:
        raise InvalidInputError(
            f"{source} is a {kind}, and {destination} a {there}",
            "name a folder for the files of a folder, and the new file for a file",
        )
    hash_type = find_common_hash(source, destination)
    return LocationPair(source, destination, kind == "file", hash_type, read_back)
