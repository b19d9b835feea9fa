"""Which observations are meant: by nights, ranges, names, lists and directories."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf import namelist
from kpfnb.kpf.obsid import KPF, NIGHT, ObsID, level_dir, nights
from kpfnb.parameters import check_night

HINT = (
    "name a night (20240101), a range (20240101:20240131), an observation"
    " (KP.20240101.00000.00), a list of observations or a directory"
)


_MISSPELT = re.compile(r"KP\.|\d", re.IGNORECASE)
"""So begins what is meant as a night or an observation, and no header of a list does."""


@dataclass
class Selection:
    """What was chosen.

    Attributes
    ----------
    obsids : the observations, each once, in the order in which they were named
    unknown : what is named in a list and is no observation, to where it stands
    notes : nights and lists that hold nothing
    """

    obsids: dict[ObsID, None] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, obsids: Iterable[ObsID], source: str) -> None:
        """Add observations; none at all is worth a note."""
        found = dict.fromkeys(obsids)
        self.obsids.update(found)
        if not found:
            self.notes.append(f"no observations in {source}")


def select(
    targets: Sequence[str | Path], *, root: Path, start: str = "", end: str = ""
) -> Selection:
    """The observations that the targets name; whether they have an L0 is not looked at.

    Parameters
    ----------
    targets : each is a night (YYYYMMDD, UT), a range of nights (START:END, both included and
        either left out at will), an observation (ObsID, or a file name or path of any level), a
        text or CSV file with a night or an observation in the first column of each line, or a
        directory, of which the observations named in it and in its night directories are taken
    start, end : one more range, of nights; only `start`: that night

    Raises
    ------
    BadParameter : a target that is none of these, a date that does not exist, or nothing at all
    BadInput : no L0 directory in the data root, or a list that can't be read
    """
    if not targets and not start and not end:
        raise BadParameter("nothing is chosen to be processed", HINT)
    chosen = Selection()
    if start or end:
        _add_range(chosen, root, start, end or start)
    for target in targets:
        _add(chosen, root, str(target))
    return chosen


def _add(chosen: Selection, root: Path, target: str) -> None:
    if NIGHT.fullmatch(target):
        _add_range(chosen, root, target, target)
    elif target and Path(target).is_dir():
        chosen.add(_in_directory(Path(target)), target)
    elif obsid := _obsid(target):
        chosen.add([obsid], target)
    elif Path(target).is_file():
        _add_list(chosen, root, Path(target))
    elif ":" in target:
        _add_range(chosen, root, *target.split(":", 1))
    else:
        raise BadParameter(f"{target!r} is no night, observation, list or directory", HINT)


def _add_range(chosen: Selection, root: Path, start: str, end: str) -> None:
    low, high = _night(start), _night(end)
    source = low if low == high else f"{low}:{high}"
    found = nights(root, low, high)
    chosen.add((obsid for night in found for obsid in observations(root, night)), source)


def observations(root: Path, night: str) -> list[ObsID]:
    """The observations of a night that have an L0, in order of time; [] where there is no night."""
    folder = level_dir(root, KPF.raw, night)
    return sorted(obsid for obsid, suffix in _names(folder) if not suffix and obsid.night == night)


def _in_directory(folder: Path) -> list[ObsID]:
    places = [folder, *(folder / name for name in _listed(folder) if NIGHT.fullmatch(name))]
    return sorted({obsid for place in places for obsid, _ in _names(place)})


def _names(folder: Path) -> Iterator[tuple[ObsID, str]]:
    """Each observation's file in a directory, with the suffix that tells its level."""
    for match in filter(None, map(KPF.filename.fullmatch, _listed(folder))):
        yield ObsID(match["obsid"]), match["suffix"]


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadInput(f"can't list {folder}: {error.strerror}", "make it readable") from error


def _add_list(chosen: Selection, root: Path, file: Path) -> None:
    cells = [cell for cell in namelist.first_column(file) if cell and not cell.startswith("#")]
    place = f"the list {file}"
    if not cells:
        chosen.notes.append(f"no observations in {place}")
    for number, cell in enumerate(cells):
        if NIGHT.fullmatch(cell):
            _add_range(chosen, root, cell, cell)
        elif obsid := _obsid(cell):
            chosen.add([obsid], place)
        elif number or _MISSPELT.match(cell):
            # The first line may be a header
            chosen.unknown[cell] = place


def _obsid(name: str) -> ObsID | None:
    try:
        return ObsID.parse(name)
    except BadInput:
        return None


def _night(text: str) -> str:
    try:
        return check_night(text)
    except ValueError as error:
        raise BadParameter(f"night {text!r}: {error}", HINT) from None
