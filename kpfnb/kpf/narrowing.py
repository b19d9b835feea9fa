"""Only observations of some objects or kinds of source, as the headers of their L0s tell."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb.errors import BadParameter
from kpfnb.kpf import exposure, inventory
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import KPF, ObsID, level_dir
from kpfnb.kpf.selection import Selection

OBJECT_KEYWORDS = ("OBJECT", "TARGNAME")
IMTYPES = ("Bias", "Dark", "Flatlamp", "Arclamp", "Object", "Solar")
KINDS = tuple(dict.fromkeys((*exposure.SOURCES, *IMTYPES)))
NAMED = 10
"""So many objects are named where none is as asked."""


@dataclass(frozen=True)
class Wanted:
    """Which observations: of one of the objects, and of one of the sources; none named: of any.

    Attributes
    ----------
    objects : OBJECT or TARGNAME, in upper or lower case, with blanks or without; * and ? stand for
        other characters, so `HD*` is every star of that catalogue
    sources : of `KINDS`: a kind of source, or IMTYPE
    """

    objects: Sequence[str] = ()
    sources: Sequence[str] = ()
    _patterns: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a kind of source that there is not."""
        known = {_plain(kind): kind for kind in KINDS}
        for source in self.sources:
            if _plain(source) not in known:
                raise BadParameter(f"source: {source!r}", f"it is one of {', '.join(KINDS)}")
        object.__setattr__(self, "_patterns", tuple(map(_plain, self.objects)))

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.objects and not self.sources

    def has_object(self, header: Mapping[str, Any]) -> bool:
        """Whether it is of one of the objects."""
        names = [_plain(name) for name in objects(header)]
        return not self._patterns or any(
            fnmatchcase(name, pattern) for name in names for pattern in self._patterns
        )

    def has_source(self, header: Mapping[str, Any]) -> bool:
        """Whether it is of one of the sources."""
        kinds = {_plain(exposure.source(header)), _plain(header.get("IMTYPE"))}
        return not self.sources or bool(kinds & set(map(_plain, self.sources)))


def objects(header: Mapping[str, Any]) -> list[str]:
    """What the header says that it is of; [] where it says nothing."""
    names = (str(header.get(keyword) or "").strip() for keyword in OBJECT_KEYWORDS)
    return list(dict.fromkeys(filter(None, names)))


def narrow(chosen: Selection, wanted: Wanted, *, root: Path, index: Index) -> None:
    """Leave only what is wanted in a selection, with a note that tells how much.

    An object that none of the observations is of is a `BadParameter` that names those that are.
    """
    if wanted.is_all or not chosen.obsids:
        return
    headers = dict(_headers(chosen.obsids, root, index))
    of_objects = {obsid for obsid, header in headers.items() if wanted.has_object(header)}
    if not of_objects:
        raise _unknown(wanted.objects, headers.values())
    left = {obsid for obsid in of_objects if wanted.has_source(headers[obsid])}
    words = [*wanted.objects, *wanted.sources]
    chosen.notes.append(f"{len(left)} of {len(headers)} observations are of {', '.join(words)}")
    blind = sum(not header for header in headers.values())
    if blind:
        chosen.notes.append(f"{blind} L0 files that can't be read, or are not there, are left out")
    chosen.obsids = {obsid: None for obsid in chosen.obsids if obsid in left}


def _headers(
    obsids: Iterable[ObsID], root: Path, index: Index
) -> Iterable[tuple[ObsID, dict[str, Any]]]:
    for night, group in groupby(sorted(obsids), key=lambda obsid: obsid.night):
        found = inventory.raw_headers(level_dir(root, KPF.raw, night), night, index)
        yield from ((obsid, found.get(obsid.text, {})) for obsid in group)


def _unknown(asked: Sequence[str], headers: Iterable[Mapping[str, Any]]) -> BadParameter:
    there = sorted({name for header in headers for name in objects(header)})
    by_plain = {_plain(name): name for name in there}
    near = [
        by_plain[match]
        for name in asked
        for match in difflib.get_close_matches(_plain(name), by_plain, n=NAMED)
    ]
    shown = list(dict.fromkeys(near)) or there
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return BadParameter(
        f"object: none of the observations is of {' or '.join(map(repr, asked))}",
        f"there are {', '.join(shown[:NAMED])}{more}" if shown else "no header names an object",
    )


def _plain(name: Any) -> str:
    return "".join(str(name or "").split()).lower()
