"""Copies of spec1d files to be changed: the reduction's own stay as they are.

PypeIt writes calibrated fluxes into the file that it reads, and coadds each object that is in it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kpfnb import files, fitsheader, fitstable

OBJECT = re.compile(r"\w+-SLIT(\d+)-([A-Z]+\d+)")
"""PypeIt's name of an object in a slit, as SPAT0176-SLIT0175-DET01."""


def copy(spec1d: Path, target: Path, excluded: Iterable[str]) -> int:
    """Copy a spec1d file without the objects in some slits; how many objects the copy has.

    Nothing is written where no object is left.

    excluded : slits as "DET01:175"
    """
    from astropy.io import fits

    without = set(excluded)
    with fits.open(spec1d, memmap=False) as hdus:
        objects = [hdu.name for hdu in hdus[1:] if hdu.header.get("DMODCLS") == "SpecObj"]
        dropped = {name for name in objects if slit(name) in without}
        left = len(objects) - len(dropped)
        if not left:
            return 0
        with files.replacing(target) as temporary:
            if dropped:
                _without(hdus, dropped, left).writeto(temporary, overwrite=True)
            else:
                shutil.copyfile(spec1d, temporary)
    return left


def slit(name: str) -> str:
    """The slit of an object, as "DET01:175"; '' for an object of an echelle order."""
    found = OBJECT.fullmatch(name)
    return f"{found[2]}:{int(found[1])}" if found else ""


def why_not_calibrated(spec1d: Path) -> str:
    """Why a spec1d file has no calibrated fluxes; '' where each of its objects has."""
    if defect := fitsheader.defect(spec1d):
        return f"its copy is {defect}"
    lacking = [
        hdu.name
        for hdu in fitsheader.hdus(spec1d)
        if (columns := _columns(hdu)) and not _is_calibrated(columns)
    ]
    return f"no calibrated flux for {', '.join(lacking)}" if lacking else ""


def _without(hdus: Any, dropped: set[str], left: int) -> Any:
    from astropy.io import fits

    kept = fits.HDUList([hdu for hdu in hdus if hdu.name not in dropped])
    header = kept[0].header
    for card in [key for key in header if re.fullmatch(r"EXT\d{4}", key)]:
        del header[card]
    for number, hdu in enumerate(kept[1:]):
        header[f"EXT{number:04d}"] = hdu.name
    header["NSPEC"] = left
    return kept


def _columns(hdu: fitsheader.Hdu) -> set[str]:
    """The columns of an object's table; none for anything else."""
    if not OBJECT.fullmatch(hdu.name) and not hdu.name.startswith("OBJ"):
        return set()
    return set(fitstable.read(hdu))


def _is_calibrated(columns: set[str]) -> bool:
    return all(f"{kind}_FLAM" in columns for kind in ("OPT", "BOX") if f"{kind}_COUNTS" in columns)
