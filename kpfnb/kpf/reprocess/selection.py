"""Selection of observations: by nights, ranges, names, lists, directories, objects, sources."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.text import format_count
from kpfnb.kpf.files import exposure
from kpfnb.kpf.files.data_root import check_data_root, describe_empty_nights
from kpfnb.kpf.files.obsid import (
    KPF,
    NIGHT_PATTERN,
    ObsID,
    level_dir,
    list_nights,
    read_first_column,
)
from kpfnb.kpf.progress import night_scan
from kpfnb.kpf.progress.header_index import HeaderIndex

TARGET_HINT = (
    "name a night (20240101), a range (20240101:20240131), an observation"
    " (KP.20240101.00000.00), a list of observations or a directory"
)

OBJECT_KEYWORDS = ("OBJECT", "TARGNAME")
IMTYPES = ("Bias", "Dark", "Flatlamp", "Arclamp", "Object", "Solar")
SOURCE_CHOICES = tuple(dict.fromkeys((*exposure.SOURCE_TYPES, *IMTYPES)))
MAX_OBJECTS_NAMED = 10
"""Objects named in the error if the requested one is unknown."""

_MISSPELT = re.compile(r"KP\.|\d", re.IGNORECASE)
"""Text that begins like this is a misspelt night or observation, not the header of a list."""


@dataclass
class ObservationSelection:
    """The observations that a user chose.

    Attributes
    ----------
    obsids : the observations, each once, in the order in which they were named
    unknown : names in lists that are not observations, with the list
    notes : nights and lists without observations
    is_finished : the last run, which is to be resumed, has finished all its nights
    """

    obsids: dict[ObsID, None] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_finished: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the targets name nothing that could be processed, or fail."""
        return not (self.obsids or self.unknown or self.is_finished)

    def add(self, obsids: Iterable[ObsID], source: str) -> None:
        """Add observations, or a note if there are none."""
        new = dict.fromkeys(obsids)
        self.obsids.update(new)
        if not new:
            self.notes.append(f"no observations in {source}")


def select_observations(
    targets: Sequence[str | Path], *, root: Path, start: str = "", end: str = ""
) -> ObservationSelection:
    """The observations that the targets name; whether they have an L0 file is not checked.

    Parameters
    ----------
    targets : each is a night (YYYYMMDD, UT), a range of nights (START:END, both included and
        either may be omitted), an observation (ObsID, or a file name or path of any level), a
        text or CSV file with a night or an observation in the first column of each line, or a
        directory, which means all observations in it and in its night directories
    start, end : another range of nights; only `start`: that night

    Raises
    ------
    InvalidParameterError : an invalid target, a date that does not exist, or no target
    InvalidInputError : no L0 directory in the data root, or a list that can't be read
    """
    if not targets and not start and not end:
        raise InvalidParameterError("no observations are selected", TARGET_HINT)
    check_data_root(root)
    chosen = ObservationSelection()
    if start or end:
        _add_range(chosen, root, start, end or start)
    for target in targets:
        _add_target(chosen, root, str(target))
    return chosen


def _add_target(chosen: ObservationSelection, root: Path, target: str) -> None:
    if NIGHT_PATTERN.fullmatch(target):
        _add_range(chosen, root, target, target)
    elif target and Path(target).is_dir():
        chosen.add(_list_directory(Path(target)), target)
    elif obsid := ObsID.try_parse(target):
        chosen.add([obsid], target)
    elif Path(target).is_file():
        _add_list(chosen, root, Path(target))
    elif ":" in target:
        _add_range(chosen, root, *target.split(":", 1))
    else:
        raise InvalidParameterError(
            f"{target!r} is not a night, observation, list or directory", TARGET_HINT
        )


def _add_range(chosen: ObservationSelection, root: Path, start: str, end: str) -> None:
    low, high = _validate_night(start), _validate_night(end)
    nights = list_nights(root, low, high)
    found = [obsid for night in nights for obsid in list_observations(root, night)]
    chosen.obsids.update(dict.fromkeys(found))
    if not found:
        chosen.notes.append(describe_empty_nights(root, low, high))


def list_observations(root: Path, night: str) -> list[ObsID]:
    """The observations of a night with an L0 file, by time; [] if there is no such night."""
    folder = level_dir(root, KPF.raw, night)
    return sorted(
        obsid for obsid, suffix in _observation_files(folder) if not suffix and obsid.night == night
    )


def _list_directory(folder: Path) -> list[ObsID]:
    directories = [
        folder,
        *(folder / name for name in _list_names(folder) if NIGHT_PATTERN.fullmatch(name)),
    ]
    return sorted({obsid for path in directories for obsid, _ in _observation_files(path)})


def _observation_files(folder: Path) -> Iterator[tuple[ObsID, str]]:
    """The observation of each file in a directory, with the suffix of its level."""
    for match in filter(None, map(KPF.filename_pattern.fullmatch, _list_names(folder))):
        yield ObsID(match["obsid"]), match["suffix"]


def _list_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidInputError(
            f"can't list {folder}: {error.strerror}", "make it readable"
        ) from error


def _add_list(chosen: ObservationSelection, root: Path, file: Path) -> None:
    cells = [cell for cell in read_first_column(file) if cell and not cell.startswith("#")]
    source = f"the list {file}"
    if not cells:
        chosen.notes.append(f"no observations in {source}")
    for number, cell in enumerate(cells):
        if NIGHT_PATTERN.fullmatch(cell):
            _add_range(chosen, root, cell, cell)
        elif obsid := ObsID.try_parse(cell):
            chosen.add([obsid], source)
        elif number or _MISSPELT.match(cell):
            # The first line may be a header
            chosen.unknown[cell] = source


def _validate_night(text: str) -> str:
    try:
        return check_night(text)
    except ValueError as error:
        raise InvalidParameterError(f"night {text!r}: {error}", TARGET_HINT) from None


@dataclass(frozen=True)
class ObservationFilter:
    """Observations of one of the objects and one of the sources; an empty list means any.

    Attributes
    ----------
    objects : OBJECT or TARGNAME; case and blanks do not matter; * and ? match any characters, so
        `HD*` is every star of that catalogue
    sources : source types or IMTYPEs, of `SOURCE_CHOICES`
    """

    objects: Sequence[str] = ()
    sources: Sequence[str] = ()
    _patterns: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Validate the sources."""
        known = set(map(_normalize_name, SOURCE_CHOICES))
        for source in self.sources:
            if _normalize_name(source) not in known:
                raise InvalidParameterError(
                    f"source: {source!r}", f"it is one of {', '.join(SOURCE_CHOICES)}"
                )
        object.__setattr__(self, "_patterns", tuple(map(_normalize_name, self.objects)))

    @property
    def is_all(self) -> bool:
        """Whether every observation passes."""
        return not self.objects and not self.sources

    def has_object(self, header: Mapping[str, Any]) -> bool:
        """Whether the observation is of one of the objects."""
        names = [_normalize_name(name) for name in object_names(header)]
        return not self._patterns or any(
            fnmatchcase(name, pattern) for name in names for pattern in self._patterns
        )

    def has_source(self, header: Mapping[str, Any]) -> bool:
        """Whether the observation is of one of the sources."""
        types = {
            _normalize_name(exposure.source_type(header)),
            _normalize_name(header.get("IMTYPE")),
        }
        return not self.sources or bool(types & set(map(_normalize_name, self.sources)))


def object_names(header: Mapping[str, Any]) -> list[str]:
    """The names of the object in the header; [] if there are none."""
    names = (str(header.get(keyword) or "").strip() for keyword in OBJECT_KEYWORDS)
    return list(dict.fromkeys(filter(None, names)))


def apply_filter(
    chosen: ObservationSelection, wanted: ObservationFilter, *, root: Path, index: HeaderIndex
) -> None:
    """Keep only the observations that pass the filter, with a note about their number.

    If no observation is of the objects, it is an `InvalidParameterError` that names the objects
    that exist.
    """
    if wanted.is_all or not chosen.obsids:
        return
    headers = dict(_read_headers(chosen.obsids, root, index))
    of_objects = {obsid for obsid, header in headers.items() if wanted.has_object(header)}
    if not of_objects:
        raise _unknown_object_error(wanted.objects, headers.values())
    kept = {obsid for obsid in of_objects if wanted.has_source(headers[obsid])}
    names = [*wanted.objects, *wanted.sources]
    chosen.notes.append(f"{len(kept)} of {len(headers)} observations are of {', '.join(names)}")
    unreadable = sum(not header for header in headers.values())
    if unreadable:
        chosen.notes.append(
            f"left out {format_count(unreadable, 'L0 file')}: unreadable or missing"
        )
    chosen.obsids = {obsid: None for obsid in chosen.obsids if obsid in kept}


def _read_headers(
    obsids: Iterable[ObsID], root: Path, index: HeaderIndex
) -> Iterable[tuple[ObsID, dict[str, Any]]]:
    for night, group in groupby(sorted(obsids), key=lambda obsid: obsid.night):
        headers = night_scan.read_raw_headers(level_dir(root, KPF.raw, night), night, index)
        yield from ((obsid, headers.get(obsid.text, {})) for obsid in group)


def _unknown_object_error(
    requested: Sequence[str], headers: Iterable[Mapping[str, Any]]
) -> InvalidParameterError:
    existing = sorted({name for header in headers for name in object_names(header)})
    by_key = {_normalize_name(name): name for name in existing}
    similar = [
        by_key[match]
        for name in requested
        for match in difflib.get_close_matches(_normalize_name(name), by_key, n=MAX_OBJECTS_NAMED)
    ]
    shown = list(dict.fromkeys(similar)) or existing
    more = f" and {len(shown) - MAX_OBJECTS_NAMED} more" if len(shown) > MAX_OBJECTS_NAMED else ""
    return InvalidParameterError(
        f"object: none of the observations is of {' or '.join(map(repr, requested))}",
        f"existing objects: {', '.join(shown[:MAX_OBJECTS_NAMED])}{more}"
        if shown
        else "no header names an object",
    )


def _normalize_name(name: Any) -> str:
    return "".join(str(name or "").split()).lower()
