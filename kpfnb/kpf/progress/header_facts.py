"""What is read of a file's headers to judge it, as text for the index.

Of an L2 all headers are read, and the table of velocities: that takes 0.3 ms, once for each file.
Of other products only the beginning is checked, or the DRPTAG is read where a version is asked for.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.fits import cards, headers
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import HDU
from kpfnb.kpf.files.exposure import (
    CAMERAS,
    expects_velocity,
    has_camera_keyword,
    missing_cameras,
    present_cameras,
    used_cameras,
)
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.progress.completeness import ProductFacts, describe_missing

RAW_KEYWORDS = (*CAMERAS, "IMTYPE", "OBJECT", "TARGNAME", "SCI-OBJ", "OCTAGON", "FFFB")
TAG_KEYWORD = "DRPTAG"
VELOCITY_KEYWORD = "CCFRV"
"""The velocity of both cameras in the primary header of an L2, since DRP version 2.7."""
CAMERA_VELOCITIES = ("CCD1RV", "CCD2RV")
"""The velocity of each camera, in the header of the extension RV."""
EXTENSIONS = "extensions"
VELOCITY_PROBLEM = "velocity problem"

FactReader = Callable[[str], str]
"""Reads facts from a file; raises OSError, `headers.InvalidHeaderError` or ValueError."""


class RawFacts(NamedTuple):
    """What the header of an L0 says; see `kpfnb.kpf.files.exposure.RawFile`."""

    cameras: tuple[str, ...]
    imtype: str
    velocity: bool
    by_extensions: bool
    """The header lacks the keyword of a camera: the extensions tell whether it was used."""


def read_raw_keywords(path: str) -> str:
    """The keywords of an L0 that give its source and the expected levels, as JSON.

    The names of its extensions too, if it lacks the keyword of a camera.
    """
    facts: dict[str, Any] = headers.read_header(path, RAW_KEYWORDS)
    if not all(has_camera_keyword(facts, camera) for camera in CAMERAS):
        facts[EXTENSIONS] = [hdu.name for hdu in headers.iterate_hdus(path)]
    return json.dumps(facts)


def read_drp_tag(path: str) -> str:
    """The DRPTAG of a product as JSON."""
    return json.dumps(headers.read_header(path, (TAG_KEYWORD,)))


def read_l2(path: str) -> str:
    """DRPTAG, cameras and velocity of an L2 as JSON."""
    primary: dict[str, HeaderValue] = {}
    names: list[str] = []
    problem = "no extension RV"
    for number, hdu in enumerate(headers.iterate_hdus(path)):
        if number == 0:
            primary = cards.select_values(hdu.header, (TAG_KEYWORD, VELOCITY_KEYWORD))
            continue
        names.append(hdu.name)
        if names[-1] == "RV":
            problem = find_velocity_problem(primary, hdu)
    tag = primary.get(TAG_KEYWORD)
    # Without any extension nothing is known of the cameras
    cameras = present_cameras(names) if names else None
    facts = {TAG_KEYWORD: tag, EXTENSIONS: cameras, VELOCITY_PROBLEM: problem}
    return json.dumps(facts)


def read_product(path: Path) -> ProductFacts:
    """What the headers of a product of any level say; errors as for `headers.read_header`."""
    is_l2 = path.name.endswith(f"{KPF.levels['L2']}.fits")
    return parse_product_facts((read_l2 if is_l2 else read_drp_tag)(str(path)))


def find_missing_cameras(path: Path) -> str:
    """Which cameras a product lacks though its header says that they were used; '' if none.

    All headers are read. A file without any extension is not judged.
    """
    units = list(headers.iterate_hdus(path))
    primary = cards.select_values(units[0].header, CAMERAS)
    names = [unit.name for unit in units[1:]]
    missing = missing_cameras(primary, names) if names else ()
    return describe_missing(missing) if missing else ""


def find_velocity_problem(primary: Mapping[str, HeaderValue], rv: HDU) -> str:
    """Why an L2 has no velocity, by its primary header and its extension RV; '' if it has one."""
    import numpy as np

    from kpfnb.core.fits import tables

    try:
        velocities = np.asarray(tables.read_table(rv).get("RV", ()), float)
    except ValueError as error:
        return f"RV table can't be read: {error}"
    if not velocities.size:
        return "RV table without velocities"
    if not (np.isfinite(velocities) & (velocities != 0)).any():
        return "RV table of zeros or NaN"
    if VELOCITY_KEYWORD in primary:
        value = primary[VELOCITY_KEYWORD]
        return "" if is_velocity(value) else f"{VELOCITY_KEYWORD} is {value!r}"
    means = cards.select_values(rv.header, CAMERA_VELOCITIES)
    if any(map(is_velocity, means.values())):
        return ""
    return f"no {VELOCITY_KEYWORD}, {' or '.join(CAMERA_VELOCITIES)}"


def check_fits_magic(path: str) -> str:
    """Check that it begins like a FITS file, without reading the header."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.pread(descriptor, 9, 0) == b"SIMPLE  =":
            return ""
    finally:
        os.close(descriptor)
    raise ValueError("not FITS")


@lru_cache(maxsize=1024)
def parse_raw_facts(facts: str) -> RawFacts:
    """What `read_raw_keywords` read."""
    header = json.loads(facts)
    names = header.pop(EXTENSIONS, None)
    return RawFacts(
        used_cameras(header, names or ()),
        str(header.get("IMTYPE") or "").strip(),
        expects_velocity(header),
        names is not None,
    )


@lru_cache(maxsize=1024)
def parse_product_facts(facts: str) -> ProductFacts:
    """What `read_drp_tag` or `read_l2` read; nothing if only the beginning was checked."""
    values = json.loads(facts) if facts else {}
    return ProductFacts(
        str(values.get(TAG_KEYWORD) or ""),
        None if values.get(EXTENSIONS) is None else tuple(values[EXTENSIONS]),
        values.get(VELOCITY_PROBLEM, ""),
    )


def is_velocity(value: HeaderValue) -> bool:
    """Whether a header's value is a velocity: a finite number, not 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value != 0
