from __future__ import annotations

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES


def test_saturated_and_dead_pixels() -> None:
    amplifier = np.full((100, 100), 1000, ">f4")
    amplifier[:10], amplifier[10:15] = 65_535, 0
    content = FitsContent(images={"GREEN_AMP1": amplifier})
    assert MEASURES["saturated_green"](content) == pytest.approx(10)
    assert MEASURES["dead_green"](content) == pytest.approx(5)
    assert MEASURES["saturated_red"](content) is None


def test_velocities_that_disagree() -> None:
    header = {"CCD1RV": 1.0, "CCD2RV": 1.05, "CCD1ERV": 0.003, "CCD2ERV": 0.004}
    content = FitsContent(headers={"RV": header})
    assert MEASURES["velocity_disagreement"](content) == pytest.approx(10)
    assert MEASURES["velocity_error_green"](content) == pytest.approx(3)
    assert MEASURES["velocity_disagreement"](FitsContent(headers={"RV": {"CCD1RV": 0.0}})) is None


def test_guider_frames_without_the_star_are_left_out() -> None:
    origins = {f"{what}_{axis}": np.zeros(3) for what in ("object1", "target") for axis in "xy"}
    origins["object1_x"] = np.array([1.0, np.nan, 1.0])
    content = FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins})
    assert MEASURES["guiding_rms"](content) == pytest.approx(56)
    origins["object1_x"][:] = np.nan
    assert np.isnan(MEASURES["guiding_rms"](content) or 0)
