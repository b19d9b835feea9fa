"""The files that quicklook looks at: told by their names alone, and where their products go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN, level_dir
from kpfnb.notebook.parameters import check_night

# A span of time as the names of files have it: from one moment to another, both included.

MOMENT_HINT = (
    "write it as YYYYMMDD, YYYYMMDD.SSSSS or YYYYMMDD.SSSSS.ss, as the names of files have it"
)

_BOUND = re.compile(r"\d{8}(\.(\d{1,5}|\d{5}\.\d{1,2}))?", re.ASCII)
_LOWEST, _HIGHEST = "00000000.00000.00", "99999999.99999.99"


@dataclass(frozen=True)
class MomentRange:
    """The moments (YYYYMMDD.SSSSS.ss, UT) from `first` to `last`; texts sort as times do."""

    first: str
    last: str
    newest_first: bool = False

    def __contains__(self, moment: str) -> bool:
        return self.first <= moment <= self.last

    def overlaps(self, night: str) -> bool:
        """True where some moment of a night (YYYYMMDD) is within."""
        return self.first[:8] <= night <= self.last[:8]


def parse_range(start: str, end: str = "") -> MomentRange:
    """The window between two bounds; an empty end is the start again.

    A bound is the beginning of a name's time: 20240115 is that whole night, 20240115.17 all of its
    seconds from 17000 to 17999. So the end is included in full. An end before the start turns the
    order round: newest first. A wrong bound is a `InvalidParameterError`.
    """
    low, high = _check_bound("start", start), _check_bound("end", end or start)
    # A bound within the other is no reversal: from some second on to the end of its night
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
        raise InvalidParameterError(f"{name}: {text!r} is no moment of a file name", MOMENT_HINT)
    try:
        check_night(bound[:8])
    except ValueError as error:
        raise InvalidParameterError(f"{name}: {text!r}: {error}", MOMENT_HINT) from None
    return bound


MASTER = "master"
LEVELS = (*KPF.levels, MASTER)

MASTERS_DIR = "masters"
"""Below the data root."""

MASTERS_PRODUCTS = "Masters"
"""Below a night of the products."""

MASTER_KINDS = {
    "lfc": "LFC",
    "etalon": "Etalon",
    "thar": "ThAr",
    "une": "UNe",
    "bias": "Bias",
    "dark": "Dark",
    "flat": "Flat",
}
"""A word in a master's name to the directory of its products."""

_MASTER_NAME = re.compile(
    rf"kpf_(?P<night>\d{{8}})_master_.*?(?P<word>{'|'.join(MASTER_KINDS)}).*\.fits", re.IGNORECASE
)
_AFTER_ALL = ".~"
"""Masters are sorted behind the observations of their night."""


@dataclass(frozen=True)
class QuicklookTarget:
    """One file.

    Attributes
    ----------
    level : L0, 2D, L1, L2 or master
    night : YYYYMMDD (UT)
    name : the ObsID, or the master's name without `.fits`
    place : where its products go, relative to the directory of all products
    """

    path: Path
    level: str
    night: str
    name: str
    product_dir: str

    @property
    def key(self) -> str:
        """Its name for people."""
        return self.path.name

    @property
    def sort_key(self) -> tuple[str, int, str]:
        """By time, then level."""
        moment = self.name.removeprefix("KP.")
        if self.level == MASTER:
            moment = self.night + _AFTER_ALL
        return moment, LEVELS.index(self.level), self.name


def level_folder(level: str) -> str:
    """The directory of a level, below the data root."""
    return MASTERS_DIR if level == MASTER else level


def parse_target(path: Path) -> QuicklookTarget:
    """The target that a path names; a `InvalidInputError` where the name is none of KPF's."""
    target = _observation_target(path, path.name) or _master_target(path, path.name)
    if target is None:
        raise InvalidInputError(
            f"{path} is not named as a file of KPF", "such as KP.20240115.12345.67_L1.fits"
        )
    return target


def scan_targets(
    root: Path, window: MomentRange, levels: Iterable[str], *, since: float = 0, before: float = 0
) -> list[QuicklookTarget]:
    """The files of these levels in a window, in its order, found by names alone.

    Parameters
    ----------
    root : the KPF data root
    levels : of `LEVELS`; none means all
    since, before : only files modified after or up to this time (POSIX seconds); 0: whenever.
        Only with one of them is a file looked at

    Raises
    ------
    InvalidParameterError : there is no such level
    InvalidInputError : the data root has no directory for any of the levels
    """
    wanted = _check_levels(levels)
    places = {level: root / (MASTERS_DIR if level == MASTER else level) for level in wanted}
    if not any(place.is_dir() for place in places.values()):
        names = ", ".join(place.name for place in places.values())
        raise InvalidInputError(
            f"the data root {root} has none of the directories {names}",
            "set KPFNB_DATA_ROOT to the directory that holds L0, 2D, L1 and L2",
        )
    found = [one for level in wanted for one in _scan_level(root, places[level], level, window)]
    if since or before:
        found = [one for one in found if _is_modified_within(one.path, since, before)]
    return sorted(found, key=lambda one: one.sort_key, reverse=window.newest_first)


def _check_levels(levels: Iterable[str]) -> list[str]:
    asked = list(levels)
    unknown = [level for level in asked if level not in LEVELS]
    if unknown:
        raise InvalidParameterError(
            f"levels: {', '.join(unknown)}", f"they are {', '.join(LEVELS)}"
        )
    return [level for level in LEVELS if level in asked or not asked]


def _scan_level(
    root: Path, place: Path, level: str, window: MomentRange
) -> Iterator[QuicklookTarget]:
    for night in _list_names(place):
        if not NIGHT_PATTERN.fullmatch(night) or not window.overlaps(night):
            continue
        folder = place / night if level == MASTER else level_dir(root, level, night)
        for name in _list_names(folder):
            if level == MASTER:
                target = _master_target(folder / name, name)
            else:
                target = _observation_target(folder / name, name)
            if target and target.level == level and _is_in_range(target, window):
                yield target


def _is_in_range(target: QuicklookTarget, window: MomentRange) -> bool:
    if target.level == MASTER:
        return window.overlaps(target.night)
    return target.name.removeprefix("KP.") in window


def _observation_target(path: Path, name: str) -> QuicklookTarget | None:
    match = KPF.filename_pattern.fullmatch(name)
    if not match:
        return None
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    night, obsid = match["night"], match["obsid"]
    return QuicklookTarget(path, level, night, obsid, f"{night}/{obsid}")


def _master_target(path: Path, name: str) -> QuicklookTarget | None:
    match = _MASTER_NAME.fullmatch(name)
    if not match:
        return None
    # A master lies with the night it is for
    night = path.parent.name if NIGHT_PATTERN.fullmatch(path.parent.name) else match["night"]
    kind = MASTER_KINDS[match["word"].lower()]
    place = f"{night}/{MASTERS_PRODUCTS}/{kind}"
    return QuicklookTarget(path, MASTER, night, name.removesuffix(".fits"), place)


def _list_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidInputError(
            f"can't list {folder}: {error.strerror}", "make it readable"
        ) from error


def _is_modified_within(path: Path, since: float, before: float) -> bool:
    try:
        modified = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return (not since or modified > since) and (not before or modified <= before)
