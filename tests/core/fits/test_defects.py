"""Is a FITS file complete?"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import assume, given
from hypothesis import strategies as st

from kpfnb.core.fits import headers


def complete_file(path: Path) -> bytes:
    image = fits.ImageHDU(np.arange(5000, dtype="i4"))
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(500.0))])
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path)
    return path.read_bytes()


def test_a_complete_file_has_no_defect(tmp_path: Path) -> None:
    content = complete_file(tmp_path / "a.fits")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(content))
    assert headers.find_defect(tmp_path / "a.fits") == ""
    assert headers.find_defect(tmp_path / "a.fits.gz") == ""


def test_a_file_without_padding_is_complete(tmp_path: Path) -> None:
    content = complete_file(tmp_path / "a.fits")
    (tmp_path / "a.fits").write_bytes(content.rstrip(b"\0"))
    assert len(content.rstrip(b"\0")) < len(content)
    # The last value of the table ends in zero bytes too
    (tmp_path / "a.fits").write_bytes(content[: len(content.rstrip(b"\0")) + 8])
    assert headers.find_defect(tmp_path / "a.fits") == ""


@given(keep=st.integers(min_value=2881, max_value=32799))
def test_a_file_cut_anywhere_but_between_two_hdus_is_truncated(keep: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        content = complete_file(path)
        # Two HDUs of 2880 + 20000 (padded to 20160) and 2880 + 4000 bytes follow the primary one
        assume(not 25760 <= keep <= 25920)
        path.write_bytes(content[:keep])
        assert "truncated" in headers.find_defect(path)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_cut_compressed_file_is_truncated(tmp_path: Path, keep: float) -> None:
    packed = gzip.compress(complete_file(tmp_path / "a.fits"))
    (tmp_path / "a.fits.gz").write_bytes(packed[: int(keep * len(packed))])
    assert headers.find_defect(tmp_path / "a.fits.gz").startswith("truncated: the gzip stream")


@pytest.mark.parametrize(
    ("name", "content", "defect"),
    [
        ("a.fits", b"", "empty"),
        ("a.fits", b"no FITS file at all\n", "not FITS"),
        ("a.fits.gz", gzip.compress(b"no FITS file", mtime=0), "not FITS"),
        ("a.fits.gz", b"not compressed", "not FITS"),
        ("a.fits", b"SIMPLE  =                    T".ljust(80), "truncated"),
    ],
)
def test_other_defects_are_reported(tmp_path: Path, name: str, content: bytes, defect: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert headers.find_defect(tmp_path / name).startswith(defect)


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    assert headers.find_defect(tmp_path / "a.fits") == "missing"
