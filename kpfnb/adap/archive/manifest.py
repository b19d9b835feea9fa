"""A manifest: what is to be delivered of a unit, each file with its digests, and whether it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.adap.archive import table_rows
from kpfnb.adap.archive.table_rows import TableRow
from kpfnb.adap.archive.unit import ArchiveRules, ArchiveUnit, UnitContent
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import Location, comparison

# Digests of files: of what is here, and of what a delivery gives back.

CHUNK_BYTES = 1 << 20
COMPARABLE_HASHES = ("sha256", "md5")
"""A storage's own hashes that can be compared with a manifest, the stronger first."""


class FileDigest(NamedTuple):
    """Size in bytes and digests, as hexadecimal digits, of one file."""

    size: int
    sha256: str
    md5: str


def digest_file(path: Path) -> FileDigest:
    """The digests of a file here; it is read once."""
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
    place: Location, wanted: dict[str, FileDigest], *, read_back: bool = False
) -> dict[str, str]:
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
    kind = next((one for one in COMPARABLE_HASHES if one in place.hash_types), "")
    there = comparison.take_inventory(place, hash_type="" if read_back else kind, only=wanted).files
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
    return found | _compare_contents(place, again, wanted)


def _compare_contents(
    place: Location, paths: Iterable[str], wanted: dict[str, FileDigest]
) -> dict[str, str]:
    asked = list(paths)
    if not asked:
        return {}
    read = comparison.hash_by_reading(place, asked, kind="sha256")
    found = {}
    for path in asked:
        if path not in read:
            found[path] = "can't be read"
        elif read[path] != wanted[path].sha256:
            found[path] = "its SHA-256 is not that of the manifest"
    return found


MANIFEST_LAYOUT = 1
"""Of a manifest; a later one is refused."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of one unit; places are below the unit's folder in the delivery.

    Attributes
    ----------
    delivered : when all was verified there (UTC, ISO 8601); '' before that
    files : digests by place
    reduced, coadded : its rows of the two tables
    problems : why files were left out, by path at the source
    unrecognised : paths at the source that no rule knows
    missing : what belongs to a file and is not there, in words
    leftover : places of an earlier delivery that are not of this one
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

    def continue_from(self, old: Manifest | None) -> Manifest:
        """This manifest after an earlier one: what is unchanged keeps its time of delivery.

        Where the source was moved away, the rest that is still there is not all there is.
        """
        if old is None:
            return self
        if old.moved and self.files.items() <= old.files.items():
            return old
        before = {*old.files, *old.leftover}
        new = replace(self, leftover=tuple(sorted(before - set(self.files))))
        return replace(new, delivered=old.delivered) if new.files == old.files else new

    def to_json(self) -> str:
        """As it is written: always the same for the same content."""
        record: dict[str, Any] = {"layout": MANIFEST_LAYOUT, **vars(self)}
        record["files"] = {place: digest._asdict() for place, digest in self.files.items()}
        return json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True, default=dict) + "\n"


def make_manifest(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> Manifest:
    """The manifest of what a unit has now; every file is read for its digests."""
    reduced = table_rows.make_reduced_rows(root, unit, content, rules)
    coadded = table_rows.make_coadded_rows(root, unit, content, rules)
    return Manifest(
        unit.name,
        files={p: digest_file(root / unit.name / source) for p, source in content.files.items()},
        reduced=tuple(reduced.rows),
        coadded=tuple(coadded.rows),
        problems=content.problems,
        unrecognised=content.unrecognised,
        missing=(*reduced.missing, *coadded.missing),
    )


def read_manifest(path: Path) -> Manifest:
    """A manifest from its file. `InvalidInputError` where it is damaged, or of a later version."""
    return parse_manifest(path.read_text(encoding="utf-8"), path.name)


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest from its text; `name` is for the error, which is as for `read`."""
    try:
        record = json.loads(text)
        if record["layout"] != MANIFEST_LAYOUT:
            raise InvalidInputError(
                f"{name} was written by another version of kpfnb (layout {record['layout']})",
                "use that version for this delivery",
            )
        found = {place: FileDigest(**digest) for place, digest in record.pop("files").items()}
        for key in ("reduced", "coadded", "unrecognised", "missing", "leftover"):
            record[key] = tuple(record[key])
        del record["layout"]
        return Manifest(files=found, **record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "delete it, and deliver its dataset again"
        raise InvalidInputError(f"{name} is not a manifest: {error!r}", hint) from None
