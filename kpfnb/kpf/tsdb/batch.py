"""A batch: the contents of some files of one night, turned from rows into packed columns.

A batch becomes one chunk of the database. The heavy work is done here, without the database.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.keywords import PRIMARY, TELEMETRY
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.tsdb.file_content import (
    INCOMPLETE_KINDS,
    FileContent,
    FileSignature,
    FileWarning,
    FileWarningKind,
    Keyword,
    join_names,
)
from kpfnb.kpf.tsdb.kinds import (
    ValueKind,
    ValueRule,
    catalogue_rule,
    parse_time,
    rule_of_values,
)
from kpfnb.kpf.tsdb.series import (
    Array,
    GatheredSeries,
    PackedSeries,
    Series,
    format_mask,
    gather_series,
    pack_series,
)

NUMBERS_AS_TEXT = re.compile(r"GAIAMAG|2MASSMAG|FLX(REG|AMP|COLL|ECH).*")
"""Real headers have these numbers as text: GAIAMAG = '-26.9' in KP.20230628.00071.14, and what the
DRP of v2.12 writes about dark current."""

VERSION_KEYWORD = "DRPTAG"

BASE_EXTENSION = "BASE"
"""The extension of keywords that kpfnb derives itself."""

_LEVELS = tuple(KPF.levels)

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
    gathered = _gather_cells(cells, len(obsids))
    series = {keyword: found.series for keyword, found in gathered.items()}
    columns, repeated = pack_columns(series, present)
    notes = _note_texts(gathered)
    return ObservationBatch(
        night=ObsID(obsids[0]).night,
        obsids=obsids,
        present={level: format_mask(mask) for level, mask in present.items() if mask.any()},
        columns=columns,
        repeated=repeated,
        comments={SOURCE_KEYWORD: "kind of source", **_merge_comments(contents)},
        files=tuple(
            _ingested_file(content, notes[content.level, rows[content.obsid]])
            for content in contents
        ),
        observations=observations,
    )


_Cells = Mapping[Keyword, tuple[Sequence[int], Sequence[HeaderValue]]]


def _gather_cells(cells: _Cells, size: int) -> dict[Keyword, GatheredSeries]:
    rules = _choose_rules(cells)
    gathered = {}
    for keyword, (places, values) in cells.items():
        found = gather_series(places, values, size, rules[keyword.extension, keyword.name])
        if found is not None:
            gathered[keyword] = found
    return gathered


def _choose_rules(cells: _Cells) -> dict[tuple[str, str], ValueRule]:
    """How each extension and keyword is read, the same at all levels.

    The catalogue says it, or most of the values.
    """
    rules: dict[tuple[str, str], ValueRule] = {}
    unknown: dict[tuple[str, str], list[HeaderValue]] = {}
    for keyword, (_, values) in cells.items():
        name = keyword.extension, keyword.name
        if name in unknown:
            unknown[name] += values
        elif name not in rules:
            rule = catalogue_rule(*name)
            if rule:
                rules[name] = rule
            else:
                unknown[name] = list(values)
    return rules | {name: rule_of_values(values) for name, values in unknown.items()}


def _note_texts(gathered: Mapping[Keyword, GatheredSeries]) -> dict[tuple[str, int], list[str]]:
    """The keywords whose numbers are texts in the files, by level and row."""
    notes: dict[tuple[str, int], list[str]] = defaultdict(list)
    for keyword, found in gathered.items():
        if keyword.extension != TELEMETRY and not NUMBERS_AS_TEXT.fullmatch(keyword.name):
            for row in found.text_rows:
                notes[keyword.level, row].append(keyword.name)
    return notes


def _merge_comments(contents: Sequence[FileContent]) -> dict[Keyword, str]:
    """All comments; most contents share one dictionary."""
    merged: dict[Keyword, str] = {}
    for comments in {id(content.comments): content.comments for content in contents}.values():
        merged |= comments
    return merged


def pack_columns(
    series: Mapping[Keyword, Series], present: Mapping[str, Array]
) -> tuple[dict[Keyword, PackedSeries], dict[Keyword, Keyword]]:
    """Pack series; one that repeats an earlier level is not packed but refers to it.

    The earlier level has all of the observations: its packed values say nothing of others.
    """
    columns: dict[Keyword, PackedSeries] = {}
    repeated: dict[Keyword, Keyword] = {}
    for keyword in sorted(series, key=lambda keyword: _LEVELS.index(keyword.level)):
        values, rows = series[keyword], present[keyword.level]
        earlier = _previous_level(keyword)
        origin = repeated.get(earlier, earlier) if earlier else None
        if (
            origin
            and origin in series
            and present[origin.level][rows].all()
            and values.equals(series[origin], rows)
        ):
            repeated[keyword] = origin
        else:
            columns[keyword] = pack_series(values, rows)
    return columns, repeated


def start_microseconds(obsid: str) -> float:
    """The start of an observation in microseconds since 1970."""
    moment = parse_time(ObsID(obsid).time.strftime("%Y-%m-%dT%H:%M:%S.%f"))
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
    used = exposure.used_cameras(header, content.extensions)
    cameras = {camera: camera in used for camera in exposure.CAMERAS}
    return ObservationInfo(
        exposure.source_type(header), exposure.expected_levels({**header, **cameras})
    )


def _ingested_file(content: FileContent, numbers_as_text: Sequence[str]) -> IngestedFile:
    version = content.values.get(Keyword(content.level, PRIMARY, VERSION_KEYWORD))
    notes = (
        [FileWarning(FileWarningKind.NUMBER_AS_TEXT, join_names(sorted(numbers_as_text)))]
        if numbers_as_text
        else []
    )
    return IngestedFile(
        obsid=content.obsid,
        level=content.level,
        path=content.path,
        signature=content.signature,
        read_ns=content.read_ns,
        version=str(version or ""),
        warnings=(*content.warnings, *notes),
    )
