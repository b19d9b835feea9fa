"""The content of a FITS file that plots and checks use: primary header and some extensions.

The whole file is read through to its end, so that a truncated one is detected.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kpfnb.core.fits import tables
from kpfnb.core.fits.cards import HeaderValue, parse_cards, values_by_keyword
from kpfnb.core.fits.headers import HDU, iterate_hdus
from kpfnb.core.fits.tables import TableColumns

Array = np.ndarray[Any, np.dtype[Any]]

TELEMETRY = "TELEMETRY"

_BITPIX_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass
class FitsContent:
    """A FITS file in memory.

    Attributes
    ----------
    header : the primary header
    images : extension to its array, in numpy's order of axes and the file's byte order
    tables : extension to its columns
    headers : extension to its header, of the images and tables above
    unreadable : extension to the reason why it can't be read
    """

    header: dict[str, HeaderValue] = field(default_factory=dict)
    images: dict[str, Array] = field(default_factory=dict)
    tables: dict[str, TableColumns] = field(default_factory=dict)
    headers: dict[str, dict[str, HeaderValue]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """True if the extension exists and holds data."""
        return name in self.images or name in self.tables

    def text(self, keyword: str) -> str:
        """A value of the primary header as printable text; '' if it has none."""
        value = self.header.get(keyword)
        text = "" if value is None else str(value).strip()
        return "".join(character if character.isprintable() else "?" for character in text)

    def number(self, keyword: str, extension: str = "") -> float | None:
        """A header value as a number; None if it is not one."""
        header = self.headers.get(extension, {}) if extension else self.header
        value = header.get(keyword)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value)

    def read_telemetry(self) -> dict[str, float]:
        """Telemetry keyword to its average; those without a finite number are left out."""
        table = self.tables.get(TELEMETRY, {})
        if "keyword" not in table or "average" not in table:
            return {}
        averages = zip(table["keyword"], table["average"], strict=True)
        readings = {_decode(name): _parse_reading(average) for name, average in averages}
        return {name: reading for name, reading in readings.items() if math.isfinite(reading)}


def _decode(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


def _parse_reading(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def read_content(path: Path, extensions: Collection[str]) -> FitsContent:
    """Read a file; an extension without data counts as missing.

    Raises
    ------
    kpfnb.core.fits.headers.InvalidHeaderError : the file is missing, truncated or not a FITS file;
        the error says which
    """
    content = FitsContent()
    for number, hdu in enumerate(iterate_hdus(path)):
        if number == 0:
            content.header = values_by_keyword(parse_cards(hdu.header))
        elif (name := hdu.name) in extensions:
            _store_extension(content, name, hdu)
    return content


def _store_extension(content: FitsContent, name: str, hdu: HDU) -> None:
    header = values_by_keyword(parse_cards(hdu.header))
    try:
        if header.get("XTENSION") == "IMAGE":
            image = _read_image(hdu, header)
            if image.size:
                content.images[name] = image
        else:
            columns = tables.read_table(hdu)
            if any(values.size for values in columns.values()):
                content.tables[name] = columns
    except (ValueError, KeyError, TypeError) as error:
        content.unreadable[name] = f"damaged: {error}"
    else:
        content.headers[name] = header


def _read_image(hdu: HDU, header: dict[str, HeaderValue]) -> Array:
    axes = int(str(header["NAXIS"]))
    shape = [int(str(header[f"NAXIS{axis}"])) for axis in range(axes, 0, -1)]
    if not shape or 0 in shape:
        return np.empty(0)
    values: Array = np.frombuffer(
        hdu.read_data(), _BITPIX_TYPES[int(str(header["BITPIX"]))]
    ).reshape(shape)
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if (scale, zero) != (1, 0):
        values = values * np.float32(str(scale)) + np.float32(str(zero))
    return values
