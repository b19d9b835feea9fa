"""Rows of reduced_files_meta.dat: one a spec1d, with the files that belong to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.adap.archive import ipac_tables
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.unit import COADD_1D, COADD_2D, ArchiveRules, ArchiveUnit, UnitContent
from kpfnb.adap.products import dataset
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers
from kpfnb.core.fits.headers import InvalidHeaderError

SCIENCE = "Science"
SPECTRUM_MODEL = "SpecObj"
REDUCED_FILE_COLUMNS = ("koaid", "spec1d_file", "spec1d_info", "spec2d_file", "pypeit_file")

_KOAID = re.compile(r"[A-Z0-9]{2}\.\d{8}\.\d{5}")

TableRow = dict[str, Any]
"""Values by column; None where there is none."""


class TableRows(NamedTuple):
    """Rows of a table, and what is missing for them."""

    rows: list[TableRow]
    missing: list[str]


def reduced_columns(rules: ArchiveRules) -> list[str]:
    """The columns of the table, in their order."""
    return [*REDUCED_FILE_COLUMNS, *rules.reduced]


def make_reduced_rows(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> TableRows:
    """The rows of a dataset."""
    found = TableRows([], [])
    for spec1d in content.places_of_model(SPECTRUM_MODEL, SCIENCE):
        related, missing = _related_files(spec1d, content)
        found.missing.extend(missing)
        header = headers.read_header(
            root / unit.name / content.files[spec1d], [*rules.reduced.values(), "KOAID", "FILENAME"]
        )
        names = [f"{unit.name}/{name}" if name else None for name in (spec1d, *related)]
        values = {column: header.get(key) for column, key in rules.reduced.items()}
        found.rows.append(
            dict(zip(REDUCED_FILE_COLUMNS, [find_koaid(header), *names], strict=True)) | values
        )
    return found


def find_koaid(header: Mapping[str, Any]) -> str | None:
    """The KOAID of a raw frame, from the header of what was made of it.

    Where there is no KOAID, the name of the raw file is one (it begins with it, as
    `DE.20110402.40001.fits`), or stands for one.
    """
    if given := str(header.get("KOAID") or "").strip():
        return given
    name = str(header.get("FILENAME") or "").strip()
    found = _KOAID.match(name)
    return f"{found[0]}.fits" if found else name or None


def _related_files(spec1d: str, content: UnitContent) -> tuple[list[str | None], list[str]]:
    """The text file, spec2d and .pypeit of a spec1d, and words on those that are not there."""
    folder, _, name = spec1d.rpartition("/")
    setup = folder.rpartition("/")[0]
    wanted = {
        "text file": f"{folder}/{name.removesuffix('.fits')}.txt",
        "spec2d": f"{folder}/{name.replace('spec1d', 'spec2d', 1)}",
    }
    found = [path if path in content.files else None for path in wanted.values()]
    missing = [f"{spec1d}: no {kind}" for kind, path in wanted.items() if path not in content.files]
    plans = [p for p in content.files if p.endswith(".pypeit") and p.rpartition("/")[0] == setup]
    if len(plans) != 1:
        missing.append(f"{spec1d}: {'no' if not plans else len(plans)} .pypeit file in {setup}")
    return [*found, plans[0] if len(plans) == 1 else None], missing


# Rows of coadded_files_meta.dat: one for each spectrum that was coadded into a file.

COADD_MODEL = "OneSpec"
REPORT_NONE = "None"
COLLATE_REPORT, COLLATE_PARAMETERS = "collate_report.dat", "collate1d.par"
COADD_FILE_COLUMNS = ("coadd1d_filename", "coadd2d_filename", "coadd1d_par_file")
COADD_ORIGIN_COLUMNS = ("source_id", "spec1d_filename")


def coadded_columns(rules: ArchiveRules) -> list[str]:
    """The columns of the table, in their order."""
    return [
        *COADD_FILE_COLUMNS,
        *rules.coadded_spectrum,
        *COADD_ORIGIN_COLUMNS,
        *rules.coadded_header,
    ]


def make_coadded_rows(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> TableRows:
    """The rows of all files of coadded spectra of a unit.

    What was coadded, PypeIt's report beside them tells; the spec1d files may be in any dataset of
    the configuration.
    """
    found = TableRows([], [])
    spec1ds = _spec1d_paths(root, unit)
    for coadd in content.places_of_model(COADD_MODEL, COADD_1D):
        folder = coadd.rpartition("/")[0]
        entries = _report_entries(root / unit.name, content, folder, found.missing)
        own = [entry for entry in entries if entry.get("filename") == coadd.rpartition("/")[2]]
        if entries and not own:
            found.missing.append(f"{coadd}: not in {COLLATE_REPORT}")
        parameters = f"{folder}/{COLLATE_PARAMETERS}"
        if parameters not in content.files:
            found.missing.append(f"{coadd}: no {COLLATE_PARAMETERS}")
        for entry in own:
            place = spec1ds.get(str(entry.get("spec1d_filename")))
            if place is None:
                found.missing.append(f"{coadd}: no {entry.get('spec1d_filename')}")
            two = _matching_coadd_2d(folder, str(entry.get("spec1d_filename")), content)
            names = (coadd, two, parameters if parameters in content.files else None)
            row = dict(
                zip(COADD_FILE_COLUMNS, [n and f"{unit.name}/{n}" for n in names], strict=True)
            )
            found.rows.append(row | _origin_columns(root, place, entry, rules))
    found.missing[:] = dict.fromkeys(found.missing)
    return found


def _report_entries(
    top: Path, content: UnitContent, folder: str, missing: list[str]
) -> list[TableRow]:
    """The rows of the report in a folder of coadds."""
    report = f"{folder}/{COLLATE_REPORT}"
    if report not in content.files:
        missing.append(f"{folder}: no {COLLATE_REPORT}")
        return []
    try:
        found = ipac_tables.read_table(top / content.files[report])
    except InvalidInputError as error:
        missing.append(f"{report}: {error.what}")
        return []
    # PypeIt writes no nulls
    return [{k: None if v == REPORT_NONE else v for k, v in row.items()} for row in found]


def _spec1d_paths(root: Path, unit: ArchiveUnit) -> dict[str, str]:
    """Paths below the root of all spec1d files of the configuration, by name.

    Of two of the same name the one in the unit itself counts, else the first.
    """
    top = root / unit.config
    found = [
        p.relative_to(root).as_posix() for p in top.glob("*/complete/reduce*/*/Science/*.fits")
    ]
    found += [p.relative_to(root).as_posix() for p in top.rglob("Science_coadd/*.fits")]
    results = [
        p for p in found if "/Science_coadd/" in p or dataset.is_result_file(_below_dataset(p))
    ]
    ranked = sorted(results, key=lambda p: (not p.startswith(f"{unit.name}/"), p), reverse=True)
    return {path.rpartition("/")[2]: path for path in ranked}


def _below_dataset(path: str) -> str:
    return "/".join(path.split("/")[3:])


def _matching_coadd_2d(folder: str, spec1d: str, content: UnitContent) -> str | None:
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


def _origin_columns(
    root: Path, spec1d: str | None, entry: TableRow, rules: ArchiveRules
) -> TableRow:
    """What the table says of the spectrum and its spec1d; as the report has it without the file."""
    header, spectrum = _spec1d_headers(root, spec1d, str(entry.get("pypeit_name")))
    values = {c: spectrum.get(k, entry.get(c)) for c, k in rules.coadded_spectrum.items()}
    name = _path_in_delivery(spec1d) if spec1d else entry.get("spec1d_filename")
    below = {c: header.get(k, entry.get(c)) for c, k in rules.coadded_header.items()}
    return values | dict(zip(COADD_ORIGIN_COLUMNS, [find_koaid(header), name], strict=True)) | below


def _spec1d_headers(
    root: Path, spec1d: str | None, name: str
) -> tuple[Mapping[str, Any], TableRow]:
    """The primary header of a spec1d, and that of one of its spectra."""
    if spec1d is None:
        return {}, {}
    try:
        primary, *others = (
            cards.values_by_keyword(cards.parse_cards(hdu.header))
            for hdu in headers.iterate_hdus(root / spec1d)
        )
    except InvalidHeaderError:
        # Its own dataset names it as damaged
        return {}, {}
    return primary, next((dict(one) for one in others if one.get("NAME") == name), {})


def _path_in_delivery(path: str) -> str:
    """The place of a file in the delivery, by its path below the root."""
    parts = path.split("/")
    try:
        owner = units.parse_unit("/".join(parts[:3]))
    except InvalidInputError:
        owner = units.parse_unit("/".join(parts[:2]))
    return f"{owner.name}/{units.archive_path(path.removeprefix(owner.name + '/'))}"
