"""Binary tables of FITS files as numpy columns, straight from their bytes.

The usual columns (numbers or a text in a row, unscaled) are seen by numpy where they stand; a table
with any other column is given to astropy.

Source: FITS Standard 4.0, section 7.3.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from kpfnb import fitscards
from kpfnb.fitscards import RawHeader, Value
from kpfnb.fitsheader import BLOCK, Hdu

Columns = dict[str, np.ndarray]
"""Column name to values, one a row, or a row of them; texts are bytes, padded at the end."""

_NUMBERS = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_FORM = re.compile(r"(\d*)([ABDEIJK])")
_SCALED = ("TSCAL", "TZERO", "TDIM", "TNULL")


def read(hdu: Hdu) -> Columns:
    """The columns of a binary table.

    Raises
    ------
    ValueError : it is no binary table, or a damaged one
    fitsheader.BadHeader : the file ends within it
    """
    header = _structure(hdu.header)
    if header.get("XTENSION") != "BINTABLE":
        raise ValueError(f"{header.get('XTENSION')!r} is no binary table")
    dtype = _usual(header)
    if dtype is None:
        return _with_astropy(hdu)
    if dtype.itemsize != header["NAXIS1"]:
        raise ValueError(f"rows of {header['NAXIS1']} bytes hold columns of {dtype.itemsize}")
    if not dtype.names:
        return {}
    table = np.frombuffer(hdu.read(), dtype=dtype)
    return {name: table[name] for name in dtype.names}


def _structure(header: RawHeader) -> dict[str, Value]:
    """The cards that tell what a row is made of; no other card is read."""
    told = fitscards.pick(header, ["XTENSION", "NAXIS1", "PCOUNT", "TFIELDS"])
    count = int(str(told.get("TFIELDS", 0)))
    names = [f"{name}{n}" for n in range(1, count + 1) for name in ("TTYPE", "TFORM", *_SCALED)]
    return told | fitscards.pick(header, names)


def _usual(header: dict[str, Value]) -> np.dtype | None:
    """What a row is made of; None where numpy alone can't tell."""
    if header["PCOUNT"] or any(name.startswith(_SCALED) for name in header):
        return None
    numbers = range(1, int(str(header["TFIELDS"])) + 1)
    return _dtype(
        tuple(str(header.get(f"TTYPE{n}", f"col{n}")).strip() for n in numbers),
        tuple(str(header[f"TFORM{n}"]).strip() for n in numbers),
    )


@lru_cache(maxsize=256)
def _dtype(names: tuple[str, ...], forms: tuple[str, ...]) -> np.dtype | None:
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


def _with_astropy(hdu: Hdu) -> Columns:
    from astropy.io import fits

    cards = hdu.header.cards + b"END".ljust(fitscards.SIZE)
    image = cards.ljust(-(-len(cards) // BLOCK) * BLOCK) + hdu.read()
    table = fits.BinTableHDU.fromstring(image.ljust(-(-len(image) // BLOCK) * BLOCK, b"\0"))
    columns = {}
    for name in table.columns.names:
        values = np.asarray(table.data[name])
        columns[name] = (
            np.char.encode(values, "ascii", "replace") if values.dtype.kind == "U" else values
        )
    return columns
