"""What an exposure is: its type of source, its cameras, what is expected of it, whether it is junk.

Junk observations are never processed and never counted as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files.obsid import KPF, ObsID, read_first_column

SOURCE_TYPES = (
    *("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe"),
    *("Sun", "Star", "Sky", "Other"),
)
CAMERAS = ("GREEN", "RED", "CA_HK")
"""Keywords that are YES where the camera was used; the names of its extensions begin so too."""
CCDS = ("GREEN", "RED")

_EXTENSION_PREFIXES = {"GUIDE": "GUIDER"}
"""Camera to what the names of its extensions begin with, where that is not its keyword."""

_USED = ("YES", "TRUE", "T", "1")
_SOURCE_BY_IMTYPE = {"bias": "Bias", "dark": "Dark"}
_SOURCE_BY_LAMP = {"lfc": "LFC", "etalon": "Etalon", "th_": "ThAr", "thar": "ThAr", "une": "UNe"}

JUNK_HEADER_LINES = 2


class RawFile(NamedTuple):
    """An L0 file as its header describes it; `problem` says why the header can't be read."""

    modified_ns: int
    cameras: tuple[str, ...] = ()
    """Those of `CAMERAS` that were used."""
    imtype: str = ""
    problem: str = ""
    velocity: bool = False
    """Its L2 has to have a velocity."""


LevelRule = Callable[[RawFile], bool]

LEVEL_RULES: dict[str, LevelRule] = {
    "2D": lambda raw: True,
    "L1": lambda raw: bool(raw.cameras),
    "L2": lambda raw: bool(raw.cameras) and raw.imtype not in ("Bias", "Dark"),
}
"""Which observations are expected to have a level."""


class JunkList(NamedTuple):
    """The junk observations, and notes about the list for a person.

    Attributes
    ----------
    nights : night (YYYYMMDD) to the ObsIDs of its junk
    problem : why an existing list can't be read; '' normally
    """

    nights: dict[str, frozenset[str]]
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def obsids(self) -> frozenset[str]:
        """The ObsIDs of all nights."""
        return frozenset().union(*self.nights.values())

    def for_night(self, night: str) -> frozenset[str]:
        """The ObsIDs of a night's junk."""
        return self.nights.get(night, frozenset())


def source_type(header: Mapping[str, HeaderValue]) -> str:
    """The type of source, one of `SOURCE_TYPES`; '' if the header has no IMTYPE."""
    imtype, name = (_lower_word(header, key) for key in ("IMTYPE", "OBJECT"))
    if not imtype:
        return ""
    if imtype in _SOURCE_BY_IMTYPE:
        return _SOURCE_BY_IMTYPE[imtype]
    if imtype.startswith("flat"):
        return "Wide Flat" if _lower_word(header, "FFFB") in ("yes", "on", "true") else "Flat"
    octagon = _lower_word(header, "OCTAGON")
    if imtype == "arclamp":
        lamp = f"{name} {octagon.replace('u_', 'une')}"
        return next((source for word, source in _SOURCE_BY_LAMP.items() if word in lamp), "Other")
    is_sun = _lower_word(header, "TARGNAME") in ("sun", "socal")
    if is_sun or "socal" in name or "socal" in _lower_word(header, "SCI-OBJ"):
        return "Sun"
    if imtype != "object":
        return "Other"
    return {"sky": "Sky", "none": "Other"}.get(_lower_word(header, "SCI-OBJ"), "Star")


def used_cameras(
    header: Mapping[str, HeaderValue], extension_names: Iterable[str] = ()
) -> tuple[str, ...]:
    """The cameras that were used, of `CAMERAS`; parameters as for `is_camera_used`."""
    names = list(extension_names)
    return tuple(camera for camera in CAMERAS if is_camera_used(header, camera, names))


def is_camera_used(
    header: Mapping[str, HeaderValue], camera: str, extension_names: Iterable[str] = ()
) -> bool:
    """Whether a camera was used, by the primary header of any level.

    Without its keyword: whether it has an extension, such as GREEN_AMP1 and CA_HK of an L0.

    camera : GREEN, RED, CA_HK, EXPMETER or GUIDE
    """
    if has_camera_keyword(header, camera):
        return str(header[camera]).strip().upper() in _USED
    prefix = _EXTENSION_PREFIXES.get(camera, camera)
    return any(
        name == prefix or name.startswith(f"{prefix}_")
        for name in (name.strip().upper() for name in extension_names)
    )


def has_camera_keyword(header: Mapping[str, HeaderValue], camera: str) -> bool:
    """Whether the keyword of a camera has a value."""
    return str(header.get(camera) if header.get(camera) is not None else "").strip() != ""


def present_cameras(extension_names: Iterable[str]) -> tuple[str, ...]:
    """The cameras that have an extension, of `CAMERAS`."""
    return used_cameras({}, extension_names)


def missing_cameras(
    header: Mapping[str, HeaderValue], extension_names: Iterable[str]
) -> tuple[str, ...]:
    """The CCD cameras (GREEN, RED) that were used and have no extension in a 2D, L1 or L2.

    The pipeline writes the extensions of both, empty where a camera was not used.
    """
    present = present_cameras(extension_names)
    return tuple(c for c in used_cameras(header) if c in CCDS and c not in present)


def expects_velocity(header: Mapping[str, HeaderValue]) -> bool:
    """Whether the L2 has to have a velocity: light of a star or the Sun was in the science fibre.

    The pipeline (v2.12) correlates every L2 with a mask, which SCI-OBJ chooses: lines of a
    star, or of the LFC, the etalon or thorium. Of a lamp, CCFRV says nothing about the file: a flat
    has no lines (that code finds 99.6 and 99.5 km/s, the end of its range, in the real L1
    KP.20240211.00048.69), and it writes 0 if the error can't be told, because a value of the
    correlation function is negative; whether that happens between the lines of a lamp is not known.
    """
    science = _lower_word(header, "SCI-OBJ")
    is_starlight = science == "target" or science.startswith("socal")
    return is_starlight and _lower_word(header, "IMTYPE") == "object"


def expected_levels(header: Mapping[str, HeaderValue]) -> tuple[str, ...]:
    """The levels that are expected of an observation, the raw one first."""
    raw = RawFile(0, used_cameras(header), str(header.get("IMTYPE") or "").strip())
    return (KPF.raw, *(level for level in KPF.products if LEVEL_RULES[level](raw)))


def read_junk_list(path: Path) -> JunkList:
    """The observations in the list, with or without `.fits`; without a list nothing is junk."""
    if not path.exists():
        return JunkList({}, (f"no junk list at {path}: nothing counts as junk",))
    try:
        cells = read_first_column(path)
    except InvalidInputError as error:
        return JunkList({}, (f"{error.what}: nothing counts as junk",), error.what)
    names = [ObsID.try_parse(cell) for cell in cells]
    body = list(zip(cells, names, strict=True))[JUNK_HEADER_LINES:]
    invalid = [cell for cell, name in body if cell and not name]
    notes = (
        (f"junk list: {len(invalid)} rows name no observation, first {invalid[0]!r}",)
        if invalid
        else ()
    )
    obsids = sorted({name for name in names if name})
    by_night = groupby(obsids, key=attrgetter("night"))
    return JunkList({night: frozenset(map(str, group)) for night, group in by_night}, notes)


def _lower_word(header: Mapping[str, HeaderValue], keyword: str) -> str:
    return str(header.get(keyword) or "").strip().lower()
