"""What an observation is of, and which levels are expected of it, as its header tells."""

from __future__ import annotations

from collections.abc import Mapping

from kpfnb.core.fits.cards import HeaderValue
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.progress.completeness import LEVEL_RULES, RawFile
from kpfnb.kpf.progress.night_scan import CAMERAS

SOURCE_TYPES = (
    *("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe"),
    *("Sun", "Star", "Sky", "Other"),
)

_SOURCE_BY_IMTYPE = {"bias": "Bias", "dark": "Dark"}
_SOURCE_BY_LAMP = {"lfc": "LFC", "etalon": "Etalon", "th_": "ThAr", "thar": "ThAr", "une": "UNe"}


def source_type(header: Mapping[str, HeaderValue]) -> str:
    """The kind of source, one of `SOURCES`; '' where the header has no IMTYPE."""
    imtype, name = (_lower_word(header, key) for key in ("IMTYPE", "OBJECT"))
    if not imtype:
        return ""
    if imtype in _SOURCE_BY_IMTYPE:
        return _SOURCE_BY_IMTYPE[imtype]
    if imtype.startswith("flat"):
        return "Wide Flat" if _lower_word(header, "FFFB") in ("yes", "on", "true") else "Flat"
    lamp = f"{name} {_lower_word(header, 'OCTAGON')}"
    if imtype == "arclamp":
        return next((kind for word, kind in _SOURCE_BY_LAMP.items() if word in lamp), "Other")
    if "socal" in name or "socal" in _lower_word(header, "SCI-OBJ"):
        return "Sun"
    if imtype != "object":
        return "Other"
    return {"sky": "Sky", "none": "Other"}.get(_lower_word(header, "SCI-OBJ"), "Star")


def expected_levels(header: Mapping[str, HeaderValue]) -> tuple[str, ...]:
    """The levels that are expected of an observation, the raw one first."""
    used = any(str(header.get(camera, "")).strip() == "YES" for camera in CAMERAS)
    raw = RawFile(0, used, str(header.get("IMTYPE") or "").strip())
    return (KPF.raw, *(level for level in KPF.products if LEVEL_RULES[level](raw)))


def _lower_word(header: Mapping[str, HeaderValue], keyword: str) -> str:
    return str(header.get(keyword) or "").strip().lower()
