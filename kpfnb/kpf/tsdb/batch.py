"""The files of a night that are taken together, turned from rows into packed columns.

A batch becomes one chunk of the database. All that is heavy is done here, away from the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.tsdb import series as packing
from kpfnb.kpf.tsdb.series import Array, PackedSeries, Series, ValueKind, parse_microseconds

# What one file holds for the database: its keywords with their values, and what was odd.

PRIMARY, TELEMETRY, RV = "PRIMARY", "TELEMETRY", "RV"

_MAX_NAMES = 8
"""So many names are told in a note; the others are counted."""


class FileWarningKind(StrEnum):
    """What was odd in a file that was taken all the same."""

    NO_TELEMETRY = "no TELEMETRY"
    EMPTY_TELEMETRY = "empty TELEMETRY"
    NO_RV = "no RV table"
    BAD_TABLE = "damaged table"
    NAN = "NaN"
    """Only these values are null."""
    NO_DATA = "nothing but a header"
    DUPLICATE = "duplicate cards"
    """The first counts."""
    WRONG_TYPE = "another type"
    """The keyword was a number before, and is a text in this file."""


INCOMPLETE_KINDS = (
    *(FileWarningKind.NO_TELEMETRY, FileWarningKind.EMPTY_TELEMETRY, FileWarningKind.NO_RV),
    *(FileWarningKind.BAD_TABLE, FileWarningKind.NO_DATA),
)
"""Such a file is better than none, but does not take the place of one that had all."""


class FileWarning(NamedTuple):
    """Something odd in a file, with the keywords it is about."""

    kind: FileWarningKind
    detail: str


class FileSignature(NamedTuple):
    """What tells whether a file has changed."""

    size: int
    modified_ns: int


class Keyword(NamedTuple):
    """Where a keyword is from."""

    level: str
    extension: str
    name: str


@dataclass(slots=True)
class FileContent:
    """One file, read.

    Attributes
    ----------
    read_ns : when the reading began, ns since 1970
    values : by extension and keyword
    comments : of the cards; the unit in brackets first, where one is known. Files that are read
        together share them: they are the same in all, and many
    """

    path: str
    obsid: str
    level: str
    signature: FileSignature
    read_ns: int
    values: dict[Keyword, HeaderValue] = field(default_factory=dict)
    comments: dict[Keyword, str] = field(default_factory=dict)
    warnings: list[FileWarning] = field(default_factory=list)

    def add_warning(self, trouble: FileWarningKind, names: Sequence[str]) -> None:
        """Note something odd about some keywords, if there are any."""
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            self.warnings.append(FileWarning(trouble, ", ".join(names[:_MAX_NAMES]) + more))

    def add_keyword(self, extension: str, name: str, value: HeaderValue, comment: str) -> None:
        """Add a keyword."""
        keyword = Keyword(self.level, extension, name)
        self.values[keyword] = value
        self.comments.setdefault(keyword, comment)


VERSION_KEYWORD = "DRPTAG"

BASE_EXTENSION = "BASE"
"""The extension of what kpfnb itself finds out about an observation."""
SOURCE_KEYWORD = Keyword(KPF.raw, BASE_EXTENSION, "SOURCE")

_LEVELS = tuple(KPF.levels)


class IngestedFile(NamedTuple):
    """One file that was taken."""

    obsid: str
    level: str
    path: str
    signature: FileSignature
    read_ns: int
    version: str
    warnings: tuple[FileWarning, ...]

    @property
    def missing_parts(self) -> str:
        """What it lacks of what such a file holds; '' where it is whole."""
        return "; ".join(note.kind for note in self.warnings if note.kind in INCOMPLETE_KINDS)


class RefusedFile(NamedTuple):
    """One file that was refused, and why."""

    path: str
    signature: FileSignature | None
    reason: str


class ObservationInfo(NamedTuple):
    """What the headers say about an observation as a whole."""

    source: str
    expected: tuple[str, ...]


@dataclass
class ObservationBatch:
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
    columns: dict[Keyword, PackedSeries]
    repeated: dict[Keyword, Keyword]
    comments: dict[Keyword, str] = field(default_factory=dict)
    files: tuple[IngestedFile, ...] = ()
    observations: dict[str, ObservationInfo] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[Keyword, ValueKind]:
        """The kind of each keyword here."""
        found = {keyword: packed.kind for keyword, packed in self.columns.items()}
        return found | {keyword: found[origin] for keyword, origin in self.repeated.items()}


def build_batch(contents: Sequence[FileContent]) -> ObservationBatch:
    """Pack the contents of files of one night, at most one for each observation and level."""
    obsids = tuple(sorted({content.obsid for content in contents}))
    rows = {obsid: row for row, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    cells: dict[Keyword, tuple[list[int], list[HeaderValue]]] = defaultdict(lambda: ([], []))
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
            observed[content.obsid] = _describe_observation(content)
        if content.level == KPF.raw:
            cells[SOURCE_KEYWORD][0].append(row)
            cells[SOURCE_KEYWORD][1].append(observed[content.obsid].source)
    series = {
        keyword: packing.gather_series(places, values, len(obsids))
        for keyword, (places, values) in cells.items()
    }
    columns, same = pack_columns({k: s for k, s in series.items() if s is not None}, present)
    return ObservationBatch(
        night=ObsID(obsids[0]).night,
        obsids=obsids,
        present={level: packing.format_mask(mask) for level, mask in present.items() if mask.any()},
        columns=columns,
        repeated=same,
        comments={SOURCE_KEYWORD: "kind of source", **_merge_comments(contents)},
        files=tuple(map(_ingested_file, contents)),
        observations=observed,
    )


def _merge_comments(contents: Sequence[FileContent]) -> dict[Keyword, str]:
    """The comments of all; most contents share theirs."""
    found: dict[Keyword, str] = {}
    for own in {id(content.comments): content.comments for content in contents}.values():
        found |= own
    return found


def pack_columns(
    series: Mapping[Keyword, Series], present: Mapping[str, Array]
) -> tuple[dict[Keyword, PackedSeries], dict[Keyword, Keyword]]:
    """Pack series; those that repeat an earlier level's are only named with it."""
    columns: dict[Keyword, PackedSeries] = {}
    same: dict[Keyword, Keyword] = {}
    for keyword in sorted(series, key=lambda one: _LEVELS.index(one.level)):
        own, rows = series[keyword], present[keyword.level]
        before = _previous_level(keyword)
        origin = same.get(before, before) if before else None
        if origin and origin in series and own.equals(series[origin], rows):
            same[keyword] = origin
        else:
            columns[keyword] = packing.pack_series(own, rows)
    return columns, same


def start_microseconds(obsid: str) -> float:
    """When an observation began, microseconds since 1970."""
    moment = parse_microseconds(ObsID(obsid).time.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    assert moment is not None
    return moment


def _previous_level(keyword: Keyword) -> Keyword | None:
    """The same keyword in the header of the level before."""
    if keyword.extension != PRIMARY or keyword.level == KPF.raw:
        return None
    return keyword._replace(level=_LEVELS[_LEVELS.index(keyword.level) - 1])


def _describe_observation(content: FileContent) -> ObservationInfo:
    values = content.values.items()
    header = {key.name: value for key, value in values if key.extension == PRIMARY}
    return ObservationInfo(exposure.source_type(header), exposure.expected_levels(header))


def _ingested_file(content: FileContent) -> IngestedFile:
    version = content.values.get(Keyword(content.level, PRIMARY, VERSION_KEYWORD))
    return IngestedFile(
        obsid=content.obsid,
        level=content.level,
        path=content.path,
        signature=content.signature,
        read_ns=content.read_ns,
        version=str(version or ""),
        warnings=tuple(content.warnings),
    )
