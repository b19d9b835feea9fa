"""Rows of coadded_files_meta.dat: one for each spectrum that was coadded into a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpfnb import fitscards, fitsheader
from kpfnb.adap import dataset
from kpfnb.adap.archive import tables
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.content import Content
from kpfnb.adap.archive.reducedrows import Row, Rows, koaid
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import COADD_1D, COADD_2D, Unit
from kpfnb.errors import BadInput
from kpfnb.fitsheader import BadHeader

COADDED = "OneSpec"
NONE = "None"
REPORT, PARAMETERS = "collate_report.dat", "collate1d.par"
FILES = ("coadd1d_filename", "coadd2d_filename", "coadd1d_par_file")
ORIGIN = ("source_id", "spec1d_filename")


def columns(rules: Rules) -> list[str]:
    """The columns of the table, in their order."""
    return [*FILES, *rules.coadded_spectrum, *ORIGIN, *rules.coadded_header]


def make(root: Path, unit: Unit, content: Content, rules: Rules) -> Rows:
    """The rows of all files of coadded spectra of a unit.

    What was coadded, PypeIt's report beside them tells; the spec1d files may be in any dataset of
    the configuration.
    """
    found = Rows([], [])
    spec1ds = _spec1ds(root, unit)
    for coadd in content.of_model(COADDED, COADD_1D):
        folder = coadd.rpartition("/")[0]
        entries = _entries(root / unit.name, content, folder, found.missing)
        own = [entry for entry in entries if entry.get("filename") == coadd.rpartition("/")[2]]
        if entries and not own:
            found.missing.append(f"{coadd}: not in {REPORT}")
        parameters = f"{folder}/{PARAMETERS}"
        if parameters not in content.files:
            found.missing.append(f"{coadd}: no {PARAMETERS}")
        for entry in own:
            place = spec1ds.get(str(entry.get("spec1d_filename")))
            if place is None:
                found.missing.append(f"{coadd}: no {entry.get('spec1d_filename')}")
            two = _coadd_2d(folder, str(entry.get("spec1d_filename")), content)
            names = (coadd, two, parameters if parameters in content.files else None)
            row = dict(zip(FILES, [n and f"{unit.name}/{n}" for n in names], strict=True))
            found.rows.append(row | _origin(root, place, entry, rules))
    found.missing[:] = dict.fromkeys(found.missing)
    return found


def _entries(top: Path, content: Content, folder: str, missing: list[str]) -> list[Row]:
    """The rows of the report in a folder of coadds."""
    report = f"{folder}/{REPORT}"
    if report not in content.files:
        missing.append(f"{folder}: no {REPORT}")
        return []
    try:
        found = tables.read(top / content.files[report])
    except BadInput as error:
        missing.append(f"{report}: {error.what}")
        return []
    # PypeIt writes no nulls
    return [{k: None if v == NONE else v for k, v in row.items()} for row in found]


def _spec1ds(root: Path, unit: Unit) -> dict[str, str]:
    """Paths below the root of all spec1d files of the configuration, by name.

    Of two of the same name the one in the unit itself counts, else the first.
    """
    top = root / unit.config
    found = [
        p.relative_to(root).as_posix() for p in top.glob("*/complete/reduce*/*/Science/*.fits")
    ]
    found += [p.relative_to(root).as_posix() for p in top.rglob("Science_coadd/*.fits")]
    results = [p for p in found if "/Science_coadd/" in p or dataset.is_result(_below_dataset(p))]
    ranked = sorted(results, key=lambda p: (not p.startswith(f"{unit.name}/"), p), reverse=True)
    return {path.rpartition("/")[2]: path for path in ranked}


def _below_dataset(path: str) -> str:
    return "/".join(path.split("/")[3:])


def _coadd_2d(folder: str, spec1d: str, content: Content) -> str | None:
    """The 2D coadd beside a folder of 1D coadds, where there is one of that target.

    There is a file a target; its name ends like that of the target's spec1d begins.
    """
    beside = f"{folder.partition(COADD_1D)[0]}{COADD_2D}/Science_coadd/"
    found = [p for p in content.files if p.startswith(f"{beside}spec2d_") and p.endswith(".fits")]
    if len(found) <= 1:
        return found[0] if found else None
    target = spec1d.partition("-")[2].partition("_")[0]
    named = [path for path in found if target and path.endswith(f"-{target}.fits")]
    return named[0] if len(named) == 1 else None


def _origin(root: Path, spec1d: str | None, entry: Row, rules: Rules) -> Row:
    """What the table says of the spectrum and its spec1d; as the report has it without the file."""
    header, spectrum = _headers(root, spec1d, str(entry.get("pypeit_name")))
    values = {c: spectrum.get(k, entry.get(c)) for c, k in rules.coadded_spectrum.items()}
    name = _in_delivery(spec1d) if spec1d else entry.get("spec1d_filename")
    below = {c: header.get(k, entry.get(c)) for c, k in rules.coadded_header.items()}
    return values | dict(zip(ORIGIN, [koaid(header), name], strict=True)) | below


def _headers(root: Path, spec1d: str | None, name: str) -> tuple[Mapping[str, Any], Row]:
    """The primary header of a spec1d, and that of one of its spectra."""
    if spec1d is None:
        return {}, {}
    try:
        primary, *others = (
            fitscards.values(fitscards.parse(hdu.header)) for hdu in fitsheader.hdus(root / spec1d)
        )
    except BadHeader:
        # Its own dataset names it as damaged
        return {}, {}
    return primary, next((dict(one) for one in others if one.get("NAME") == name), {})


def _in_delivery(path: str) -> str:
    """The place of a file in the delivery, by its path below the root."""
    parts = path.split("/")
    try:
        owner = units.parse("/".join(parts[:3]))
    except BadInput:
        owner = units.parse("/".join(parts[:2]))
    return f"{owner.name}/{units.delivered(path.removeprefix(owner.name + '/'))}"
