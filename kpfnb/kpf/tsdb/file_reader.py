"""The reader of one file for the database; it opens the file once.

It reads the PRIMARY header of every level, TELEMETRY of L0, and of L2 the headers of RV and
GREEN_CCF (which names the masks) and the table RV.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from kpfnb.core.fits import cards, headers, tables
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import HDU, InvalidHeaderError
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.keywords import PRIMARY, TELEMETRY
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb.file_content import (
    GREEN_CCF,
    RV,
    FileContent,
    FileSignature,
    FileWarning,
    FileWarningKind,
    Keyword,
)

TELEMETRY_STATISTICS = ("average", "stddev", "min", "max")
"""The statistics of a sensor in TELEMETRY; the first is the value of the sensor."""

RV_COLUMNS = {
    "orderlet1": ("RV1", "RV of SCI1", "km/s"),
    "orderlet2": ("RV2", "RV of SCI2", "km/s"),
    "orderlet3": ("RV3", "RV of SCI3", "km/s"),
    "RV": ("RVS", "RV of SCI", "km/s"),
    "RV error": ("ERVS", "error of the RV of SCI", "km/s"),
    "CAL RV": ("RVC", "RV of CAL", "km/s"),
    "CAL error": ("ERVC", "error of the RV of CAL", "km/s"),
    "SKY RV": ("RVY", "RV of SKY", "km/s"),
    "SKY error": ("ERVY", "error of the RV of SKY", "km/s"),
    "CCFBJD": ("CCFBJD", "BJD", "d"),
    "Bary_RVC": ("BCRV", "barycentric RV", "km/s"),
    "CCF Weights": ("CCFW", "CCF weight", ""),
}
"""Column of the RV table to prefix of its keywords (the order follows), description, unit."""

RV_ORDERS = 67


class FileRefusedError(Exception):
    """A file that can't be ingested; the message says why."""


def read_signature(path: str) -> FileSignature:
    """Size and modification time of a file."""
    status = Path(path).stat()
    return FileSignature(status.st_size, status.st_mtime_ns)


def read_file(
    path: str | Path,
    *,
    statistics: Sequence[str] = TELEMETRY_STATISTICS[:1],
    comments: dict[Keyword, str] | None = None,
) -> FileContent:
    """Read a file of any level.

    Parameters
    ----------
    statistics : which of `TELEMETRY_STATISTICS`; all but the average are named SENSOR:stddev
    comments : comments of files read before; new ones are added

    Raises
    ------
    FileRefusedError : the file is missing, empty, truncated, not FITS, not named as an
        observation, or changed while it was read
    """
    path = str(path)
    match = KPF.filename_pattern.fullmatch(Path(path).name)
    if not match:
        raise FileRefusedError("not the file name of an observation")
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    try:
        content = FileContent(path, match["obsid"], level, read_signature(path), time.time_ns())
        content.comments = {} if comments is None else comments
        _read_hdus(content, statistics)
        if read_signature(path) != content.signature:
            raise FileRefusedError("changed while it was read")
    except InvalidHeaderError as error:
        detail = error.args[2] and f" ({error.args[2]})"
        raise FileRefusedError(f"{error.reason}{detail}") from None
    except OSError as error:
        raise FileRefusedError(error.strerror or str(error)) from None
    return content


def _read_hdus(content: FileContent, statistics: Sequence[str]) -> None:
    """Go through the whole file, since a truncated product is refused."""
    names = set()
    for index, hdu in enumerate(headers.iterate_hdus(content.path)):
        name = PRIMARY if index == 0 else hdu.name
        names.add(name)
        if index == 0:
            _read_cards(content, PRIMARY, hdu)
        elif content.level == KPF.raw and name == TELEMETRY:
            _read_table(content, hdu, lambda c, table: _read_telemetry(c, table, statistics))
        elif content.level == KPF.products[-1] and name == RV:
            _read_cards(content, RV, hdu)
            _read_table(content, hdu, _read_velocities)
        elif content.level == KPF.products[-1] and name == GREEN_CCF:
            _read_cards(content, GREEN_CCF, hdu)
    content.extensions = tuple(sorted(names))
    if len(names) == 1:
        content.warnings.append(FileWarning(FileWarningKind.NO_DATA, ""))
    if content.level == KPF.raw and TELEMETRY not in names:
        content.warnings.append(FileWarning(FileWarningKind.NO_TELEMETRY, ""))
    if content.level == KPF.products[-1] and RV not in names:
        content.warnings.append(FileWarning(FileWarningKind.NO_RV, ""))


def _read_cards(content: FileContent, extension: str, hdu: HDU) -> None:
    values, comments = content.values, content.comments
    names = _keywords_by_name(content.level, extension)
    repeated: set[str] = set()
    duplicates: set[str] = set()
    for name, value, comment in cards.parse_cards(hdu.header):
        keyword = names[name]
        if keyword is None:
            continue
        if keyword in values:
            (repeated if values[keyword] == value else duplicates).add(name)
        else:
            values[keyword] = value
            if keyword not in comments:
                comments[keyword] = comment
    content.add_warning(FileWarningKind.DUPLICATE, sorted(duplicates))
    content.add_warning(FileWarningKind.REPEATED, sorted(repeated - duplicates))


class _KeywordsByName(dict[str, Keyword | None]):
    """The keywords of a header by name; None for those that say how the file is stored."""

    def __init__(self, level: str, extension: str) -> None:
        self._where = level, extension

    def __missing__(self, name: str) -> Keyword | None:
        is_ignored = name in cards.COMMENTARY or keywords.is_structural(name)
        keyword = self[name] = None if is_ignored else Keyword(*self._where, name)
        return keyword


@lru_cache
def _keywords_by_name(level: str, extension: str) -> _KeywordsByName:
    return _KeywordsByName(level, extension)


def _read_table(
    content: FileContent, hdu: HDU, take: Callable[[FileContent, tables.TableColumns], None]
) -> None:
    try:
        take(content, tables.read_table(hdu))
    except (ValueError, TypeError, KeyError) as error:
        # astropy may raise these for a damaged table; the header is valid nevertheless
        content.warnings.append(FileWarning(FileWarningKind.BAD_TABLE, f"{hdu.name}: {error}"))


def _read_telemetry(
    content: FileContent, table: tables.TableColumns, statistics: Sequence[str]
) -> None:
    if not table or not table["keyword"].size:
        content.warnings.append(FileWarning(FileWarningKind.EMPTY_TELEMETRY, ""))
        return
    names = _to_texts(table["keyword"])
    blank = [""] * len(names)
    units = _to_texts(table["units"]) if "units" in table else blank
    descriptions = _to_texts(table["description"]) if "description" in table else blank
    missing = []
    for statistic in statistics:
        texts = _to_texts(table[statistic])
        suffix = "" if statistic == TELEMETRY_STATISTICS[0] else f":{statistic}"
        for name, text, unit, description in zip(names, texts, units, descriptions, strict=True):
            value = _parse_reading(text)
            if value != value:
                missing.append(name + suffix)
            content.add_keyword(TELEMETRY, name + suffix, value, f"[{unit}] {description}")
    content.add_warning(FileWarningKind.NAN, missing)


def _read_velocities(content: FileContent, table: tables.TableColumns) -> None:
    lengths = {len(table[column]) for column in RV_COLUMNS if column in table}
    if lengths != {RV_ORDERS}:
        rows = sorted(lengths)
        content.warnings.append(
            FileWarning(FileWarningKind.BAD_TABLE, f"{RV}: rows {rows}, not {RV_ORDERS}")
        )
        return
    missing: list[str] = []
    for column in RV_COLUMNS:
        if column not in table:
            content.warnings.append(
                FileWarning(FileWarningKind.BAD_TABLE, f"{RV}: no column {column}")
            )
            continue
        values = np.asarray(table[column], dtype=np.float64)
        names = _order_keywords(content.level, column)
        content.values.update(zip(names, values.tolist(), strict=True))
        if names[0] not in content.comments:
            content.comments.update(_order_comments(content.level, column))
        missing += [names[row].name for row in np.flatnonzero(np.isnan(values))]
    content.add_warning(FileWarningKind.NAN, missing)


@lru_cache
def _order_keywords(level: str, column: str) -> list[Keyword]:
    prefix = RV_COLUMNS[column][0]
    return [Keyword(level, RV, f"{prefix}{order:02d}") for order in range(RV_ORDERS)]


@lru_cache
def _order_comments(level: str, column: str) -> dict[Keyword, str]:
    _, what, unit = RV_COLUMNS[column]
    return {
        keyword: f"[{unit}] {what}, order {order:02d}"
        for order, keyword in enumerate(_order_keywords(level, column))
    }


def _parse_reading(text: str) -> HeaderValue:
    """A reading of a sensor as a number; the text itself if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _to_texts(column: np.ndarray) -> list[str]:
    """A column of any type as texts."""
    values = column.tolist()
    if column.dtype.kind == "S":
        return [value.decode("ascii", "replace").strip() for value in values]
    return [str(value).strip() for value in values]
