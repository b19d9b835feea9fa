"""What an observation is of, and which data levels are expected of it, by its L0 header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files.obsid import KPF

SOURCE_TYPES = (
    *("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe"),
    *("Sun", "Star", "Sky", "Other"),
)
CAMERAS = ("GREEN", "RED", "CA_HK")
"""Keywords that are YES where the camera was used."""

_SOURCE_BY_IMTYPE = {"bias": "Bias", "dark": "Dark"}
_SOURCE_BY_LAMP = {"lfc": "LFC", "etalon": "Etalon", "th_": "ThAr", "thar": "ThAr", "une": "UNe"}


class RawFile(NamedTuple):
    """An L0 file as its header describes it; `problem` says why the header can't be read."""

    modified_ns: int
    camera: bool = False
    """GREEN, RED or CA_HK was used."""
    imtype: str = ""
    problem: str = ""


LevelRule = Callable[[RawFile], bool]

LEVEL_RULES: dict[str, LevelRule] = {
    "2D": lambda raw: True,
    "L1": lambda raw: raw.camera,
    "L2": lambda raw: raw.camera and raw.imtype not in ("Bias", "Dark"),
}
"""Which observations are expected to have a level."""


def source_type(header: Mapping[str, HeaderValue]) -> str:
    """The type of source, one of `SOURCE_TYPES`; '' if the header has no IMTYPE."""
    imtype, name = (_lower_word(header, key) for key in ("IMTYPE", "OBJECT"))
    if not imtype:
        return ""
    if imtype in _SOURCE_BY_IMTYPE:
        return _SOURCE_BY_IMTYPE[imtype]
    if imtype.startswith("flat"):
        return "Wide Flat" if _lower_word(header, "FFFB") in ("yes", "on", "true") else "Flat"
    lamp = f"{name} {_lower_word(header, 'OCTAGON')}"
    if imtype == "arclamp":
        return next((source for word, source in _SOURCE_BY_LAMP.items() if word in lamp), "Other")
    if "socal" in name or "socal" in _lower_word(header, "SCI-OBJ"):
        return "Sun"
    if imtype != "object":
        return "Other"
    return {"sky": "Sky", "none": "Other"}.get(_lower_word(header, "SCI-OBJ"), "Star")


def uses_camera(header: Mapping[str, HeaderValue]) -> bool:
    """Whether GREEN, RED or CA_HK was used."""
    return any(str(header.get(camera, "")).strip() == "YES" for camera in CAMERAS)


def expected_levels(header: Mapping[str, HeaderValue]) -> tuple[str, ...]:
    """The levels that are expected of an observation, the raw one first."""
    raw = RawFile(0, uses_camera(header), str(header.get("IMTYPE") or "").strip())
    return (KPF.raw, *(level for level in KPF.products if LEVEL_RULES[level](raw)))


def _lower_word(header: Mapping[str, HeaderValue], keyword: str) -> str:
    return str(header.get(keyword) or "").strip().lower()
