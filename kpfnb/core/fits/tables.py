"""Binary tables of FITS files as numpy columns, without a copy of their bytes.

The usual columns (numbers, or one text in a row, unscaled) are views of the bytes; a table with any
other column is read by astropy.

Source: FITS Standard 4.0, section 7.3.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from kpfnb.core.fits.cards import CARD_SIZE, HeaderValue, RawHeader, select_values
from kpfnb.core.fits.headers import BLOCK_SIZE, HDU

TableColumns = dict[str, np.ndarray]
"""Column name to values, shape (rows,) or (rows, n); texts are bytes, padded at the end."""

_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_FORM = re.compile(r"(\d*)([ABDEIJK])")
_SCALED = ("TSCAL", "TZERO", "TDIM", "TNULL")


def read_table(hdu: HDU) -> TableColumns:
    """The columns of a binary table.

    Raises
    ------
    ValueError : it is not a binary table, or a damaged one
    InvalidHeaderError : the file ends within it
    """
    header = _row_structure(hdu.header)
    if header.get("XTENSION") != "BINTABLE":
        raise ValueError(f"{header.get('XTENSION')!r} is not a binary table")
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
    """The values of the keywords that describe a row; no other card is read."""
    values = select_values(header, ["XTENSION", "NAXIS1", "PCOUNT", "TFIELDS"])
    count = int(str(values.get("TFIELDS", 0)))
    names = [f"{name}{n}" for n in range(1, count + 1) for name in ("TTYPE", "TFORM", *_SCALED)]
    return values | select_values(header, names)


def _fixed_dtype(header: dict[str, HeaderValue]) -> np.dtype | None:
    """The type of a row; None if numpy can't read it without astropy."""
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
            code = _NUMBERS[match[2]]
            fields.append((name, code, (count,)) if count > 1 else (name, code))
    if len(set(names)) < len(names):
        return None
    return np.dtype(fields)


def _read_with_astropy(hdu: HDU) -> TableColumns:
    from astropy.io import fits

    cards = hdu.header.cards + b"END".ljust(CARD_SIZE)
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
