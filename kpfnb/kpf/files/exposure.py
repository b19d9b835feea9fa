"""What an observation is of, and which levels are expected of it, as its header tells."""

from __future__ import annotations

from collections.abc import Mapping

from kpfnb.fitscards import Value
from kpfnb.kpf.inventory import CAMERAS
from kpfnb.kpf.judgement import EXPECTED, Raw
from kpfnb.kpf.obsid import KPF

SOURCES = (
    *("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe"),
    *("Sun", "Star", "Sky", "Other"),
)

_BY_IMTYPE = {"bias": "Bias", "dark": "Dark"}
_BY_LAMP = {"lfc": "LFC", "etalon": "Etalon", "th_": "ThAr", "thar": "ThAr", "une": "UNe"}


def source(header: Mapping[str, Value]) -> str:
    """The kind of source, one of `SOURCES`; '' where the header has no IMTYPE."""
    imtype, name = (_word(header, key) for key in ("IMTYPE", "OBJECT"))
    if not imtype:
        return ""
    if imtype in _BY_IMTYPE:
        return _BY_IMTYPE[imtype]
    if imtype.startswith("flat"):
        return "Wide Flat" if _word(header, "FFFB") in ("yes", "on", "true") else "Flat"
    lamp = f"{name} {_word(header, 'OCTAGON')}"
    if imtype == "arclamp":
        return next((kind for word, kind in _BY_LAMP.items() if word in lamp), "Other")
    if "socal" in name or "socal" in _word(header, "SCI-OBJ"):
        return "Sun"
    if imtype != "object":
        return "Other"
    return {"sky": "Sky", "none": "Other"}.get(_word(header, "SCI-OBJ"), "Star")


def expected(header: Mapping[str, Value]) -> tuple[str, ...]:
    """The levels that are expected of an observation, the raw one first."""
    used = any(str(header.get(camera, "")).strip() == "YES" for camera in CAMERAS)
    raw = Raw(0, used, str(header.get("IMTYPE") or "").strip())
    return (KPF.raw, *(level for level in KPF.products if EXPECTED[level](raw)))


def _word(header: Mapping[str, Value], keyword: str) -> str:
    return str(header.get(keyword) or "").strip().lower()
