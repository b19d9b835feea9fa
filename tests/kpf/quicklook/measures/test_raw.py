from __future__ import annotations

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE
from kpfnb.kpf.quicklook.quality import Verdict

SCALE = 2**16


@pytest.mark.parametrize("scale", [1, SCALE])
def test_saturated_and_zero_pixels_are_counted_in_dn(scale: int) -> None:
    # Real L0 files hold DN x 2**16; MEDGRN1 of the documentation is 3.96e7
    amplifier = np.full((100, 100), 604, ">f4")
    amplifier[:10], amplifier[10:15] = 65_535, 0
    content = FitsContent(images={"GREEN_AMP1": amplifier * np.float32(scale)})
    assert MEASURES["saturated_green"](content).value == pytest.approx(10)
    assert MEASURES["dead_green"](content).value == pytest.approx(5)
    assert MEASURES["saturated_red"](content) is NOT_IN_FILE


def test_an_amplifier_without_values_is_dead() -> None:
    images = {"RED_AMP1": np.full((50, 50), 604.0), "RED_AMP2": np.full((50, 50), np.nan)}
    content = FitsContent(images=images)
    assert MEASURES["dead_red"](content).value == 50
    assert MEASURES["saturated_red"](content).value == 0


def test_a_bright_raw_image_is_not_saturated() -> None:
    content = FitsContent(images={"GREEN_AMP1": np.full((50, 50), 40_000.0 * SCALE, ">f4")})
    assert MEASURES["saturated_green"](content).value == 0


@pytest.mark.parametrize(
    ("present", "file", "missing"),
    [
        ([1, 2], "regular-read-green.acf", ""),
        ([1], "regular-read-green.acf", "no GREEN_AMP2"),
        ([2], "", "no GREEN_AMP1"),
        ([1, 2, 3, 4], "fast-read-green.acf", ""),
        ([1, 2, 4], "", "no GREEN_AMP3"),
        ([1, 2], "fast-read-green.acf", "no GREEN_AMP3, GREEN_AMP4"),
    ],
)
def test_missing_amplifiers(present: list[int], file: str, missing: str) -> None:
    images = {f"GREEN_AMP{number}": np.zeros((4, 4)) for number in present}
    measured = MEASURES["missing_amplifiers_green"](FitsContent({"GRACFFLN": file}, images))
    assert measured.note == missing
    assert measured.value == missing.count("AMP")


def guider(count: int) -> FitsContent:
    origins = {f"{what}_{axis}": np.zeros(count) for what in ("object1", "target") for axis in "xy"}
    origins["object1_x"] = np.linspace(1, 1.1, count)
    origins["object1_y"] = np.linspace(-0.1, 0.1, count)
    return FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins})


def test_the_guiding_error_is_the_larger_of_x_and_y() -> None:
    content = guider(101)
    assert MEASURES["guiding_rms"](content).value == pytest.approx(58.8, abs=0.1)
    # Frames without the star are left out
    content.tables["GUIDER_CUBE_ORIGINS"]["object1_x"][3] = np.nan
    assert MEASURES["guiding_rms"](content).value == pytest.approx(58.8, abs=0.1)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_scatter_of_few_frames_is_not_judged(count: int) -> None:
    measured = MEASURES["guiding_rms"](guider(count))
    assert measured.note == f"too few positions of the star: {count}"
    assert (measured.value, measured.verdict) == (None, Verdict.NOT_JUDGED)


def test_a_guide_camera_that_never_saw_the_star_is_not_judged() -> None:
    content = guider(20)
    content.tables["GUIDER_CUBE_ORIGINS"]["object1_x"][:] = np.nan
    assert MEASURES["guiding_rms"](content).note == "too few positions of the star: 0"


def test_an_exposure_meter_without_readings_is_reported_as_that() -> None:
    rows = {"Date-Beg": np.array([b"a"] * 4), "500.0": np.zeros(4)}
    content = FitsContent(
        tables={"EXPMETER_SCI": rows}, headers={"EXPMETER_SCI": {}, "EXPMETER_SKY": {}}
    )
    measured = MEASURES["meter_readings"](content)
    assert (measured.value, measured.note) == (0, "science 4, sky 0")
    assert MEASURES["meter_readings"](FitsContent()) is NOT_IN_FILE


def test_telemetry_without_columns_has_no_readings() -> None:
    # As in the real L1 files
    measured = MEASURES["telemetry_readings"](FitsContent(headers={"TELEMETRY": {}}))
    assert (measured.value, measured.note) == (0, "the table is empty")
    table = {"keyword": np.array([b"a", b"b"]), "average": np.array([b"-nan", b"1.5"])}
    assert MEASURES["telemetry_readings"](FitsContent(tables={"TELEMETRY": table})).value == 1
