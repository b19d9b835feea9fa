"""A manifest: what is to be delivered of a unit, each file with its digests, and whether it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kpfnb.adap.archive import coaddedrows, digests, reducedrows
from kpfnb.adap.archive.content import Content
from kpfnb.adap.archive.digests import Digest
from kpfnb.adap.archive.reducedrows import Row
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import Unit
from kpfnb.errors import BadInput

LAYOUT = 1
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
    files: Mapping[str, Digest] = field(default_factory=dict)
    reduced: tuple[Row, ...] = ()
    coadded: tuple[Row, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    unrecognised: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    leftover: tuple[str, ...] = ()
    moved: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(digest.size for digest in self.files.values())

    def follows(self, old: Manifest | None) -> Manifest:
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

    def text(self) -> str:
        """As it is written: always the same for the same content."""
        record: dict[str, Any] = {"layout": LAYOUT, **vars(self)}
        record["files"] = {place: digest._asdict() for place, digest in self.files.items()}
        return json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True, default=dict) + "\n"


def make(root: Path, unit: Unit, content: Content, rules: Rules) -> Manifest:
    """The manifest of what a unit has now; every file is read for its digests."""
    reduced = reducedrows.make(root, unit, content, rules)
    coadded = coaddedrows.make(root, unit, content, rules)
    return Manifest(
        unit.name,
        files={p: digests.of(root / unit.name / source) for p, source in content.files.items()},
        reduced=tuple(reduced.rows),
        coadded=tuple(coadded.rows),
        problems=content.problems,
        unrecognised=content.unrecognised,
        missing=(*reduced.missing, *coadded.missing),
    )


def read(path: Path) -> Manifest:
    """A manifest from its file. `BadInput` where it is damaged, or of a later version."""
    return parse(path.read_text(encoding="utf-8"), path.name)


def parse(text: str, name: str) -> Manifest:
    """A manifest from its text; `name` is for the error, which is as for `read`."""
    try:
        record = json.loads(text)
        if record["layout"] != LAYOUT:
            raise BadInput(
                f"{name} was written by another version of kpfnb (layout {record['layout']})",
                "use that version for this delivery",
            )
        found = {place: Digest(**digest) for place, digest in record.pop("files").items()}
        for key in ("reduced", "coadded", "unrecognised", "missing", "leftover"):
            record[key] = tuple(record[key])
        del record["layout"]
        return Manifest(files=found, **record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "delete it, and deliver its dataset again"
        raise BadInput(f"{name} is not a manifest: {error!r}", hint) from None
