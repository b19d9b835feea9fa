from __future__ import annotations

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots import orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE
from tests.kpf.quicklook.measures.test_wavelengths import make_content


def test_fluxes_without_a_value_are_counted_by_orderlet() -> None:
    flux = np.ones((3, 100))
    flux[1, :7] = np.nan
    content = FitsContent(images={"GREEN_SCI_FLUX1": flux, "RED_CAL_FLUX": np.ones((3, 100))})
    assert MEASURES["unknown_fluxes"](content)[:2] == (7, "GREEN SCI1: 7")
    assert MEASURES["unknown_fluxes"](FitsContent()) is NOT_IN_FILE


@pytest.mark.parametrize(
    ("orderlet", "orders", "count"),
    [("SKY", [0], 0), ("CAL", [2], 0), ("SKY", [0, 1, 2], 100), ("SCI1", [0], 100)],
)
def test_an_order_of_sky_beside_the_ccd_is_not_counted(
    orderlet: str, orders: list[int], count: int
) -> None:
    # The extraction of DRP v2.12.1 writes NaN where an orderlet has no trace
    flux = np.ones((3, 100))
    flux[orders] = np.nan
    name = orderlets.extension_name("RED", orderlet, "FLUX")
    assert MEASURES["unknown_fluxes"](FitsContent(images={name: flux})).value == count


def test_missing_spectra_are_named() -> None:
    content = FitsContent(images={"GREEN_SCI_FLUX1": np.ones((3, 100))})
    measured = MEASURES["missing_spectra_green"](content)
    assert measured.value == 14
    assert measured.note.startswith("GREEN_SCI_VAR1, GREEN_SCI_WAVE1, ")
    assert measured.note.endswith(" and 2 more")
    assert MEASURES["missing_spectra_red"](content) is NOT_IN_FILE


def test_spectra_of_zeros_or_of_another_shape_are_missing() -> None:
    content = make_content()
    assert MEASURES["missing_spectra_red"](content)[:2] == (0, "")
    content.images["RED_SCI_FLUX1"] = np.zeros((4, 30))
    content.images["RED_CAL_WAVE"] = content.images["RED_CAL_WAVE"][:2]
    measured = MEASURES["missing_spectra_red"](content)
    assert measured[:2] == (2, "RED_SCI_FLUX1 (all 0), RED_CAL_WAVE (shape (2, 30))")
    assert MEASURES["missing_spectra_green"](content).value == 0


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, (0, "")), (np.nan, (10, "")), (0.0, (100, "all pixels are 0"))]
)
def test_pixels_without_a_value(value: float, expected: tuple[float, str]) -> None:
    image = np.full((10, 40), value if value == 0 else 1.0)
    image[3] = value
    for measure, name in (("hk", "CA_HK"), ("green", "GREEN_CCD"), ("red", "RED_CCD")):
        content = FitsContent(images={name: image})
        assert MEASURES[f"unknown_{measure}"](content)[:2] == expected
        assert MEASURES[f"unknown_{measure}"](FitsContent()) is NOT_IN_FILE


def test_pixels_without_a_value_in_the_images_of_a_master() -> None:
    unknown = np.full((10, 40), np.nan)
    content = FitsContent(images={"GREEN_CCD": unknown, "RED_CCD": np.ones((10, 40))})
    assert MEASURES["unknown_master"](content).value == 50
    assert MEASURES["unknown_master"](FitsContent()) is NOT_IN_FILE
