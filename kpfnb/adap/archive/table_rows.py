"""The rows of a delivery's two tables: of reduced files, and of coadded spectra."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.adap.archive.ipac_tables import read_table
from kpfnb.adap.archive.unit import (
    COADD_1D,
    COADD_2D,
    ArchiveRules,
    ArchiveUnit,
    UnitContent,
    archive_path,
    parse_unit,
)
from kpfnb.adap.products import dataset
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers
from kpfnb.core.fits.headers import InvalidHeaderError

SCIENCE = "Science"
SPECTRUM_MODEL, COADD_MODEL = "SpecObj", "OneSpec"
COLLATE_REPORT, COLLATE_PARAMETERS = "collate_report.dat", "collate1d.par"
REPORT_NONE = "None"
"""What PypeIt writes into its report for no value."""

REDUCED_FILE_COLUMNS = ("koaid", "spec1d_file", "spec1d_info", "spec2d_file", "pypeit_file")
COADD_FILE_COLUMNS = ("coadd1d_filename", "coadd2d_filename", "coadd1d_par_file")
COADD_ORIGIN_COLUMNS = ("source_id", "spec1d_filename")

_KOAID = re.compile(r"[A-Z0-9]{2}\.\d{8}\.\d{5}")

TableRow = dict[str, Any]
"""Values by column; None for no value."""


class TableRows(NamedTuple):
    """Rows of a table, and what is missing for them."""

    rows: list[TableRow]
    missing: list[str]


def reduced_columns(rules: ArchiveRules) -> list[str]:
    """The columns of reduced_files_meta.dat, in order."""
    return [*REDUCED_FILE_COLUMNS, *rules.reduced]


def coadded_columns(rules: ArchiveRules) -> list[str]:
    """The columns of coadded_files_meta.dat, in order."""
    return [
        *COADD_FILE_COLUMNS,
        *rules.coadded_spectrum,
        *COADD_ORIGIN_COLUMNS,
        *rules.coadded_header,
    ]


def make_reduced_rows(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> TableRows:
    """The rows of a dataset in reduced_files_meta.dat: a row for each spec1d."""
    result = TableRows([], [])
    keywords = [*rules.reduced.values(), "KOAID", "FILENAME"]
    for spec1d in content.places_of_model(SPECTRUM_MODEL, SCIENCE):
        related, missing = _related_files(spec1d, content)
        result.missing.extend(missing)
        header = headers.read_header(root / unit.name / content.files[spec1d], keywords)
        names = [_below_unit(unit, name) for name in (spec1d, *related)]
        files = dict(zip(REDUCED_FILE_COLUMNS, [find_koaid(header), *names], strict=True))
        values = {column: header.get(key) for column, key in rules.reduced.items()}
        result.rows.append(files | values)
    return result


def find_koaid(header: Mapping[str, Any]) -> str | None:
    """The KOAID of a raw frame, from the header of one of its products.

    Without a KOAID in the header, the name of the raw file begins with it (as
    `DE.20110402.40001.fits`), or takes its place.
    """
    if koaid := str(header.get("KOAID") or "").strip():
        return koaid
    name = str(header.get("FILENAME") or "").strip()
    match = _KOAID.match(name)
    return f"{match[0]}.fits" if match else name or None


def _below_unit(unit: ArchiveUnit, name: str | None) -> str | None:
    return name and f"{unit.name}/{name}"


def _related_files(spec1d: str, content: UnitContent) -> tuple[list[str | None], list[str]]:
    """The text file, spec2d and .pypeit file of a spec1d; and which of them are missing."""
    folder, _, name = spec1d.rpartition("/")
    setup = folder.rpartition("/")[0]
    expected = {
        "text file": f"{folder}/{name.removesuffix('.fits')}.txt",
        "spec2d": f"{folder}/{name.replace('spec1d', 'spec2d', 1)}",
    }
    files = content.files
    related = [path if path in files else None for path in expected.values()]
    missing = [f"{spec1d}: no {kind}" for kind, path in expected.items() if path not in files]
    plans = [p for p in files if p.endswith(".pypeit") and p.rpartition("/")[0] == setup]
    if len(plans) != 1:
        missing.append(f"{spec1d}: {'no' if not plans else len(plans)} .pypeit file in {setup}")
    return [*related, plans[0] if len(plans) == 1 else None], missing


def make_coadded_rows(
    root: Path, unit: ArchiveUnit, content: UnitContent, rules: ArchiveRules
) -> TableRows:
    """The rows of a unit in coadded_files_meta.dat: a row for each spectrum in a coadd.

    PypeIt's report beside the coadds says which spectra these are; their spec1d files may be in any
    dataset of the configuration.
    """
    result = TableRows([], [])
    spec1ds = _spec1d_paths(root, unit)
    for coadd in content.places_of_model(COADD_MODEL, COADD_1D):
        folder, _, file = coadd.rpartition("/")
        entries = _report_entries(root / unit.name, content, folder, result.missing)
        spectra = [entry for entry in entries if entry.get("filename") == file]
        if entries and not spectra:
            result.missing.append(f"{coadd}: not in {COLLATE_REPORT}")
        parameters: str | None = f"{folder}/{COLLATE_PARAMETERS}"
        if parameters not in content.files:
            result.missing.append(f"{coadd}: no {COLLATE_PARAMETERS}")
            parameters = None
        for spectrum in spectra:
            spec1d = str(spectrum.get("spec1d_filename"))
            if spec1d not in spec1ds:
                result.missing.append(f"{coadd}: no {spec1d}")
            names = (coadd, _matching_coadd_2d(folder, spec1d, content), parameters)
            paths = [_below_unit(unit, name) for name in names]
            files = dict(zip(COADD_FILE_COLUMNS, paths, strict=True))
            origin = _origin_columns(root, spec1ds.get(spec1d), spectrum, rules)
            result.rows.append(files | origin)
    result.missing[:] = dict.fromkeys(result.missing)
    return result


def _report_entries(
    top: Path, content: UnitContent, folder: str, missing: list[str]
) -> list[TableRow]:
    """The rows of PypeIt's report in a folder of coadds."""
    report = f"{folder}/{COLLATE_REPORT}"
    if report not in content.files:
        missing.append(f"{folder}: no {COLLATE_REPORT}")
        return []
    try:
        rows = read_table(top / content.files[report])
    except InvalidInputError as error:
        missing.append(f"{report}: {error.what}")
        return []
    return [{key: None if v == REPORT_NONE else v for key, v in row.items()} for row in rows]


def _spec1d_paths(root: Path, unit: ArchiveUnit) -> dict[str, str]:
    """Paths below the root of all spec1d files of the configuration, by name.

    Of several with the same name, the one in the unit itself counts, else the first.
    """
    top = root / unit.config
    files = [*top.glob("*/complete/reduce*/*/Science/*.fits"), *top.rglob("Science_coadd/*.fits")]
    paths = [file.relative_to(root).as_posix() for file in files]
    results = [
        path
        for path in paths
        if "/Science_coadd/" in path or dataset.is_result_file("/".join(path.split("/")[3:]))
    ]
    results.sort(key=lambda path: (not path.startswith(f"{unit.name}/"), path), reverse=True)
    return {path.rpartition("/")[2]: path for path in results}


def _matching_coadd_2d(folder: str, spec1d: str, content: UnitContent) -> str | None:
    """The 2D coadd of the same target, beside a folder of 1D coadds; None if there is none.

    There is one file for each target; its name ends with the target, the spec1d's begins with it.
    """
    prefix = f"{folder.partition(COADD_1D)[0]}{COADD_2D}/Science_coadd/spec2d_"
    paths = [path for path in content.files if path.startswith(prefix) and path.endswith(".fits")]
    if len(paths) > 1:
        target = spec1d.partition("-")[2].partition("_")[0]
        paths = [path for path in paths if target and path.endswith(f"-{target}.fits")]
    return paths[0] if len(paths) == 1 else None


def _origin_columns(
    root: Path, spec1d: str | None, entry: TableRow, rules: ArchiveRules
) -> TableRow:
    """The columns about the spectrum and its spec1d; without the file, those of PypeIt's report."""
    header, spectrum = _spec1d_headers(root, spec1d, str(entry.get("pypeit_name")))
    name = _path_in_delivery(spec1d) if spec1d else entry.get("spec1d_filename")
    origin = dict(zip(COADD_ORIGIN_COLUMNS, [find_koaid(header), name], strict=True))
    of_spectrum = {c: spectrum.get(k, entry.get(c)) for c, k in rules.coadded_spectrum.items()}
    of_header = {c: header.get(k, entry.get(c)) for c, k in rules.coadded_header.items()}
    return of_spectrum | origin | of_header


def _spec1d_headers(
    root: Path, spec1d: str | None, name: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The primary header of a spec1d, and the header of one of its spectra."""
    if spec1d is None:
        return {}, {}
    try:
        primary, *spectra = (
            cards.values_by_keyword(cards.parse_cards(hdu.header))
            for hdu in headers.iterate_hdus(root / spec1d)
        )
    except InvalidHeaderError:
        # Its own dataset reports it as damaged
        return {}, {}
    return primary, next((header for header in spectra if header.get("NAME") == name), {})


def _path_in_delivery(path: str) -> str:
    """The place of a file in the delivery, by its path below the root."""
    parts = path.split("/")
    try:
        unit = parse_unit("/".join(parts[:3]))
    except InvalidInputError:
        unit = parse_unit("/".join(parts[:2]))
    return f"{unit.name}/{archive_path(path.removeprefix(unit.name + '/'))}"
