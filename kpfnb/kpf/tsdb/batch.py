"""The files of a night that are taken together, turned from rows into packed columns.

A batch becomes one chunk of the database. All that is heavy is done here, away from the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kpfnb.fitscards import Value
from kpfnb.kpf import exposure
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import packing
from kpfnb.kpf.tsdb.content import INCOMPLETE, PRIMARY, Content, Keyword, Known, Note
from kpfnb.kpf.tsdb.kinds import Kind, microseconds
from kpfnb.kpf.tsdb.packing import Array, Packed, Series

VERSION = "DRPTAG"

BASE = "BASE"
"""The extension of what kpfnb itself finds out about an observation."""
SOURCE = Keyword(KPF.raw, BASE, "SOURCE")

_LEVELS = tuple(KPF.levels)


class File(NamedTuple):
    """One file that was taken."""

    obsid: str
    level: str
    path: str
    known: Known
    read_ns: int
    version: str
    notes: tuple[Note, ...]

    @property
    def lacks(self) -> str:
        """What it lacks of what such a file holds; '' where it is whole."""
        return "; ".join(note.trouble for note in self.notes if note.trouble in INCOMPLETE)


class Bad(NamedTuple):
    """One file that was refused, and why."""

    path: str
    known: Known | None
    reason: str


class Observed(NamedTuple):
    """What the headers say about an observation as a whole."""

    source: str
    expected: tuple[str, ...]


@dataclass
class Batch:
    """Packed columns of some observations of one night.

    Attributes
    ----------
    obsids : in order of time; the rows
    present : level to the mask of the rows that have it, as '1101'
    columns : keyword to its packed values
    same : keyword to the keyword of an earlier level that has the same values wherever the later
        level is there
    comments : of the cards
    """

    night: str
    obsids: tuple[str, ...]
    present: dict[str, str]
    columns: dict[Keyword, Packed]
    same: dict[Keyword, Keyword]
    comments: dict[Keyword, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    observed: dict[str, Observed] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[Keyword, Kind]:
        """The kind of each keyword here."""
        found = {keyword: packed.kind for keyword, packed in self.columns.items()}
        return found | {keyword: found[origin] for keyword, origin in self.same.items()}


def collect(contents: Sequence[Content]) -> Batch:
    """Pack the contents of files of one night, at most one for each observation and level."""
    obsids = tuple(sorted({content.obsid for content in contents}))
    rows = {obsid: row for row, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    cells: dict[Keyword, tuple[list[int], list[Value]]] = defaultdict(lambda: ([], []))
    observed = {}
    for content in sorted(contents, key=lambda one: (one.obsid, _LEVELS.index(one.level))):
        row = rows[content.obsid]
        present[content.level][row] = True
        for keyword, value in content.values.items():
            if value is not None:
                places, values = cells[keyword]
                places.append(row)
                values.append(value)
        if content.obsid not in observed:
            observed[content.obsid] = _observe(content)
        if content.level == KPF.raw:
            cells[SOURCE][0].append(row)
            cells[SOURCE][1].append(observed[content.obsid].source)
    series = {
        keyword: packing.gather(places, values, len(obsids))
        for keyword, (places, values) in cells.items()
    }
    columns, same = pack({k: s for k, s in series.items() if s is not None}, present)
    return Batch(
        night=ObsID(obsids[0]).night,
        obsids=obsids,
        present={level: packing.unmask(mask) for level, mask in present.items() if mask.any()},
        columns=columns,
        same=same,
        comments={SOURCE: "kind of source", **_comments(contents)},
        files=tuple(map(_file, contents)),
        observed=observed,
    )


def _comments(contents: Sequence[Content]) -> dict[Keyword, str]:
    """The comments of all; most contents share theirs."""
    found: dict[Keyword, str] = {}
    for own in {id(content.comments): content.comments for content in contents}.values():
        found |= own
    return found


def pack(
    series: Mapping[Keyword, Series], present: Mapping[str, Array]
) -> tuple[dict[Keyword, Packed], dict[Keyword, Keyword]]:
    """Pack series; those that repeat an earlier level's are only named with it."""
    columns: dict[Keyword, Packed] = {}
    same: dict[Keyword, Keyword] = {}
    for keyword in sorted(series, key=lambda one: _LEVELS.index(one.level)):
        own, rows = series[keyword], present[keyword.level]
        before = _before(keyword)
        origin = same.get(before, before) if before else None
        if origin and origin in series and own.equals(series[origin], rows):
            same[keyword] = origin
        else:
            columns[keyword] = packing.pack(own, rows)
    return columns, same


def observed_at(obsid: str) -> float:
    """When an observation began, microseconds since 1970."""
    moment = microseconds(ObsID(obsid).time.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    assert moment is not None
    return moment


def _before(keyword: Keyword) -> Keyword | None:
    """The same keyword in the header of the level before."""
    if keyword.extension != PRIMARY or keyword.level == KPF.raw:
        return None
    return keyword._replace(level=_LEVELS[_LEVELS.index(keyword.level) - 1])


def _observe(content: Content) -> Observed:
    values = content.values.items()
    header = {key.name: value for key, value in values if key.extension == PRIMARY}
    return Observed(exposure.source(header), exposure.expected(header))


def _file(content: Content) -> File:
    version = content.values.get(Keyword(content.level, PRIMARY, VERSION))
    return File(
        obsid=content.obsid,
        level=content.level,
        path=content.path,
        known=content.known,
        read_ns=content.read_ns,
        version=str(version or ""),
        notes=tuple(content.notes),
    )
