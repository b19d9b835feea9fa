"""Headers of files: complete, truncated, gzipped, empty, not FITS; first headers and extensions."""

from __future__ import annotations

import gzip
import os
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.core.fits import headers
from kpfnb.core.fits.headers import HeaderErrorKind, InvalidHeaderError

ASKED = ["OBJECT", "exptime", "LAST", "ABSENT"]


def _hdus() -> fits.HDUList:
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = ("it's a star", "target")
    primary.header["EXPTIME"] = (1.5e-3, "[s] exposure")
    primary.header.add_comment("a comment")
    for number in range(40):
        primary.header[f"KEY{number}"] = number
    primary.header["LAST"] = True
    image = fits.ImageHDU(np.zeros((30, 50), np.float32), name="GREEN_CCD")
    table = fits.BinTableHDU.from_columns(
        [fits.Column("NAME", "PA()", array=np.array(["a", "bcd"], object))], name="TELEMETRY"
    )
    last = fits.ImageHDU(np.zeros(3, np.int16), name="RED_CCD")
    last.header["CCD"] = "red"
    return fits.HDUList([primary, image, table, last])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "KP.20240101.00001.00.fits"
    _hdus().writeto(path)
    return path


def _reason(path: Path, *, ext: int | str = 0) -> HeaderErrorKind:
    with pytest.raises(InvalidHeaderError, match=str(path)) as caught:
        headers.read_header(path, ASKED, ext=ext)
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("ext", [0, 1, 2, 3, "PRIMARY", "green_ccd", "TELEMETRY", " RED_CCD "])
def test_a_complete_header_is_equal_to_that_of_astropy(
    tmp_path: Path, suffix: str, ext: int | str
) -> None:
    path = tmp_path / f"one.fits{suffix}"
    _hdus().writeto(path)
    theirs = fits.getheader(path, ext if isinstance(ext, int) else ext.strip())
    assert headers.read_cards(path, ext=ext) == [tuple(card) for card in theirs.cards]
    assert headers.read_header(path, ext=ext) == {
        key: str(theirs[key]) if key == "COMMENT" else theirs[key] for key in theirs
    }


def test_asked_keywords_by_the_name_asked(file: Path) -> None:
    assert headers.read_header(file, ASKED) == {
        "OBJECT": "it's a star",
        "exptime": 0.0015,
        "LAST": True,
    }


def test_no_keywords(file: Path) -> None:
    assert headers.read_header(file, []) == {}


def test_one_text_instead_of_a_list_is_refused(file: Path) -> None:
    with pytest.raises(TypeError, match="list"):
        headers.read_header(file, "OBJECT")


def test_header_longer_than_the_first_read(tmp_path: Path) -> None:
    header = fits.Header({f"KEY{number}": number for number in range(2000)})
    fits.PrimaryHDU(header=header).writeto(tmp_path / "long.fits")
    assert headers.read_header(tmp_path / "long.fits", ["KEY1999"]) == {"KEY1999": 1999}


def test_random_groups_before_the_extension(tmp_path: Path) -> None:
    groups = fits.GroupData(np.ones((7, 3, 4), np.float32), parnames=["a", "b"], pardata=[1, 2])
    path = tmp_path / "groups.fits"
    fits.HDUList([fits.GroupsHDU(groups), fits.ImageHDU(name="AFTER")]).writeto(path)
    assert headers.read_header(path, ["EXTNAME"], ext=1) == {"EXTNAME": "AFTER"}


def _cuts(path: Path) -> Iterator[int]:
    """Make the file one byte shorter, again and again."""
    with path.open("r+b") as stream:
        for size in range(path.stat().st_size - 1, -1, -1):
            stream.truncate(size)
            yield size


def test_cut_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "cut.fits"
    _hdus()[:1].writeto(path)
    whole = headers.read_header(path)
    end = (len(headers.read_cards(path)) + 1) * 80
    for size in _cuts(path):
        if size >= end:
            assert headers.read_header(path) == whole
        else:
            assert _reason(path) is (HeaderErrorKind.TRUNCATED if size else HeaderErrorKind.EMPTY)


def test_gzip_cut_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "cut.fits.gz"
    path.write_bytes(_gzipped(_bytes()))
    for size in _cuts(path):
        assert _reason(path) is (HeaderErrorKind.TRUNCATED if size else HeaderErrorKind.EMPTY)


def test_cut_before_the_extension(file: Path) -> None:
    assert _reason(file, ext=4) is HeaderErrorKind.NO_EXTENSION
    assert _reason(file, ext="NOT_THERE") is HeaderErrorKind.NO_EXTENSION
    assert _reason(file, ext=-1) is HeaderErrorKind.NO_EXTENSION
    os.truncate(file, 2 * 2880 + 1000 + 2880)
    assert headers.read_header(file, ["EXTNAME"], ext=1) == {"EXTNAME": "GREEN_CCD"}
    assert _reason(file, ext="RED_CCD") is HeaderErrorKind.TRUNCATED
    assert headers.read_header(file, ["LAST"]) == {"LAST": True}


def test_cut_at_every_byte_around_an_extension(tmp_path: Path) -> None:
    path = tmp_path / "cut.fits"
    _hdus()[:2].writeto(path)
    end = 2880 * 2 + 80 * (len(headers.read_cards(path, ext=1)) + 1)
    os.truncate(path, end)
    for size in _cuts(path):
        if size == 2880 * 2:
            # As a file that was never meant to have more
            assert _reason(path, ext=1) is HeaderErrorKind.NO_EXTENSION
        else:
            assert _reason(path, ext=1) is (
                HeaderErrorKind.TRUNCATED if size else HeaderErrorKind.EMPTY
            )


def _gzipped(content: bytes) -> bytes:
    # Without the time: test names must be the same in every process
    return gzip.compress(content, mtime=0)


def _bytes() -> bytes:
    header = fits.Header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "OBJECT": "x"})
    return header.tostring().encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", HeaderErrorKind.EMPTY),
        (b"SIM", HeaderErrorKind.TRUNCATED),
        (b"SIMPLE  =                    T", HeaderErrorKind.TRUNCATED),
        (b"a text\n" * 1000, HeaderErrorKind.NOT_FITS),
        (b"\0" * 5760, HeaderErrorKind.NOT_FITS),
        (b"\x89PNG\r\n", HeaderErrorKind.NOT_FITS),
        (_gzipped(b""), HeaderErrorKind.EMPTY),
        (_gzipped(b"a text"), HeaderErrorKind.NOT_FITS),
        (b"\x1f\x8b", HeaderErrorKind.TRUNCATED),
        (b"\x1f\x8b" + b"no gzip stream follows", HeaderErrorKind.UNREADABLE),
        (_gzipped(_bytes())[:10] + b"\xff" * 100, HeaderErrorKind.UNREADABLE),
        (_bytes().replace(b"END     ", b"ENDE    "), HeaderErrorKind.TRUNCATED),
    ],
)
def test_bad_content(tmp_path: Path, content: bytes, reason: HeaderErrorKind) -> None:
    path = tmp_path / "bad.fits"
    path.write_bytes(content)
    assert _reason(path) is reason


def test_header_without_end_is_not_followed_through_the_data(tmp_path: Path) -> None:
    path = tmp_path / "endless.fits"
    path.write_bytes(b"SIMPLE  =".ljust(80) * 40_000 + b"END".ljust(80))
    assert _reason(path) is HeaderErrorKind.TRUNCATED


def test_unknown_data_size(tmp_path: Path) -> None:
    path = tmp_path / "odd.fits"
    path.write_bytes(
        _bytes().replace(b"NAXIS   =                    0", b"NAXIS   = 'many'".ljust(30))
    )
    assert headers.read_header(path, ["OBJECT"]) == {"OBJECT": "x"}
    assert _reason(path, ext=1) is HeaderErrorKind.NOT_FITS


def test_not_a_file(tmp_path: Path) -> None:
    assert _reason(tmp_path / "missing.fits") is HeaderErrorKind.MISSING
    assert _reason(tmp_path) is HeaderErrorKind.UNREADABLE
    os.mkfifo(tmp_path / "pipe.fits")
    assert _reason(tmp_path / "pipe.fits") is HeaderErrorKind.UNREADABLE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_no_permission(file: Path) -> None:
    file.chmod(0)
    assert _reason(file) is HeaderErrorKind.UNREADABLE


def test_error_has_a_hint_and_can_be_pickled(tmp_path: Path) -> None:
    error = InvalidHeaderError(
        tmp_path / "a.fits", HeaderErrorKind.TRUNCATED, "its header has no END"
    )
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert str(error).startswith(f"{tmp_path}/a.fits: truncated (its header has no END)\n")
    assert "transfer it again" in error.hint
    assert again.reason is HeaderErrorKind.TRUNCATED


def test_a_header_is_read_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    pread = os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        reads.append((size, offset))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    headers.read_header(file, [f"KEY{number}" for number in range(40)])
    assert len([size for size, _ in reads if size >= headers.READ_SIZE]) == 1


def test_odd_cards_are_read_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "odd.fits"
    path.write_bytes(_bytes().replace(b"OBJECT  = 'x       '", b"OBJECT   is no value"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert headers.read_header(path, ["OBJECT"]) == {"OBJECT": " is no value"}


def test_units_come_with_their_data_and_a_cut_file_is_found_at_its_end(tmp_path):
    path = tmp_path / "units.fits"
    image = fits.ImageHDU(np.arange(2000, dtype=">f4"), name="image")
    fits.HDUList([fits.PrimaryHDU(), image, fits.ImageHDU(name="last")]).writeto(path)
    values = [(hdu.name, len(hdu.read_data())) for hdu in headers.iterate_hdus(path)]
    assert values == [("", 0), ("IMAGE", 8000), ("LAST", 0)]
    path.write_bytes(path.read_bytes()[: 3 * 2880])
    with pytest.raises(InvalidHeaderError, match="truncated"):
        list(headers.iterate_hdus(path))
