"""What is in two places, and whether it is the same: by size and hash, or by reading it again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpfnb.storage import disk, names, rclone, trouble
from kpfnb.storage.listing import Entry
from kpfnb.storage.location import NO_FILE, NO_FOLDER, Location
from kpfnb.storage.trouble import Failure, Trouble

DIGITS = {"md5": 32, "sha256": 64}
"""Of hashes, as hexadecimal digits."""


class Match(StrEnum):
    """How a file at the destination compares with its source."""

    SAME = "same"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """Of the same size, and no hash is known of both: its bytes have to be compared."""


@dataclass(frozen=True)
class Inventory:
    """The files of a place by their path below it.

    Attributes
    ----------
    files : those that can be carried
    problems : why others can't be: broken links, folders that can't be read, names not allowed
    """

    files: Mapping[str, Entry] = field(default_factory=dict)
    problems: Mapping[str, Failure] = field(default_factory=dict)


def take(place: Location, *, hash_type: str = "", only: Iterable[str] | None = None) -> Inventory:
    """Look at all files below the place, or only at those named; nothing there is an empty one.

    Where the place is a file, it is the one entry.

    Raises
    ------
    BadSettings, StorageError : the storage can't be read
    """
    if place.is_local and hash_type in ("", *disk.HASHES):
        return _on_disk(place, hash_type, only)
    options = ["--recursive", "--files-only", "--no-mimetype", "--no-modtime", rclone.FOLLOW]
    options += ["--hash", f"--hash-type={hash_type}"] if hash_type else []
    answer = rclone.ask("lsjson", place.argument, options=options, names=only)
    if answer.exit_code in (NO_FOLDER, NO_FILE):
        return Inventory()
    problems = {
        path: Failure(trouble.classify(said), said) for path, said in answer.words.about.items()
    }
    if answer.exit_code and not (problems and answer.output.rstrip().endswith(b"]")):
        kind = trouble.classify(answer.words.last, answer.exit_code)
        raise trouble.error(kind, f"{place}: {kind} ({answer.words.last})")
    return _sorted_out(
        (
            Entry(row["Path"], row["Size"], hash=next(iter(row.get("Hashes", {}).values()), ""))
            for row in json.loads(answer.output)
        ),
        problems,
    )


def _on_disk(place: Location, hash_type: str, only: Iterable[str] | None) -> Inventory:
    try:
        found = list(disk.files(place.argument, hash_type=hash_type, only=only))
    except OSError as error:
        kind = trouble.classify(str(error))
        raise trouble.error(kind, f"{place}: {kind} ({error.strerror})") from error
    problems = {
        one.path: Failure(trouble.classify(one.problem), one.problem)
        for one in found
        if one.problem
    }
    entries = (Entry(one.path, one.size, hash=one.hash) for one in found if not one.problem)
    return _sorted_out(entries, problems)


def _sorted_out(entries: Iterable[Entry], problems: Mapping[str, Failure]) -> Inventory:
    """Those that can be carried, and those that have a problem already or get one by their name."""
    files, wrong_names = {}, {}
    for one in entries:
        if names.is_unfinished(one.path):
            continue
        if wrong := names.defect(one.path):
            wrong_names[one.path] = Failure(Trouble.REFUSED, wrong)
        else:
            files[one.path] = one
    return Inventory(files, {**problems, **wrong_names})


def common_hash(first: Location, second: Location) -> str:
    """The kind of hash that both storages know; '' where there is none."""
    if first.is_local and second.is_local:
        return disk.FAST_HASH
    known = second.hash_types
    return next((kind for kind in first.hash_types if kind in known), "")


def match(source: Entry, there: Entry | None) -> Match:
    """Compare two entries of a file."""
    if there is None:
        return Match.MISSING
    if source.size != there.size:
        return Match.DIFFERENT
    if not (source.hash and there.hash):
        return Match.UNKNOWN
    return Match.SAME if source.hash == there.hash else Match.DIFFERENT


def read_again(place: Location, only: Iterable[str] | None, *, kind: str = "md5") -> dict[str, str]:
    """The hash of what a reader gets, by path: every byte is read, whatever the storage claims.

    A file that can't be read is left out.
    """
    options = ["--download", rclone.FOLLOW]
    answer = rclone.ask("hashsum", kind, place.argument, options=options, names=only)
    lines = answer.output.decode(errors="replace").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {path: digest for digest, _, path in pairs if len(digest) == DIGITS[kind]}
