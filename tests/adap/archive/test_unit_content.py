from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kpfnb.adap.archive import table_rows
from kpfnb.adap.archive.unit import (
    DEFAULT_RULES,
    ArchiveUnit,
    UnitContent,
    load_rules,
    scan_unit,
)
from kpfnb.core.errors import InvalidInputError
from tests.adap.archive.conftest import NAME, SETUP

RULES = load_rules()
UNIT = ArchiveUnit(NAME)
SCIENCE = "keck_deimos_A/Science"
FIRST = "spec1d_DE.20110402.20600-SIM1t_DEIMOS_20110402T054320.000.fits"


def scan(root: Path) -> UnitContent:
    return scan_unit(root, UNIT, RULES)


def test_all_of_a_dataset_is_known(root: Path) -> None:
    (root / NAME / "complete/raw").mkdir()
    (root / NAME / "complete/raw/DE.fits").touch()
    result = scan(root)
    assert (result.problems, result.unrecognised) == ({}, ())
    assert result.files[f"{SCIENCE}/{FIRST}"] == f"{SETUP}/Science/{FIRST}"
    assert f"{SCIENCE}/{FIRST}" in result.places_of_model("SpecObj", "Science")
    assert "keck_deimos_A/QA.tar.gz" in result.files
    assert not [place for place in result.files if "raw" in place or "reduction.json" in place]


def test_what_no_rule_knows_is_reported_and_left(root: Path) -> None:
    (root / NAME / "notes.txt").touch()
    (root / NAME / SETUP / "Science/picture.png").touch()
    shutil.copytree(root / NAME / "complete/reduce", root / NAME / "complete/reduce.failed")
    result = scan(root)
    assert result.unrecognised == (f"{SETUP}/Science/picture.png", "notes.txt")


def test_a_fits_file_not_from_pypeit_is_not_recognised(root: Path) -> None:
    from astropy.io import fits

    path = root / NAME / SETUP / "Calibrations/mine.fits"
    fits.PrimaryHDU().writeto(path)
    result = scan(root)
    assert result.unrecognised == (f"{SETUP}/Calibrations/mine.fits",)
    assert "keck_deimos_A/Calibrations/mine.fits" not in result.files


def test_a_damaged_product_is_never_delivered(root: Path, spec1d: Path) -> None:
    spec1d.write_bytes(spec1d.read_bytes()[:-5000])
    result = scan(root)
    assert result.problems == {f"{SETUP}/Science/{FIRST}": "damaged: truncated"}
    assert f"{SCIENCE}/{FIRST}" not in result.files


@pytest.mark.parametrize("name", ["spec1d_$(rm -rf x).fits", "spec1d_a\nb.fits", "spec1d_é.fits"])
def test_a_hostile_name_is_refused_and_reported(root: Path, spec1d: Path, name: str) -> None:
    shutil.copy(spec1d, spec1d.with_name(name))
    result = scan(root)
    (path,) = result.problems
    assert path.endswith(name)
    assert "is not allowed" in result.problems[path]
    assert name not in "".join(result.files)


def test_two_files_never_get_the_same_place(root: Path) -> None:
    twin = root / NAME / "complete/reduce/complete"
    twin.mkdir()
    shutil.copytree(root / NAME / SETUP, root / NAME / "complete/reduce/complete/keck_deimos_A")
    wanted = RULES.model_copy(update={"deliver": (*RULES.deliver, "complete/reduce/*/*/*.pypeit")})
    result = scan_unit(root, UNIT, wanted)
    assert set(result.problems.values()) == {
        "2 files would become keck_deimos_A/keck_deimos_A.pypeit"
    }
    assert len(result.problems) == 2


def test_reduced_rows(root: Path) -> None:
    rows, missing = table_rows.make_reduced_rows(root, UNIT, scan(root), RULES)
    assert missing == []
    assert len(rows) == 2
    first = rows[0]
    assert list(first) == table_rows.reduced_columns(RULES)
    assert first["koaid"] == "DE.20110402.20600.fits"
    assert first["spec1d_file"] == f"{NAME}/{SCIENCE}/{FIRST}"
    assert first["spec2d_file"] == first["spec1d_file"].replace("spec1d_", "spec2d_")
    assert first["pypeit_file"] == f"{NAME}/keck_deimos_A/keck_deimos_A.pypeit"
    assert (first["ra"], first["slmsknam"], first["progid"]) == (201.1, "SIM1", "U999")


@pytest.mark.parametrize(
    ("header", "koaid"),
    [
        ({"KOAID": "DE.20110402.20600.fits", "FILENAME": "x"}, "DE.20110402.20600.fits"),
        ({"FILENAME": "DE.20110402.20600.fits.gz"}, "DE.20110402.20600.fits"),
        ({"KOAID": " ", "FILENAME": "DE.20110402.20600-more.fits"}, "DE.20110402.20600.fits"),
        ({"FILENAME": "b27.fits.gz"}, "b27.fits.gz"),
        ({}, None),
    ],
)
def test_koaid(header: dict[str, str], koaid: str | None) -> None:
    assert table_rows.find_koaid(header) == koaid


def test_missing_companions_of_a_spec1d_are_reported(root: Path, spec1d: Path) -> None:
    """A missing spec2d was reported as a missing text file."""
    spec1d.with_suffix(".txt").unlink()
    spec1d.with_name(spec1d.name.replace("spec1d", "spec2d")).unlink()
    shutil.copy(
        root / NAME / SETUP / "keck_deimos_A.pypeit", root / NAME / SETUP / "another.pypeit"
    )
    rows, missing = table_rows.make_reduced_rows(root, UNIT, scan(root), RULES)
    place = f"{SCIENCE}/{FIRST}"
    assert missing[:3] == [
        f"{place}: no text file",
        f"{place}: no spec2d",
        f"{place}: 2 .pypeit file in keck_deimos_A",
    ]
    assert [rows[0][name] for name in table_rows.REDUCED_FILE_COLUMNS[2:]] == [None, None, None]


def test_coadded_rows(root: Path) -> None:
    rows, missing = table_rows.make_coadded_rows(root, UNIT, scan(root), RULES)
    assert missing == []
    assert len(rows) == 4, "two objects of two exposures"
    assert list(rows[0]) == table_rows.coadded_columns(RULES)
    assert rows[0]["spec1d_filename"] == f"{NAME}/{SCIENCE}/{FIRST}"
    assert rows[0]["source_id"] == "DE.20110402.20600.fits"
    assert rows[0]["coadd2d_filename"].startswith(f"{NAME}/2D_Coadd/Science_coadd/spec2d_")
    assert (rows[0]["maskdef_objname"], rows[0]["maskdef_extract"]) == ("sim_0", False)


def test_a_coadd_without_its_companions_is_delivered_and_reported(root: Path, spec1d: Path) -> None:
    folder = root / NAME / "complete/1D_Coadd"
    (folder / "collate1d.par").unlink()
    spec1d.unlink()
    rows, missing = table_rows.make_coadded_rows(root, UNIT, scan(root), RULES)
    coadds = [f"1D_Coadd/{path.name}" for path in sorted(folder.glob("*.fits"))]
    assert missing == [f"{c}: no {what}" for c in coadds for what in ("collate1d.par", FIRST)]
    lost = next(row for row in rows if row["spec1d_filename"] == FIRST)
    assert (lost["source_id"], lost["s2n"], lost["coadd1d_par_file"]) == (None, 12.35, None)


def test_a_damaged_report_is_reported(root: Path) -> None:
    report = root / NAME / "complete/1D_Coadd/collate_report.dat"
    report.write_text("no table")
    rows, missing = table_rows.make_coadded_rows(root, UNIT, scan(root), RULES)
    assert rows == []
    assert missing[0].startswith("1D_Coadd/collate_report.dat: collate_report.dat is not an IPAC")


def test_joint_coadds_find_their_spectra_in_the_datasets(root: Path) -> None:
    complete, config = root / NAME / "complete", root / NAME.rpartition("/")[0]
    for name in ("1D_Coadd", "2D_Coadd"):
        (complete / name).rename(config / name)
    unit = ArchiveUnit(NAME.rpartition("/")[0])
    result = scan_unit(root, unit, RULES)
    rows, missing = table_rows.make_coadded_rows(root, unit, result, RULES)
    assert missing == []
    assert rows[0]["spec1d_filename"] == f"{NAME}/{SCIENCE}/{FIRST}"
    assert rows[0]["coadd1d_filename"].startswith(f"{unit.name}/1D_Coadd/")


def test_rules_are_data(root: Path, tmp_path: Path) -> None:
    text = DEFAULT_RULES.read_text().replace("  progpi: PROGPI\n", "  observer: OBSERVER\n", 1)
    (tmp_path / "mine.yml").write_text(text)
    mine = load_rules(tmp_path / "mine.yml")
    assert "observer" in table_rows.reduced_columns(mine)
    (tmp_path / "bad.yml").write_text(text.replace("leave:", "leaves:"))
    with pytest.raises(InvalidInputError, match=r"bad\.yml, line \d+: .*did you mean leave"):
        load_rules(tmp_path / "bad.yml")
