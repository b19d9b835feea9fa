"""One file read for the database, with one opening of it.

From every level the PRIMARY header, from L0 TELEMETRY, from L2 the header and the table of RV.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from kpfnb import fitscards, fitsheader, fitstable
from kpfnb.fitsheader import BadHeader, Hdu
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.tsdb.content import (
    PRIMARY,
    RV,
    TELEMETRY,
    Content,
    Keyword,
    Known,
    Note,
    Trouble,
)
from kpfnb.kpf.tsdb.kinds import number
from kpfnb.parameters import check_night

STATISTICS = ("average", "stddev", "min", "max")
"""What TELEMETRY has of a sensor; the first is the sensor's own value."""

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
"""Column of the RV table to the beginning of its keywords (the order follows), what, unit."""

ORDERS = 67
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|EXTNAME|EXTVER|PCOUNT|GCOUNT|TFIELDS"
    r"|T(TYPE|FORM|UNIT|DISP|NULL|SCAL|ZERO|DIM)\d+"
)


class Refused(Exception):
    """A file that can't be taken, and why."""


def look(path: str) -> Known:
    """Size and time of a file."""
    status = Path(path).stat()
    return Known(status.st_size, status.st_mtime_ns)


def read(
    path: str | Path,
    *,
    statistics: Sequence[str] = STATISTICS[:1],
    comments: dict[Keyword, str] | None = None,
) -> Content:
    """Read a file of any level.

    Parameters
    ----------
    statistics : of `STATISTICS`, which to take; all but the average are named SENSOR:stddev
    comments : what is known of them already, and is added to

    Raises
    ------
    Refused : it is missing, empty, cut off, not FITS, named by a date that is none, or was written
        to meanwhile
    """
    path = str(path)
    match = KPF.filename.fullmatch(Path(path).name)
    if not match:
        raise Refused("not named as an observation")
    if not _is_date(match["night"]):
        raise Refused(f"named by a date that is none: {match['night']}")
    level = next(level for level, suffix in KPF.levels.items() if suffix == match["suffix"])
    try:
        content = Content(path, match["obsid"], level, look(path), time.time_ns())
        content.comments = {} if comments is None else comments
        _read_units(content, statistics)
        if look(path) != content.known:
            raise Refused("changed while it was read")
    except BadHeader as error:
        detail = error.args[2] and f" ({error.args[2]})"
        raise Refused(f"{error.reason}{detail}") from None
    except OSError as error:
        raise Refused(error.strerror or str(error)) from None
    return content


def _is_date(night: str) -> bool:
    try:
        check_night(night)
    except ValueError:
        return False
    return True


def _read_units(content: Content, statistics: Sequence[str]) -> None:
    """Go through the whole file: a product is taken only where none of it is cut off."""
    seen = set()
    for index, hdu in enumerate(fitsheader.hdus(content.path)):
        name = PRIMARY if index == 0 else hdu.name
        seen.add(name)
        if index == 0:
            _read_cards(content, PRIMARY, hdu)
        elif content.level == KPF.raw and name == TELEMETRY:
            _read_table(content, hdu, lambda c, table: _read_telemetry(c, table, statistics))
        elif content.level == KPF.products[-1] and name == RV:
            _read_cards(content, RV, hdu)
            _read_table(content, hdu, _read_velocities)
    if len(seen) == 1:
        content.notes.append(Note(Trouble.NO_DATA, ""))
    if content.level == KPF.raw and TELEMETRY not in seen:
        content.notes.append(Note(Trouble.NO_TELEMETRY, ""))
    if content.level == KPF.products[-1] and RV not in seen:
        content.notes.append(Note(Trouble.NO_RV, ""))


def _read_cards(content: Content, extension: str, hdu: Hdu) -> None:
    values, comments = content.values, content.comments
    names = _names(content.level, extension)
    twice = []
    for name, value, comment in fitscards.parse(hdu.header):
        keyword = names[name]
        if keyword is None:
            continue
        if keyword in values:
            twice.append(name)
        else:
            values[keyword] = value
            if keyword not in comments:
                comments[keyword] = comment
    content.note(Trouble.DUPLICATE, sorted(set(twice)))


class _Names(dict[str, Keyword | None]):
    """The keywords of a header by name; None for those that say nothing about the observation."""

    def __init__(self, level: str, extension: str) -> None:
        self._where = level, extension

    def __missing__(self, name: str) -> Keyword | None:
        nothing = name in fitscards.COMMENTARY or _STRUCTURE.fullmatch(name)
        found = self[name] = None if nothing else Keyword(*self._where, name)
        return found


@lru_cache
def _names(level: str, extension: str) -> _Names:
    return _Names(level, extension)


def _read_table(
    content: Content, hdu: Hdu, take: Callable[[Content, fitstable.Columns], None]
) -> None:
    try:
        take(content, fitstable.read(hdu))
    except (ValueError, TypeError, KeyError) as error:
        # What astropy may raise on a damaged table too; the header is good all the same
        content.notes.append(Note(Trouble.BAD_TABLE, f"{hdu.name}: {error}"))


def _read_telemetry(content: Content, table: fitstable.Columns, statistics: Sequence[str]) -> None:
    if not table or not table["keyword"].size:
        content.notes.append(Note(Trouble.EMPTY_TELEMETRY, ""))
        return
    names = _texts(table["keyword"])
    blank = [""] * len(names)
    units = _texts(table["units"]) if "units" in table else blank
    words = _texts(table["description"]) if "description" in table else blank
    missing = []
    for statistic in statistics:
        texts = _texts(table[statistic])
        suffix = "" if statistic == STATISTICS[0] else f":{statistic}"
        for name, text, unit, description in zip(names, texts, units, words, strict=True):
            value = number(text)
            if value != value:
                missing.append(name + suffix)
            content.add(TELEMETRY, name + suffix, value, f"[{unit}] {description}")
    content.note(Trouble.NAN, missing)


def _read_velocities(content: Content, table: fitstable.Columns) -> None:
    lengths = {len(table[column]) for column in RV_COLUMNS if column in table}
    if lengths != {ORDERS}:
        rows = sorted(lengths)
        content.notes.append(Note(Trouble.BAD_TABLE, f"{RV}: rows {rows}, not {ORDERS}"))
        return
    missing: list[str] = []
    for column in RV_COLUMNS:
        if column not in table:
            content.notes.append(Note(Trouble.BAD_TABLE, f"{RV}: no column {column}"))
            continue
        values = np.asarray(table[column], dtype=np.float64)
        keywords = _order_keywords(content.level, column)
        content.values.update(zip(keywords, values.tolist(), strict=True))
        if keywords[0] not in content.comments:
            content.comments.update(_order_comments(content.level, column))
        missing += [keywords[row].name for row in np.flatnonzero(np.isnan(values))]
    content.note(Trouble.NAN, missing)


@lru_cache
def _order_keywords(level: str, column: str) -> list[Keyword]:
    prefix = RV_COLUMNS[column][0]
    return [Keyword(level, RV, f"{prefix}{order:02d}") for order in range(ORDERS)]


@lru_cache
def _order_comments(level: str, column: str) -> dict[Keyword, str]:
    _, what, unit = RV_COLUMNS[column]
    return {
        keyword: f"[{unit}] {what}, order {order:02d}"
        for order, keyword in enumerate(_order_keywords(level, column))
    }


def _texts(column: np.ndarray) -> list[str]:
    """A column as texts, whatever it holds."""
    values = column.tolist()
    if column.dtype.kind == "S":
        return [value.decode("ascii", "replace").strip() for value in values]
    return [str(value).strip() for value in values]
