"""Which files to process: a time range, data levels, and the age of the files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kpfnb.core import settings
from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files.obsid import NIGHT_PATTERN, level_dir
from kpfnb.kpf.quicklook.targets import LEVELS, MASTER, QuicklookTarget, level_folder

DAY_SECONDS = 86_400

MOMENT_HINT = "write it as YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss, as in file names"

_BOUND = re.compile(r"\d{8}(\.(\d{1,5}|\d{5}\.\d{1,2}))?", re.ASCII)
_LOWEST, _HIGHEST = "00000000.00000.00", "99999999.99999.99"


@dataclass(frozen=True)
class MomentRange:
    """The moments (YYYYMMDD.SSSSS.ss, UT) from `first` to `last`, both included.

    Moments are compared as texts, which sort in the order of time.
    """

    first: str
    last: str
    newest_first: bool = False

    def __contains__(self, moment: str) -> bool:
        return self.first <= moment <= self.last

    def overlaps(self, night: str) -> bool:
        """True if any moment of a night (YYYYMMDD) is within."""
        return self.first[:8] <= night <= self.last[:8]

    def includes(self, target: QuicklookTarget) -> bool:
        """True if the file is within; a master belongs to its whole night."""
        if target.level == MASTER:
            return self.overlaps(target.night)
        return target.moment in self


def parse_range(start: str, end: str = "") -> MomentRange:
    """The range between two bounds; an empty end means the same as the start.

    A bound is the beginning of a name's time: 20240115 is that whole night, 20240115.17 all of its
    seconds from 17000 to 17999. So the end is included in full. An end before the start reverses
    the order: newest first. `InvalidParameterError` for a bound that is not valid.
    """
    low, high = _check_bound("start", start), _check_bound("end", end or start)
    # A bound within the other one does not reverse: 20240115.5 to 20240115 is the rest of the night
    newest_first = _lowest_moment(low) > _highest_moment(high)
    if newest_first:
        low, high = high, low
    return MomentRange(_lowest_moment(low), _highest_moment(high), newest_first)


def _lowest_moment(bound: str) -> str:
    return bound + _LOWEST[len(bound) :]


def _highest_moment(bound: str) -> str:
    return bound + _HIGHEST[len(bound) :]


def _check_bound(name: str, text: str) -> str:
    bound = str(text).strip().removeprefix("KP.")
    if not _BOUND.fullmatch(bound):
        raise InvalidParameterError(f"{name}: {text!r} is not the time of a file name", MOMENT_HINT)
    try:
        check_night(bound[:8])
    except ValueError as error:
        raise InvalidParameterError(f"{name}: {text!r}: {error}", MOMENT_HINT) from None
    return bound


class FileAge(StrEnum):
    """Which files to process, by their time of modification."""

    ANY = "any"
    RECENT = "recent"
    """Less than a day ago."""
    OLD = "old"
    """A day ago or more."""


@dataclass(frozen=True)
class AgeFilter:
    """Selects files by age; the day is counted back from when the filter was made.

    Attributes
    ----------
    yesterday : POSIX seconds
    """

    age: FileAge
    yesterday: float

    @classmethod
    def from_now(cls, age: str) -> AgeFilter:
        """The filter of this moment; `InvalidParameterError` for an unknown age."""
        if age not in list(FileAge):
            raise InvalidParameterError(f"age: {age!r}", f"it is one of {', '.join(FileAge)}")
        return cls(FileAge(age), time.time() - DAY_SECONDS)

    def matches(self, path: str | Path) -> bool:
        """True if a file is of that age; a missing file has any age, but no other."""
        if self.age is FileAge.ANY:
            return True
        try:
            modified = Path(path).stat().st_mtime
        except FileNotFoundError:
            return False
        return (modified > self.yesterday) == (self.age is FileAge.RECENT)


def matches_age(path: str, age: str) -> bool:
    """True if a file is of that age now; a missing or inaccessible file has any age, no other."""
    try:
        return AgeFilter.from_now(age).matches(path)
    except OSError:
        return False


def select_targets(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = FileAge.ANY,
    root: Path | str | None = None,
) -> list[QuicklookTarget]:
    """The files of a time range in processing order, from their names.

    Parameters
    ----------
    start, end : YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss (UT), both included in full; an empty
        end is the start; an end before the start: newest first
    levels : of L0, 2D, L1, L2 and master; none: all
    age : any, recent (modified less than a day ago) or old
    root : the KPF data root; as in the settings if None

    Raises
    ------
    InvalidParameterError : a parameter is not valid
    InvalidInputError : the data root has none of the levels
    """
    moments, ages = parse_range(start, end), AgeFilter.from_now(age)
    site_settings = settings.load_settings(**({"data_root": root} if root else {}))
    return scan_targets(site_settings.kpf_root, moments, levels, ages)


def scan_targets(
    root: Path, moments: MomentRange, levels: Iterable[str], ages: AgeFilter
) -> list[QuicklookTarget]:
    """The files of some levels (none: all) in a range, in its order.

    Files are recognised by their names; only a filter by age reads their status.

    Raises
    ------
    InvalidParameterError : an unknown level
    InvalidInputError : the data root has no directory for any of the levels
    """
    level_dirs = {level: root / level_folder(level) for level in _check_levels(levels)}
    if not any(directory.is_dir() for directory in level_dirs.values()):
        names = ", ".join(directory.name for directory in level_dirs.values())
        raise InvalidInputError(
            f"the data root {root} has none of the directories {names}",
            "set KPFNB_DATA_ROOT to the directory that holds L0, 2D, L1 and L2",
        )
    targets = [
        target
        for level, directory in level_dirs.items()
        for target in _scan_level(root, directory, level, moments)
        if ages.matches(target.path)
    ]
    return sorted(targets, key=lambda target: target.sort_key, reverse=moments.newest_first)


def _check_levels(levels: Iterable[str]) -> list[str]:
    chosen = list(levels)
    unknown = [level for level in chosen if level not in LEVELS]
    if unknown:
        raise InvalidParameterError(
            f"levels: {', '.join(unknown)}", f"they are {', '.join(LEVELS)}"
        )
    return [level for level in LEVELS if level in chosen or not chosen]


def _scan_level(
    root: Path, directory: Path, level: str, moments: MomentRange
) -> Iterator[QuicklookTarget]:
    parse = QuicklookTarget.from_master if level == MASTER else QuicklookTarget.from_observation
    for night in _list_names(directory):
        if not NIGHT_PATTERN.fullmatch(night) or not moments.overlaps(night):
            continue
        night_dir = directory / night if level == MASTER else level_dir(root, level, night)
        for name in _list_names(night_dir):
            target = parse(night_dir / name)
            if target and target.level == level and moments.includes(target):
                yield target


def _list_names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidInputError(
            f"can't list {directory}: {error.strerror}", "make it readable"
        ) from error
