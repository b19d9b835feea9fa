"""What the stand-in DRP writes is in KPF's format, and the velocities are those put in."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.demo.conftest import of_kind

LEVELS = ("2D", "L1", "L2")


def product(l0: Path, level: str) -> Path:
    return l0.parents[2] / level / l0.parent.name / f"{l0.stem}_{level}.fits"


@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "lfc", "etalon", "thar", "star", "sun"])
def test_the_levels_that_are_expected_are_there(reduced: Path, kind: str) -> None:
    for l0 in of_kind(reduced, kind):
        assert product(l0, "2D").exists()
        assert product(l0, "L1").exists()
        assert product(l0, "L2").exists() == (kind not in ("bias", "dark"))


def test_a_2d_holds_both_ccds_and_the_tail_of_the_l0(reduced: Path) -> None:
    with fits.open(product(of_kind(reduced, "star")[0], "2D")) as hdus:
        names = [hdu.name for hdu in hdus]
        assert names[:7] == [
            "PRIMARY", "RECEIPT", "CONFIG", "GREEN_CCD", "GREEN_VAR", "RED_CCD", "RED_VAR"
        ]  # fmt: skip
        assert {"CA_HK", "EXPMETER_SCI", "TELEMETRY", "GUIDER_AVG"} <= set(names)
        assert hdus["GREEN_CCD"].data.shape == (816, 816)
        # As in a 2D that the real pipeline made
        assert hdus["GREEN_CCD"].data.dtype == np.dtype(">f8")
        assert hdus["GREEN_VAR"].data.dtype == np.dtype(">f4")
        assert hdus["GREEN_CCD"].header["BUNIT"] == "electrons"
        header = hdus[0].header
        # The pipeline's own analyze_guider gives 0.67 arcsec for the simulated seeing
        assert header["GDRSEEJZ"] == pytest.approx(0.67, abs=0.05)
        assert header["GDRFWMD"] == pytest.approx(315, abs=5)
        assert -20 < header["SUNALT"] < -10  # seven in the evening, local time
        assert 0 < header["MOONSEP"] < 180
        assert "config=a.cfg recipe=b.rec" in hdus["RECEIPT"].data["Module_Param"][0]


def test_an_l1_holds_flux_variance_and_wavelength_of_each_orderlet(reduced: Path) -> None:
    with fits.open(product(of_kind(reduced, "star")[0], "L1")) as hdus:
        for camera, orders in (("GREEN", 35), ("RED", 32)):
            for kind in ("FLUX", "VAR", "WAVE"):
                fibres = [f"SCI_{kind}{n}" for n in (1, 2, 3)] + [f"SKY_{kind}", f"CAL_{kind}"]
                for fibre in fibres:
                    assert hdus[f"{camera}_{fibre}"].data.shape == (orders, 816)
                    assert hdus[f"{camera}_{fibre}"].data.dtype == np.dtype(">f8")
            assert hdus[f"{camera}_CAL_FLUX"].header["TOTALORD"] == orders
            assert (np.diff(hdus[f"{camera}_SCI_WAVE2"].data, axis=1) < 0).all()
            assert (hdus[f"{camera}_SCI_VAR2"].data > 0).all()
        assert hdus["CA_HK_SCI"].data.shape == hdus["CA_HK_SCI_WAVE"].data.shape == (6, 204)


def test_an_l1_has_the_extensions_of_a_real_one_in_their_order(reduced: Path) -> None:
    # Those of the real L1 KP.20240211.00048.69
    expected = ["PRIMARY", "RECEIPT", "CONFIG", "TELEMETRY"]
    for camera in ("GREEN", "RED"):
        for kind in ("FLUX", "VAR", "WAVE"):
            expected += [f"{camera}_SCI_{kind}{n}" for n in (1, 2, 3)]
            expected += [f"{camera}_SKY_{kind}", f"{camera}_CAL_{kind}"]
        expected += [f"{camera}_TELLURIC", f"{camera}_SKY"]
    expected += ["CA_HK_SCI", "CA_HK_SKY", "CA_HK_SCI_WAVE", "CA_HK_SKY_WAVE", "BARY_CORR"]
    for kind in ("star", "sun"):  # the Sun has no Ca H&K spectrum: empty images
        with fits.open(product(of_kind(reduced, kind)[0], "L1")) as hdus:
            assert [hdu.name for hdu in hdus] == expected


def test_the_tables_of_an_l1_have_the_columns_of_a_real_one(reduced: Path) -> None:
    # Those of the real L1 KP.20240211.00048.69
    star = of_kind(reduced, "star")[0]
    with fits.open(product(star, "L1")) as hdus:
        barycentre = hdus["BARY_CORR"]
        assert barycentre.columns.names == [
            "GEOMID_UTC", "GEOMID_JD", "PHOTON_JD", "GEOMID_BJD", "PHOTON_BJD", "BARYVEL"
        ]  # fmt: skip
        assert barycentre.columns.formats == ["23A", "D", "D", "D", "D", "D"]
        assert len(barycentre.data) == 67
        truth = fits.getheader(star)["SIMBCV"] * 1000
        assert barycentre.data["BARYVEL"] == pytest.approx(truth, abs=0.1)
        light_time = (barycentre.data["GEOMID_BJD"] - barycentre.data["GEOMID_JD"]) * 86400
        assert (np.abs(light_time) < 600).all()
        assert hdus["RECEIPT"].columns.names == [
            "Time", "Code_Release", "Branch_Name", "Commit_Hash", "Chip", "Module_Name",
            "Module_Level", "Module_Path", "Module_Param", "Status",
        ]  # fmt: skip
        assert hdus["CONFIG"].columns.names == ["number", "line"]


def test_the_calibrations_of_an_exposure_are_named(reduced: Path) -> None:
    header = fits.getheader(product(of_kind(reduced, "star")[0], "L1"))
    assert header["BIASFILE"] == "kpf_20240115_master_bias_autocal-bias.fits"
    assert header["FLATFILE"] == "kpf_20240115_master_flat.fits"
    folder = "/masters/20240115/kpf_20240115"
    assert header["WLSFILE"] == f"{folder}_master_WLS_autocal-lfc-all-eve_L1.fits"
    assert header["WLSFILE2"] == f"{folder}_master_WLS_autocal-lfc-all-morn_L1.fits"
    assert header["AGEWLS"] < 0 < header["AGEWLS2"] < 1


def test_an_l2_holds_correlation_functions_and_a_table_of_67_orders(reduced: Path) -> None:
    with fits.open(product(of_kind(reduced, "star")[0], "L2")) as hdus:
        for name, orders in (("GREEN_CCF", 35), ("RED_CCF_RW", 32)):
            # As the pipeline's quality control of v2.12 expects
            assert hdus[name].data.shape == (5, orders, 804)
            assert hdus[name].header["TOTALV"] == 804
            assert hdus[name].header["STEPV"] == 0.25
        table = hdus["RV"].data
        assert (table["s_wavelength"] > table["e_wavelength"]).all()
        assert table.names == [
            "orderlet1", "orderlet2", "orderlet3", "s_wavelength", "e_wavelength", "segment no.",
            "order no.", "RV", "RV error", "CAL RV", "CAL error", "SKY RV", "SKY error", "CCFBJD",
            "Bary_RVC", "source1", "source2", "source3", "source CAL", "source SKY", "CCF Weights",
        ]  # fmt: skip
        assert len(table) == 67
        assert all(np.isfinite(table[name]).all() for name in ("RV", "RV error", "CAL RV"))
        assert {"CCD1RV", "CCD1ERV", "CCD2RV", "CCD2ERV3", "CCD2ROW"} <= set(hdus["RV"].header)
        assert "ACTIVITY" in hdus


def test_headers_grow_from_level_to_level(reduced: Path) -> None:
    star = of_kind(reduced, "star")[0]
    headers = [fits.getheader(path) for path in (star, *(product(star, n) for n in LEVELS))]
    for earlier, later in pairwise(headers):
        assert len(earlier) < len(later)
        assert set(earlier) <= set(later)
    assert [header["DATALVL"] for header in headers] == ["0", "0", "1", "2"]
    assert {header["DRPTAG"] for header in headers[1:]} == {"v2.9.1"}


def test_junk_is_marked(reduced: Path) -> None:
    marks = {
        path.name: fits.getheader(path)["NOTJUNK"] for path in (reduced / "2D/20240115").iterdir()
    }
    assert sorted(marks.values())[:2] == [0, 1]


def velocities(l2: Path) -> tuple[float, float, fits.Header]:
    header = fits.getheader(l2)
    return header["CCFRV"] - header["SIMRV"], header["CCFERV"], header


@pytest.mark.parametrize("kind", ["star", "sun"])
def test_the_simulated_velocity_is_measured_within_its_error(reduced: Path, kind: str) -> None:
    for l0 in of_kind(reduced, kind):
        difference, error, header = velocities(product(l0, "L2"))
        assert 0 < error < 0.020
        assert abs(difference) < 3 * error, header["OBJECT"]
        assert header["CCFBCV"] == pytest.approx(header["SIMBCV"], abs=1e-4)


def test_each_camera_agrees_within_its_error(reduced: Path) -> None:
    for l0 in of_kind(reduced, "star"):
        with fits.open(product(l0, "L2")) as hdus:
            truth, header = hdus[0].header["SIMRV"], hdus["RV"].header
            for camera in ("CCD1", "CCD2"):
                assert 0 < header[f"{camera}ERV"] < 0.020
                assert abs(header[f"{camera}RV"] - truth) < 3 * header[f"{camera}ERV"]


def test_the_errors_of_the_orders_are_those_of_their_scatter(reduced: Path) -> None:
    pulls = []
    for l0 in of_kind(reduced, "star"):
        with fits.open(product(l0, "L2")) as hdus:
            table = hdus["RV"].data
            pulls.append((table["RV"] - hdus[0].header["SIMRV"]) / table["RV error"])
    assert abs(np.mean(pulls)) < 0.35
    assert 0.75 < np.std(pulls) < 1.25


def test_the_drift_between_evening_and_morning_is_followed(reduced: Path) -> None:
    # The drift is counted from the first laser comb
    reference = fits.getheader(of_kind(reduced, "lfc")[0])
    start = (reference["SIMDRFTG"] + reference["SIMDRFTR"]) / 2
    for l0 in of_kind(reduced, "star"):
        header = fits.getheader(product(l0, "L2"))
        truth = (header["SIMDRFTG"] + header["SIMDRFTR"]) / 2 - start
        assert header["DRFTRV"] / 1000 == pytest.approx(truth, abs=0.005)
        assert header["DRFTMETH"] == "simultaneous etalon"
