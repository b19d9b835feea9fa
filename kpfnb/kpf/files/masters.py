"""The files of master calibrations: what their names say, and whether they are complete.

The names are those of KPF's Data Reduction Pipeline, version 2: in `masters/<night>/` most are
`kpf_<night>_master_<type>_<object>.fits`; a master that went through the pipeline as an exposure
does has the forms `_L1` and `_L2` too. Exceptions: the flat has no object, a smooth lamp is no
`master`, order traces and etalon masks are CSV files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.fits.cards import select_values
from kpfnb.core.fits.headers import InvalidHeaderError, find_defect, iterate_hdus
from kpfnb.kpf.files.obsid import KPF

MASTERS_DIR = "masters"
"""The directory of the masters, below the data root."""

POOL_DIR = "pool"
"""In the directory of the masters: the pipeline writes the stacks of all nights there first."""

ETALON_MASKS_DIR = "masks"
"""In the directory of a night: the lines of the etalon."""

FRAME_COUNT = "NFRAMES"
"""The number of frames in a stack, in the header of each of its images."""


class MasterType(StrEnum):
    """What a master is; the words are those of the file names where the names have one."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    ARCLAMP = "arclamp"
    WAVELENGTHS = "WLS"
    SMOOTH_LAMP = "smooth lamp"
    ORDER_TRACE = "order trace"
    ORDER_MASK = "order mask"
    RECTIFICATION = "rectification"
    ETALON_MASK = "etalon mask"

    @property
    def is_stack(self) -> bool:
        """True if it is an average of exposures, with uncertainties and numbers of frames."""
        return self in _STACKS


_STACKS = (MasterType.BIAS, MasterType.DARK, MasterType.FLAT, MasterType.ARCLAMP)
_STACK_PARTS = ("_UNC", "_CNT")
"""Suffixes of the extensions that belong to each image of a stack."""

_CCD_EXTENSIONS = ("GREEN_CCD", "RED_CCD")


class MasterName(NamedTuple):
    """What the name of a master says.

    Attributes
    ----------
    night : YYYYMMDD
    object : the rest of the name: OBJECT of the exposures (`autocal-lfc-all-eve`), the camera of an
        order trace, the times of day and the orderlet of an etalon mask; '' if there is none
    level : 2D, L1 or L2; '' for CSV files
    """

    name: str
    night: str
    type: MasterType
    object: str
    level: str


class MasterSelection(NamedTuple):
    """Masters of a type, whose object matches a pattern: `WLS autocal-lfc*`, `smooth lamp`."""

    type: MasterType
    pattern: str = "*"

    @classmethod
    def parse(cls, text: str) -> MasterSelection:
        """The selection of a text; ValueError names the known types."""
        for kind in MasterType:
            if text == kind or text.startswith(f"{kind} "):
                return cls(kind, text.removeprefix(kind).strip() or "*")
        raise ValueError(f"no type of master {text!r}; those are {', '.join(MasterType)}")

    def matches(self, name: MasterName) -> bool:
        """True for a master of this type and object as it is first made: without _L1 and _L2.

        A wavelength solution is only made as an L1.
        """
        return (
            name.type is self.type
            and fnmatchcase(name.object, self.pattern)
            and (name.level in ("", KPF.products[0]) or self.type is MasterType.WAVELENGTHS)
        )


_NIGHT = r"(?P<night>\d{8})"
_OBJECT = r"(?:_(?!L[12]\.)(?P<object>.+?))?"
_LEVEL = r"(?:_(?P<level>L1|L2))?"
_PATTERNS: tuple[tuple[MasterType | None, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            MasterType.ORDER_TRACE,
            rf"kpf_{_NIGHT}_(?:master_flat|order_trace)_(?P<object>(?:GREEN|RED)_CCD)\.csv",
        ),
        (MasterType.ETALON_MASK, rf"{_NIGHT}_(?P<object>[a-z]+_\w+)_etalon_wavelengths\.csv"),
        (MasterType.ORDER_MASK, rf"kpf_{_NIGHT}_order_mask{_OBJECT}{_LEVEL}\.fits"),
        (MasterType.SMOOTH_LAMP, rf"kpf_{_NIGHT}_smooth_lamp{_OBJECT}{_LEVEL}\.fits"),
        (MasterType.FLAT, rf"kpf_{_NIGHT}_master_flat(?P<object>){_LEVEL}\.fits"),
        (MasterType.RECTIFICATION, rf"kpf_{_NIGHT}_master_flat_(?P<object>.+?){_LEVEL}\.fits"),
        (
            None,
            rf"kpf_{_NIGHT}_master_(?P<type>bias|dark|arclamp|WLS){_OBJECT}{_LEVEL}\.fits",
        ),
    )
)
"""In order: a name has the type of the first pattern that it matches; None: the name says it."""


def parse_master_name(name: str) -> MasterName | None:
    """What a file name says of a master; None if it is no master's name."""
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if not match:
            continue
        groups = match.groupdict()
        level = "" if name.endswith(".csv") else groups.get("level") or KPF.products[0]
        return MasterName(
            name,
            match["night"],
            kind or MasterType(match["type"]),
            groups.get("object") or "",
            level,
        )
    return None


def list_masters(root: Path, night: str) -> dict[Path, MasterName]:
    """The masters of a night by path, sorted; other files are left out."""
    directory = root / MASTERS_DIR / night
    paths = sorted([*directory.glob("*"), *(directory / ETALON_MASKS_DIR).glob("*")])
    names = {path: parse_master_name(path.name) for path in paths}
    return {path: name for path, name in names.items() if name}


def find_master_defect(path: Path) -> str:
    """Why a master can't be used, in a few words; '' if nothing is wrong.

    A FITS file has to be complete, a CSV file to have a row. A stack needs an image of a CCD, and
    for each its uncertainties, the number of samples per pixel, and the number of frames.
    """
    if path.suffix == ".csv":
        return _find_csv_defect(path)
    defect = find_defect(path)
    name = parse_master_name(path.name)
    if defect or not name or not name.type.is_stack or name.level != KPF.products[0]:
        return defect
    return "; ".join(_stack_defects(path))


def _find_csv_defect(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return "" if sum(bool(line.strip()) for line in lines) > 1 else "no rows"


def _stack_defects(path: Path) -> Iterator[str]:
    try:
        frames = {
            hdu.name: select_values(hdu.header, [FRAME_COUNT]).get(FRAME_COUNT)
            for hdu in iterate_hdus(path)
        }
    except InvalidHeaderError as error:
        yield str(error.reason)
        return
    images = [name for name in _CCD_EXTENSIONS if name in frames]
    if not images:
        yield f"no extension {' or '.join(_CCD_EXTENSIONS)}"
    for image in images:
        yield from (
            f"no extension {image}{part}" for part in _STACK_PARTS if image + part not in frames
        )
        count = frames[image]
        if count is None:
            yield f"{image} has no {FRAME_COUNT}"
        elif not isinstance(count, int | float) or count < 1:
            yield f"{image} has {FRAME_COUNT} = {count}"
