"""What the stand-in DRP writes is in KPF's format, and the velocities are those put in."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.demo.conftest import of_kind


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
        assert "config=a.cfg recipe=b.rec" in hdus["RECEIPT"].data["Module_Param"][0]


def test_an_l1_holds_flux_variance_and_wavelength_of_each_orderlet(reduced: Path) -> None:
    with fits.open(product(of_kind(reduced, "star")[0], "L1")) as hdus:
        for camera, orders in (("GREEN", 35), ("RED", 32)):
            for kind in ("FLUX", "VAR", "WAVE"):
                fibres = [f"SCI_{kind}{n}" for n in (1, 2, 3)] + [f"SKY_{kind}", f"CAL_{kind}"]
                for fibre in fibres:
                    assert hdus[f"{camera}_{fibre}"].data.shape == (orders, 816)
            assert (np.diff(hdus[f"{camera}_SCI_WAVE2"].data, axis=1) < 0).all()
            assert (hdus[f"{camera}_SCI_VAR2"].data > 0).all()
        assert hdus["CA_HK_SCI"].data.shape == hdus["CA_HK_SCI_WAVE"].data.shape
        assert len(hdus["BARY_CORR"].data) == 67


def test_an_l2_holds_correlation_functions_and_a_table_of_67_orders(reduced: Path) -> None:
    with fits.open(product(of_kind(reduced, "star")[0], "L2")) as hdus:
        for name, orders in (("GREEN_CCF", 35), ("RED_CCF_RW", 32)):
            steps = hdus[name].header["TOTALV"]
            assert hdus[name].data.shape == (5, orders, steps)
            assert hdus[name].header["STEPV"] > 0
        table = hdus["RV"].data
        assert len(table) == 67
        assert all(np.isfinite(table[name]).all() for name in ("RV", "RV error", "CAL RV"))
        assert {"CCD1RV", "CCD1ERV", "CCD2RV", "CCD2ERV3", "CCD2ROW"} <= set(hdus["RV"].header)
        assert "ACTIVITY" in hdus


@pytest.mark.parametrize(
    ("level", "low", "high"), [("2D", 410, 460), ("L1", 920, 1000), ("L2", 940, 1030)]
)
def test_headers_grow_from_level_to_level(reduced: Path, level: str, low: int, high: int) -> None:
    header = fits.getheader(product(of_kind(reduced, "star")[0], level))
    assert low <= len(header) <= high
    assert header["DRPTAG"] == "v2.9.1"


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
