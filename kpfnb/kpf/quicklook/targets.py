"""The files that quicklook looks at: told by their names alone, and where their products go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.obsid import KPF, NIGHT, level_dir
from kpfnb.kpf.quicklook.window import Window

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

_MASTER = re.compile(
    rf"kpf_(?P<night>\d{{8}})_master_.*?(?P<word>{'|'.join(MASTER_KINDS)}).*\.fits", re.IGNORECASE
)
_AFTER_ALL = ".~"
"""Masters are sorted behind the observations of their night."""


@dataclass(frozen=True)
class Target:
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
    place: str

    @property
    def key(self) -> str:
        """Its name for people."""
        return self.path.name

    @property
    def order(self) -> tuple[str, int, str]:
        """By time, then level."""
        moment = self.name.removeprefix("KP.")
        if self.level == MASTER:
            moment = self.night + _AFTER_ALL
        return moment, LEVELS.index(self.level), self.name


def folder(level: str) -> str:
    """The directory of a level, below the data root."""
    return MASTERS_DIR if level == MASTER else level


def of(path: Path) -> Target:
    """The target that a path names; a `BadInput` where the name is none of KPF's."""
    target = _observation(path, path.name) or _master(path, path.name)
    if target is None:
        raise BadInput(
            f"{path} is not named as a file of KPF", "such as KP.20240115.12345.67_L1.fits"
        )
    return target


def find(
    root: Path, window: Window, levels: Iterable[str], *, since: float = 0, before: float = 0
) -> list[Target]:
    """The files of these levels in a window, in its order, found by names alone.

    Parameters
    ----------
    root : the KPF data root
    levels : of `LEVELS`; none means all
    since, before : only files modified after or up to this time (POSIX seconds); 0: whenever.
        Only with one of them is a file looked at

    Raises
    ------
    BadParameter : there is no such level
    BadInput : the data root has no directory for any of the levels
    """
    wanted = _known(levels)
    places = {level: root / (MASTERS_DIR if level == MASTER else level) for level in wanted}
    if not any(place.is_dir() for place in places.values()):
        names = ", ".join(place.name for place in places.values())
        raise BadInput(
            f"the data root {root} has none of the directories {names}",
            "set KPFNB_DATA_ROOT to the directory that holds L0, 2D, L1 and L2",
        )
    found = [one for level in wanted for one in _of_level(root, places[level], level, window)]
    if since or before:
        found = [one for one in found if _is_aged(one.path, since, before)]
    return sorted(found, key=lambda one: one.order, reverse=window.newest_first)


def _known(levels: Iterable[str]) -> list[str]:
    asked = list(levels)
    unknown = [level for level in asked if level not in LEVELS]
    if unknown:
        raise BadParameter(f"levels: {', '.join(unknown)}", f"they are {', '.join(LEVELS)}")
    return [level for level in LEVELS if level in asked or not asked]


def _of_level(root: Path, place: Path, level: str, window: Window) -> Iterator[Target]:
    for night in _names(place):
        if not NIGHT.fullmatch(night) or not window.meets(night):
            continue
        folder = place / night if level == MASTER else level_dir(root, level, night)
        for name in _names(folder):
            if level == MASTER:
                target = _master(folder / name, name)
            else:
                target = _observation(folder / name, name)
            if target and target.level == level and _is_within(target, window):
                yield target


def _is_within(target: Target, window: Window) -> bool:
    if target.level == MASTER:
        return window.meets(target.night)
    return target.name.removeprefix("KP.") in window


def _observation(path: Path, name: str) -> Target | None:
    match = KPF.filename.fullmatch(name)
    if not match:
        return None
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    night, obsid = match["night"], match["obsid"]
    return Target(path, level, night, obsid, f"{night}/{obsid}")


def _master(path: Path, name: str) -> Target | None:
    match = _MASTER.fullmatch(name)
    if not match:
        return None
    # A master lies with the night it is for
    night = path.parent.name if NIGHT.fullmatch(path.parent.name) else match["night"]
    kind = MASTER_KINDS[match["word"].lower()]
    place = f"{night}/{MASTERS_PRODUCTS}/{kind}"
    return Target(path, MASTER, night, name.removesuffix(".fits"), place)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadInput(f"can't list {folder}: {error.strerror}", "make it readable") from error


def _is_aged(path: Path, since: float, before: float) -> bool:
    try:
        modified = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return (not since or modified > since) and (not before or modified <= before)
