"""What quicklook reads of a file: its primary header, and the extensions that are wanted.

The file is gone through to its end, so that one that is cut off is found out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kpfnb.core.fits import cards
from kpfnb.core.fits import headers as fitsheader
from kpfnb.core.fits import tables as fitstable
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import HDU
from kpfnb.core.fits.tables import TableColumns

Array = np.ndarray[Any, np.dtype[Any]]

_BITPIX_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass
class FitsContent:
    """A file in memory.

    Attributes
    ----------
    header : the primary header
    images : extension to its array, axes as numpy has them, in the file's byte order
    tables : extension to its columns
    headers : extension to its header, of those above
    unreadable : extension to what is wrong with it
    """

    header: dict[str, HeaderValue] = field(default_factory=dict)
    images: dict[str, Array] = field(default_factory=dict)
    tables: dict[str, TableColumns] = field(default_factory=dict)
    headers: dict[str, dict[str, HeaderValue]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """True where the extension is there and holds something."""
        return name in self.images or name in self.tables

    def text(self, keyword: str) -> str:
        """A card of the primary header as printable text; '' where there is none."""
        value = self.header.get(keyword)
        shown = "" if value is None else str(value).strip()
        return "".join(sign if sign.isprintable() else "?" for sign in shown)

    def number(self, keyword: str, extension: str = "") -> float | None:
        """A card as a number; None where it is none."""
        header = self.headers.get(extension, {}) if extension else self.header
        value = header.get(keyword)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value)


def read_content(path: Path, extensions: Collection[str]) -> FitsContent:
    """Read a file; an extension without data counts as missing.

    Raises
    ------
    fitsheader.InvalidHeaderError : the file is missing, cut off or no FITS file; the error says which
    """
    content = FitsContent()
    for number, hdu in enumerate(fitsheader.iterate_hdus(path)):
        if number == 0:
            content.header = cards.values_by_keyword(cards.parse_cards(hdu.header))
        elif (name := hdu.name) in extensions:
            _store_extension(content, name, hdu)
    return content


def _store_extension(content: FitsContent, name: str, hdu: HDU) -> None:
    header = cards.values_by_keyword(cards.parse_cards(hdu.header))
    try:
        if header.get("XTENSION") == "IMAGE":
            image = _read_image(hdu, header)
            if image.size:
                content.images[name] = image
        else:
            columns = fitstable.read_table(hdu)
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
