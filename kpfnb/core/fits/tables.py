"""Binary tables of FITS files as numpy columns, straight from their bytes.

The usual columns (numbers or a text in a row, unscaled) are seen by numpy where they stand; a table
with any other column is given to astropy.

Source: FITS Standard 4.0, section 7.3.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from kpfnb.core.fits import cards as fitscards
from kpfnb.core.fits.cards import HeaderValue, RawHeader
from kpfnb.core.fits.headers import BLOCK_SIZE, HDU

TableColumns = dict[str, np.ndarray]
"""Column name to values, one a row, or a row of them; texts are bytes, padded at the end."""

_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_FORM = re.compile(r"(\d*)([ABDEIJK])")
_SCALED = ("TSCAL", "TZERO", "TDIM", "TNULL")


def read_table(hdu: HDU) -> TableColumns:
    """The columns of a binary table.

    Raises
    ------
    ValueError : it is no binary table, or a damaged one
    fitsheader.InvalidHeaderError : the file ends within it
    """
    header = _row_structure(hdu.header)
    if header.get("XTENSION") != "BINTABLE":
        raise ValueError(f"{header.get('XTENSION')!r} is no binary table")
    dtype = _fixed_dtype(header)
    if dtype is None:
        return _read_with_astropy(hdu)
    if dtype.itemsize != header["NAXIS1"]:
        raise ValueError(f"rows of {header['NAXIS1']} bytes hold columns of {dtype.itemsize}")
    if not dtype.names:
        return {}
    table = np.frombuffer(hdu.read_data(), dtype=dtype)
    return {name: table[name] for name in dtype.names}


def _row_structure(header: RawHeader) -> dict[str, HeaderValue]:
    """The cards that tell what a row is made of; no other card is read."""
    told = fitscards.select_values(header, ["XTENSION", "NAXIS1", "PCOUNT", "TFIELDS"])
    count = int(str(told.get("TFIELDS", 0)))
    names = [f"{name}{n}" for n in range(1, count + 1) for name in ("TTYPE", "TFORM", *_SCALED)]
    return told | fitscards.select_values(header, names)


def _fixed_dtype(header: dict[str, HeaderValue]) -> np.dtype | None:
    """What a row is made of; None where numpy alone can't tell."""
    if header["PCOUNT"] or any(name.startswith(_SCALED) for name in header):
        return None
    numbers = range(1, int(str(header["TFIELDS"])) + 1)
    return _make_dtype(
        tuple(str(header.get(f"TTYPE{n}", f"col{n}")).strip() for n in numbers),
        tuple(str(header[f"TFORM{n}"]).strip() for n in numbers),
    )


@lru_cache(maxsize=256)
def _make_dtype(names: tuple[str, ...], forms: tuple[str, ...]) -> np.dtype | None:
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    for name, form in zip(names, forms, strict=True):
        match = _FORM.fullmatch(form)
        count = int(match[1] or 1) if match else 0
        if not match or not count:
            return None
        if match[2] == "A":
            fields.append((name, f"S{count}"))
        else:
            kind = _NUMBERS[match[2]]
            fields.append((name, kind, (count,)) if count > 1 else (name, kind))
    if len(set(names)) < len(names):
        return None
    return np.dtype(fields)


def _read_with_astropy(hdu: HDU) -> TableColumns:
    from astropy.io import fits

    cards = hdu.header.cards + b"END".ljust(fitscards.CARD_SIZE)
    image = cards.ljust(-(-len(cards) // BLOCK_SIZE) * BLOCK_SIZE) + hdu.read_data()
    table = fits.BinTableHDU.fromstring(
        image.ljust(-(-len(image) // BLOCK_SIZE) * BLOCK_SIZE, b"\0")
    )
    columns = {}
    for name in table.columns.names:
        values = np.asarray(table.data[name])
        columns[name] = (
            np.char.encode(values, "ascii", "replace") if values.dtype.kind == "U" else values
        )
    return columns
