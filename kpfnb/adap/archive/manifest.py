"""A manifest: what is to be delivered of a unit, each file with its digests, and whether it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.adap.archive.table_rows import TableRow, make_coadded_rows, make_reduced_rows
from kpfnb.adap.archive.unit import ArchiveRules, ArchiveUnit, UnitContent
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import Location, comparison

MANIFEST_LAYOUT = 1
"""Version of the format; a later one is refused."""
CHUNK_BYTES = 1 << 20
COMPARABLE_HASHES = ("sha256", "md5")
"""Hashes of a storage that can be compared with a manifest, the stronger first."""


class FileDigest(NamedTuple):
    """Size in bytes and digests, as hexadecimal digits, of one file."""

    size: int
    sha256: str
    md5: str


def digest_file(path: Path) -> FileDigest:
    """The digests of a local file, which is read once."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return FileDigest(size, sha256.hexdigest(), md5.hexdigest())


def digest_bytes(content: bytes) -> FileDigest:
    """The digests of some bytes."""
    md5 = hashlib.md5(content, usedforsecurity=False)
    return FileDigest(len(content), hashlib.sha256(content).hexdigest(), md5.hexdigest())


def find_mismatches(
    place: Location, expected: Mapping[str, FileDigest], *, read_back: bool = False
) -> dict[str, str]:
    """What is wrong with files below a place, by path; correct files are left out.

    Parameters
    ----------
    expected : the digests by path below the place
    read_back : read every byte; otherwise the storage's own hashes are used if it has any

    Raises
    ------
    StorageError : the place can't be read
    """
    if not expected:
        return {}
    kind = next((kind for kind in COMPARABLE_HASHES if kind in place.hash_types), "")
    hash_type = "" if read_back else kind
    entries = comparison.take_inventory(place, hash_type=hash_type, only=dict(expected)).files
    mismatches, to_read = {}, []
    for path, digest in expected.items():
        entry = entries.get(path)
        if entry is None:
            mismatches[path] = "missing"
        elif entry.size != digest.size:
            mismatches[path] = f"{entry.size} bytes instead of {digest.size}"
        elif read_back or not entry.hash:
            to_read.append(path)
        elif entry.hash != getattr(digest, kind):
            mismatches[path] = f"its {kind} differs from the manifest"
    return mismatches | _compare_contents(place, to_read, expected)


def _compare_contents(
    place: Location, paths: Sequence[str], expected: Mapping[str, FileDigest]
) -> dict[str, str]:
    if not paths:
        return {}
    hashes = comparison.hash_by_reading(place, paths, kind="sha256")
    mismatches = {}
    for path in paths:
        if path not in hashes:
            mismatches[path] = "can't be read"
        elif hashes[path] != expected[path].sha256:
            mismatches[path] = "its SHA-256 differs from the manifest"
    return mismatches


@dataclass(frozen=True)
class Manifest:
    """The manifest of one unit; places are below the unit's folder in the delivery.

    Attributes
    ----------
    delivered : when all files were verified there (UTC, ISO 8601); '' before that
    files : digests by place
    reduced, coadded : its rows in the two tables
    problems : why files were left out, by path at the source
    unrecognised : paths at the source that no rule knows
    missing : what belongs to a file and does not exist, in words
    leftover : places of an earlier delivery that this one does not have
    moved : its files at the source may be deleted
    """

    unit: str
    delivered: str = ""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    reduced: tuple[TableRow, ...] = ()
    coadded: tuple[TableRow, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    unrecognised: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    leftover: tuple[str, ...] = ()
    moved: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(digest.size for digest in self.files.values())

    def continue_from(self, earlier: Manifest | None) -> Manifest:
        """This manifest after an earlier one: an unchanged unit keeps its time of delivery.

        If the files were moved from the source, the few that are left do not count as new content.
        """
        if earlier is None:
            return self
        if earlier.moved and self.files.items() <= earlier.files.items():
            return earlier
        known = {*earlier.files, *earlier.leftover}
        manifest = replace(self, leftover=tuple(sorted(known - set(self.files))))
        is_unchanged = manifest.files == earlier.files
        return replace(manifest, delivered=earlier.delivered) if is_unchanged else manifest

    def to_json(self) -> str:
        """Its text: always the same for the same content."""
        record: dict[str, Any] = {"layout": MANIFEST_LAYOUT, **vars(self)}
        record["files"] = {place: digest._asdict() for place, digest in self.files.items()}
        return json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True, default=dict) + "\n"


def make_manifest(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> Manifest:
    """The manifest of the present content of a unit; every file is read for its digests."""
    reduced = make_reduced_rows(root, unit, content, rules)
    coadded = make_coadded_rows(root, unit, content, rules)
    folder = root / unit.name
    return Manifest(
        unit.name,
        files={place: digest_file(folder / path) for place, path in content.files.items()},
        reduced=tuple(reduced.rows),
        coadded=tuple(coadded.rows),
        problems=content.problems,
        unrecognised=content.unrecognised,
        missing=(*reduced.missing, *coadded.missing),
    )


def read_manifest(path: Path) -> Manifest:
    """A manifest from its file. `InvalidInputError` if it is damaged, or of a later version."""
    return parse_manifest(path.read_text(encoding="utf-8"), path.name)


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest from its text; `name` is for the error, which is as for `read_manifest`."""
    try:
        record = json.loads(text)
        if record["layout"] != MANIFEST_LAYOUT:
            raise InvalidInputError(
                f"{name} was written by another version of kpfnb (layout {record['layout']})",
                "use that version for this delivery",
            )
        files = {place: FileDigest(**digest) for place, digest in record.pop("files").items()}
        for key in ("reduced", "coadded", "unrecognised", "missing", "leftover"):
            record[key] = tuple(record[key])
        del record["layout"]
        return Manifest(files=files, **record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "delete it, and deliver its dataset again"
        raise InvalidInputError(f"{name} is not a manifest: {error!r}", hint) from None
