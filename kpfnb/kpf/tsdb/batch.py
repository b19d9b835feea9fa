"""A batch: the contents of some files of one night, turned from rows into packed columns.

A batch becomes one chunk of the database. The heavy work is done here, without the database.
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
from kpfnb.kpf.tsdb.series import (
    Array,
    PackedSeries,
    Series,
    ValueKind,
    format_mask,
    gather_series,
    pack_series,
    parse_microseconds,
)

PRIMARY, TELEMETRY, RV = "PRIMARY", "TELEMETRY", "RV"

_MAX_NAMES = 8
"""A warning names this many keywords and counts the others."""

VERSION_KEYWORD = "DRPTAG"

BASE_EXTENSION = "BASE"
"""The extension of keywords that kpfnb derives itself."""

_LEVELS = tuple(KPF.levels)


class FileWarningKind(StrEnum):
    """What is wrong with a file that was ingested nevertheless."""

    NO_TELEMETRY = "no TELEMETRY"
    EMPTY_TELEMETRY = "empty TELEMETRY"
    NO_RV = "no RV table"
    BAD_TABLE = "damaged table"
    NAN = "NaN"
    """Only the values of these keywords are null."""
    NO_DATA = "nothing but a header"
    DUPLICATE = "duplicate cards"
    """The first card of a keyword counts."""
    WRONG_TYPE = "another type"
    """The keyword was a number in earlier files and is text in this one."""


INCOMPLETE_KINDS = (
    *(FileWarningKind.NO_TELEMETRY, FileWarningKind.EMPTY_TELEMETRY, FileWarningKind.NO_RV),
    *(FileWarningKind.BAD_TABLE, FileWarningKind.NO_DATA),
)
"""A file with one of these is ingested, but never replaces a complete one."""


class FileWarning(NamedTuple):
    """A warning about a file, with the keywords concerned."""

    kind: FileWarningKind
    detail: str


class FileSignature(NamedTuple):
    """Size and modification time of a file; if either differs the file has changed."""

    size: int
    modified_ns: int


class Keyword(NamedTuple):
    """A keyword, with the level and the extension that it comes from."""

    level: str
    extension: str
    name: str


@dataclass(slots=True)
class FileContent:
    """The keywords of one file, as read.

    Attributes
    ----------
    read_ns : when the reading began, ns since 1970
    values : by extension and keyword
    comments : of the cards, a known unit in brackets first. Files that are read together share
        this dictionary: the many comments are the same in all of them
    """

    path: str
    obsid: str
    level: str
    signature: FileSignature
    read_ns: int
    values: dict[Keyword, HeaderValue] = field(default_factory=dict)
    comments: dict[Keyword, str] = field(default_factory=dict)
    warnings: list[FileWarning] = field(default_factory=list)

    def add_warning(self, kind: FileWarningKind, names: Sequence[str]) -> None:
        """Add a warning about keywords; nothing if `names` is empty."""
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            self.warnings.append(FileWarning(kind, ", ".join(names[:_MAX_NAMES]) + more))

    def add_keyword(self, extension: str, name: str, value: HeaderValue, comment: str) -> None:
        """Add a keyword with its value."""
        keyword = Keyword(self.level, extension, name)
        self.values[keyword] = value
        self.comments.setdefault(keyword, comment)


SOURCE_KEYWORD = Keyword(KPF.raw, BASE_EXTENSION, "SOURCE")


class IngestedFile(NamedTuple):
    """One file that was ingested."""

    obsid: str
    level: str
    path: str
    signature: FileSignature
    read_ns: int
    version: str
    warnings: tuple[FileWarning, ...]

    @property
    def missing_parts(self) -> str:
        """The tables that are missing or damaged, as text; '' for a complete file."""
        return "; ".join(w.kind for w in self.warnings if w.kind in INCOMPLETE_KINDS)


class RefusedFile(NamedTuple):
    """One file that was refused, with the reason."""

    path: str
    signature: FileSignature | None
    reason: str


class ObservationInfo(NamedTuple):
    """What the headers say about an observation: the kind of source, the levels it should get."""

    source: str
    expected: tuple[str, ...]


@dataclass
class ObservationBatch:
    """Packed columns of some observations of one night.

    Attributes
    ----------
    obsids : in order of time; one per row
    present : level to the mask of the rows that have it, such as '1101'
    columns : keyword to its packed values
    repeated : keyword to the keyword of an earlier level that has the same values in all rows of
        the later level
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
        """The kind of each keyword of the batch."""
        kinds = {keyword: packed.kind for keyword, packed in self.columns.items()}
        return kinds | {keyword: kinds[origin] for keyword, origin in self.repeated.items()}


def build_batch(contents: Sequence[FileContent]) -> ObservationBatch:
    """Pack the contents of files of one night, at most one per observation and level."""
    obsids = tuple(sorted({content.obsid for content in contents}))
    rows = {obsid: row for row, obsid in enumerate(obsids)}
    present = {level: np.zeros(len(obsids), bool) for level in KPF.levels}
    cells: dict[Keyword, tuple[list[int], list[HeaderValue]]] = defaultdict(lambda: ([], []))
    observations = {}
    for content in sorted(contents, key=lambda c: (c.obsid, _LEVELS.index(c.level))):
        row = rows[content.obsid]
        present[content.level][row] = True
        for keyword, value in content.values.items():
            if value is not None:
                places, values = cells[keyword]
                places.append(row)
                values.append(value)
        if content.obsid not in observations:
            observations[content.obsid] = _describe_observation(content)
        if content.level == KPF.raw:
            cells[SOURCE_KEYWORD][0].append(row)
            cells[SOURCE_KEYWORD][1].append(observations[content.obsid].source)
    series = {
        keyword: gather_series(places, values, len(obsids))
        for keyword, (places, values) in cells.items()
    }
    columns, repeated = pack_columns({k: s for k, s in series.items() if s is not None}, present)
    return ObservationBatch(
        night=ObsID(obsids[0]).night,
        obsids=obsids,
        present={level: format_mask(mask) for level, mask in present.items() if mask.any()},
        columns=columns,
        repeated=repeated,
        comments={SOURCE_KEYWORD: "kind of source", **_merge_comments(contents)},
        files=tuple(map(_ingested_file, contents)),
        observations=observations,
    )


def _merge_comments(contents: Sequence[FileContent]) -> dict[Keyword, str]:
    """All comments; most contents share one dictionary."""
    merged: dict[Keyword, str] = {}
    for comments in {id(content.comments): content.comments for content in contents}.values():
        merged |= comments
    return merged


def pack_columns(
    series: Mapping[Keyword, Series], present: Mapping[str, Array]
) -> tuple[dict[Keyword, PackedSeries], dict[Keyword, Keyword]]:
    """Pack series; one that repeats an earlier level is not packed but refers to it."""
    columns: dict[Keyword, PackedSeries] = {}
    repeated: dict[Keyword, Keyword] = {}
    for keyword in sorted(series, key=lambda keyword: _LEVELS.index(keyword.level)):
        values, rows = series[keyword], present[keyword.level]
        earlier = _previous_level(keyword)
        origin = repeated.get(earlier, earlier) if earlier else None
        if origin and origin in series and values.equals(series[origin], rows):
            repeated[keyword] = origin
        else:
            columns[keyword] = pack_series(values, rows)
    return columns, repeated


def start_microseconds(obsid: str) -> float:
    """The start of an observation in microseconds since 1970."""
    moment = parse_microseconds(ObsID(obsid).time.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    assert moment is not None
    return moment


def _previous_level(keyword: Keyword) -> Keyword | None:
    """The same keyword in the primary header of the level before."""
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
