from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.kpf.quicklook.instrument_plots import fits_content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    integers = fits.ImageHDU(np.arange(6, dtype=np.uint16).reshape(2, 3) + 40_000, name="CA_HK")
    empty = fits.ImageHDU(name="RED_CCD")
    image = fits.ImageHDU(np.ones((3, 4), np.float32), name="GREEN_CCD")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0, 2.0])], name="RV")
    table.header["CCD1RV"] = 1.5
    path = tmp_path / "a.fits"
    primary = fits.PrimaryHDU()
    fits.HDUList([primary, integers, empty, image, table]).writeto(path)
    return path


EXTENSIONS = ("CA_HK", "RED_CCD", "GREEN_CCD", "RV", "NONE")


def test_images_and_tables(file: Path) -> None:
    content = fits_content.read_content(file, EXTENSIONS)
    assert content.images["CA_HK"].tolist() == [[40_000, 40_001, 40_002], [40_003, 40_004, 40_005]]
    assert content.images["GREEN_CCD"].shape == (3, 4)
    assert content.tables["RV"]["a"].tolist() == [1, 2]
    assert content.number("CCD1RV", "RV") == 1.5


def test_an_extension_without_data_is_missing(file: Path) -> None:
    content = fits_content.read_content(file, EXTENSIONS)
    assert [name for name in EXTENSIONS if not content.has(name)] == ["RED_CCD", "NONE"]


def test_only_requested_extensions_are_read(file: Path) -> None:
    assert fits_content.read_content(file, ["RV"]).images == {}


def test_cards_as_texts_and_numbers(file: Path) -> None:
    content = fits_content.FitsContent(
        header={"OBJECT": "HD\t1 ", "GOOD": True, "N": 3, "NOTHING": None}
    )
    assert content.text("OBJECT") == "HD?1"
    assert [content.number(name) for name in ("N", "GOOD", "OBJECT", "GONE")] == [
        3,
        None,
        None,
        None,
    ]
    assert content.text("NOTHING") == content.text("GONE") == ""


def test_a_truncated_file_is_detected_even_behind_what_is_read(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 2880])
    with pytest.raises(InvalidHeaderError, match="truncated"):
        fits_content.read_content(file, ["CA_HK"])


def test_a_damaged_table_is_unreadable_and_the_rest_is_there(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"TFORM1  = 'D       '", b"TFORM1  = 'E       '"))
    content = fits_content.read_content(file, EXTENSIONS)
    assert "damaged" in content.unreadable["RV"]
    assert content.has("GREEN_CCD")
