"""Binary tables are read as astropy reads them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.core.fits import headers, tables

ROWS = 5


def columns(*more):
    return [
        fits.Column("name", "7A", array=["one", "", "three", "4", "five"]),
        fits.Column("real", "D", array=np.array([1.5, np.nan, -0.0, 1e300, 3.0])),
        fits.Column("single", "E", array=np.arange(ROWS) / 3),
        fits.Column("long", "K", array=np.arange(ROWS) - 2**60),
        fits.Column("int", "J", array=np.arange(ROWS)),
        *more,
    ]


def read(path, name="T"):
    return next(tables.read_table(hdu) for hdu in headers.iterate_hdus(path) if hdu.name == name)


@pytest.fixture
def write(tmp_path):
    def to(hdu):
        path = tmp_path / "a.fits"
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones(9)), hdu]).writeto(path)
        return path

    return to


@pytest.mark.parametrize(
    "more",
    [
        (),
        (fits.Column("several", "2D", array=np.ones((ROWS, 2))),),
        (fits.Column("flag", "L", array=[True, False] * 2 + [True]),),
        (fits.Column("unsigned", "J", bzero=2**31, array=np.arange(ROWS, dtype=np.uint32)),),
        (fits.Column("lists", "PD()", array=np.array([[1.0], [], [2.0, 3.0], [], []], object)),),
    ],
)
def test_as_astropy_has_them(write, more):
    path = write(fits.BinTableHDU.from_columns(columns(*more), name="T"))
    values = read(path)
    with fits.open(path) as hdus:
        data = hdus["T"].data
        assert list(values) == data.names
        for name in set(data.names) - {"name", "lists"}:
            assert np.array_equal(values[name], data[name], equal_nan=name == "real")
        texts = [text.decode().strip() for text in values["name"].tolist()]
        assert texts == list(data["name"])


def test_a_table_without_columns_or_rows(write, tmp_path):
    assert read(write(fits.BinTableHDU(name="T"))) == {}
    (tmp_path / "a.fits").unlink()
    empty = fits.BinTableHDU.from_columns([fits.Column("real", "D", array=[])], name="T")
    assert read(write(empty))["real"].size == 0


def test_what_is_no_table(write):
    with pytest.raises(ValueError, match="not a binary table"):
        read(write(fits.ImageHDU(name="T")))


def test_rows_that_do_not_fit_their_columns(write):
    path = write(fits.BinTableHDU.from_columns(columns(), name="T"))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"'7A      '", b"'9A      '"))
    with pytest.raises(ValueError, match="rows of"):
        read(path)
