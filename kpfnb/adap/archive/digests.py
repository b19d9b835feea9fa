"""Digests of files: of what is here, and of what a delivery gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kpfnb.storage import Location, inventory

CHUNK = 1 << 20
KNOWN = ("sha256", "md5")
"""A storage's own hashes that can be compared with a manifest, the stronger first."""


class Digest(NamedTuple):
    """Size in bytes and digests, as hexadecimal digits, of one file."""

    size: int
    sha256: str
    md5: str


def of(path: Path) -> Digest:
    """The digests of a file here; it is read once."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as content:
        while chunk := content.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digest(size, sha256.hexdigest(), md5.hexdigest())


def of_bytes(content: bytes) -> Digest:
    """The digests of some bytes."""
    md5 = hashlib.md5(content, usedforsecurity=False)
    return Digest(len(content), hashlib.sha256(content).hexdigest(), md5.hexdigest())


def wrong(place: Location, wanted: dict[str, Digest], *, read_back: bool = False) -> dict[str, str]:
    """Why files below a place are not what they should be; those that are well are left out.

    Parameters
    ----------
    wanted : the digests by path below the place
    read_back : read every byte; otherwise the storage's own hashes are taken where it knows them

    Raises
    ------
    StorageError : the place can't be read
    """
    if not wanted:
        return {}
    kind = next((one for one in KNOWN if one in place.hash_types), "")
    there = inventory.take(place, hash_type="" if read_back else kind, only=wanted).files
    found = {}
    again = []
    for path, digest in wanted.items():
        entry = there.get(path)
        if entry is None:
            found[path] = "missing"
        elif entry.size != digest.size:
            found[path] = f"{entry.size} bytes instead of {digest.size}"
        elif read_back or not entry.hash:
            again.append(path)
        elif entry.hash != getattr(digest, kind):
            found[path] = f"its {kind} is not that of the manifest"
    return found | _read(place, again, wanted)


def _read(place: Location, paths: Iterable[str], wanted: dict[str, Digest]) -> dict[str, str]:
    asked = list(paths)
    if not asked:
        return {}
    read = inventory.read_again(place, asked, kind="sha256")
    found = {}
    for path in asked:
        if path not in read:
            found[path] = "can't be read"
        elif read[path] != wanted[path].sha256:
            found[path] = "its SHA-256 is not that of the manifest"
    return found
