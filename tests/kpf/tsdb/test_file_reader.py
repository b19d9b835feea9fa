"""What is read of a file, and what is refused."""

from __future__ import annotations

import os

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.kpf.tsdb import file_reader
from kpfnb.kpf.tsdb.file_content import FileSignature, FileWarning, FileWarningKind
from kpfnb.kpf.tsdb.file_reader import RV_ORDERS, FileRefusedError
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST


def values(content):
    return {(key.extension, key.name): value for key, value in content.values.items()}


def test_l0_has_its_header_and_telemetry(root):
    content = file_reader.read_file(samples.write(root, FIRST))
    assert values(content)["PRIMARY", "EXPTIME"] == 30.5
    assert values(content)["TELEMETRY", "kpfmet.TEMP"] == 19.25
    comments = {key.name: comment for key, comment in content.comments.items()}
    assert comments["EXPTIME"] == "[s] requested exposure time"
    assert comments["kpfmet.TEMP"].startswith("[C]")
    assert not {"SIMPLE", "NAXIS", "BITPIX"} & comments.keys()
    assert [warning.kind for warning in content.warnings] == [FileWarningKind.NAN]


def test_other_statistics_on_request(root):
    content = file_reader.read_file(samples.write(root, FIRST), statistics=["average", "stddev"])
    assert values(content)["TELEMETRY", "kpfmet.TEMP:stddev"] == 19.25


def test_l2_has_the_velocities_of_every_order(root):
    content = file_reader.read_file(samples.write(root, FIRST, "L2"))
    assert values(content)["RV", "RVS10"] == pytest.approx(10.03)
    assert values(content)["RV", "BCRV66"] == pytest.approx(66.10)
    assert values(content)["RV", "CCD1RV"] == 1.5
    assert sum(key.name.startswith("ERVC") for key in content.values) == RV_ORDERS
    assert not content.warnings


def test_nan_in_the_velocities_is_a_warning_with_the_keyword(root):
    radial = np.arange(RV_ORDERS, dtype=float)
    radial[[3, 5]] = np.nan
    content = file_reader.read_file(
        samples.write(root, FIRST, "L2", samples.velocities({"RV": radial}))
    )
    assert content.warnings == [FileWarning(FileWarningKind.NAN, "RVS03, RVS05")]
    assert values(content)["RV", "RVS04"] == 4


@pytest.mark.parametrize(
    ("hdus", "kind"),
    [
        ([samples.telemetry(())], FileWarningKind.EMPTY_TELEMETRY),
        ([fits.BinTableHDU(name="TELEMETRY")], FileWarningKind.EMPTY_TELEMETRY),
        ([fits.ImageHDU(np.zeros(3), name="TELEMETRY")], FileWarningKind.BAD_TABLE),
        ([fits.ImageHDU(np.zeros(3), name="OTHER")], FileWarningKind.NO_TELEMETRY),
    ],
)
def test_unusual_telemetry_gives_a_warning(root, hdus, kind):
    content = file_reader.read_file(samples.write(root, FIRST, "L0", *hdus))
    assert [warning.kind for warning in content.warnings] == [kind]
    assert values(content)["PRIMARY", "OBJECT"] == "10700"


def test_unusual_velocities_give_a_warning(root):
    short = fits.BinTableHDU.from_columns([fits.Column("RV", "D", array=[1.0])], name="RV")
    content = file_reader.read_file(samples.write(root, FIRST, "L2", short))
    assert [warning.kind for warning in content.warnings] == [FileWarningKind.BAD_TABLE]
    content = file_reader.read_file(samples.write(root, FIRST, "L2", fits.ImageHDU(name="X")))
    assert [warning.kind for warning in content.warnings] == [FileWarningKind.NO_RV]


def test_unusual_columns_go_to_astropy(root):
    columns = [
        fits.Column("keyword", "9A", array=["a.b"]),
        fits.Column("average", "D", array=[2.5]),
        fits.Column("several", "2D", array=[[1.0, 2.0]]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="TELEMETRY")
    content = file_reader.read_file(samples.write(root, FIRST, "L0", hdu))
    assert values(content)["TELEMETRY", "a.b"] == 2.5


def test_of_duplicate_cards_the_first_counts(root):
    path = samples.write(root, FIRST, "2D")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.append(("EXPTIME", 99.0))
    content = file_reader.read_file(path)
    assert values(content)["PRIMARY", "EXPTIME"] == 30.5
    assert content.warnings == [FileWarning(FileWarningKind.DUPLICATE, "EXPTIME")]


def test_cards_that_repeat_the_same_value_are_only_noted(root):
    """GRACFMD5, RDACFMD5 and OCTAGON stand twice in every real KPF file."""
    path = samples.write(root, FIRST, "2D", OCTAGON="Etalon", GRACFMD5="1EF8")
    with fits.open(path, mode="update") as hdus:
        for _ in range(3):
            hdus[0].header.append(("OCTAGON", "Etalon"))
        hdus[0].header.append(("GRACFMD5", "1EF8", "another comment"))
    content = file_reader.read_file(path)
    assert content.warnings == [FileWarning(FileWarningKind.REPEATED, "GRACFMD5, OCTAGON")]


def test_the_masks_of_an_l2_are_in_its_ccf_header(root):
    ccf = fits.ImageHDU(np.zeros((2, 2)), name="GREEN_CCF")
    ccf.header["SCI_MASK"] = "G2_espresso"
    content = file_reader.read_file(samples.write(root, FIRST, "L2", samples.velocities(), ccf))
    assert values(content)["GREEN_CCF", "SCI_MASK"] == "G2_espresso"


def test_how_the_data_are_stored_is_no_keyword(root):
    content = file_reader.read_file(samples.write(root, FIRST, CHECKSUM="abc", DATASUM="1"))
    assert not {"CHECKSUM", "DATASUM", "EXTNAME", "NAXIS"} & {key.name for key in content.values}


@pytest.mark.parametrize(
    ("size", "reason"), [(0, "empty"), (2000, "truncated"), (5760, "truncated"), (-2880, "trunc")]
)
def test_truncated_files_are_refused(root, size, reason):
    path = samples.write(root, FIRST)
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    with pytest.raises(FileRefusedError, match=reason):
        file_reader.read_file(path)


def test_other_bad_files_are_refused(root):
    with pytest.raises(FileRefusedError, match=r"missing|No such file"):
        file_reader.read_file(root / f"{FIRST}.fits")
    (root / f"{FIRST}.fits").write_bytes(b"text" * 1000)
    with pytest.raises(FileRefusedError, match="not FITS"):
        file_reader.read_file(root / f"{FIRST}.fits")
    with pytest.raises(FileRefusedError, match="not the file name"):
        file_reader.read_file(root / "KP.20240115-1.fits")


def test_a_file_that_changes_while_it_is_read_is_refused(root, monkeypatch):
    path = samples.write(root, FIRST)
    stamps = iter([FileSignature(1, 1), FileSignature(2, 2)])
    monkeypatch.setattr(file_reader, "read_signature", lambda path: next(stamps))
    with pytest.raises(FileRefusedError, match="changed while"):
        file_reader.read_file(path)
