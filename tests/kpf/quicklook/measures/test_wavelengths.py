from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.quicklook.instrument_plots import orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE

STARTS = {"GREEN": 4511.2, "RED": 6057.6}
"""Å; the first wavelengths of real files."""


def make_content(orders: int = 4, pixels: int = 30) -> FitsContent:
    """Both cameras; wavelengths fall along every order, as in real files."""
    content = FitsContent()
    for camera, start in STARTS.items():
        first = start + 50.0 * np.arange(orders)
        waves = first[:, None] - np.linspace(0, 55, pixels)
        for orderlet in orderlets.ORDERLET_EXTENSIONS:
            for kind, values in (("WAVE", waves), ("FLUX", waves), ("VAR", waves)):
                name = orderlets.extension_name(camera, orderlet, kind)
                content.images[name] = values.astype(">f8")
    return content


def test_wavelengths_that_fall_pass() -> None:
    content = make_content()
    for name in MEASURES:
        if "orders" in name and name != "empty_orders":
            assert MEASURES[name](content) == (0, "", "not judged"), name


def test_rising_pixels_are_found_by_orderlet_and_order() -> None:
    # The real L1 KP.20230804.00052.40 has such orders in RED CAL
    content = make_content()
    content.images["RED_CAL_WAVE"][2, :10] = content.images["RED_CAL_WAVE"][2, :10][::-1]
    assert MEASURES["rising_other_orders"](content)[:2] == (1, "RED CAL 2 (9 pixels)")
    assert MEASURES["rising_science_orders"](content).value == 0
    content.images["GREEN_SCI_WAVE2"][:] = content.images["GREEN_SCI_WAVE2"][:, ::-1]
    assert MEASURES["rising_science_orders"](content).value == 4


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda wave, flux: wave.__imul__(0), "GREEN SKY 0 (no wavelengths)"),
        (lambda wave, flux: (wave.__imul__(0), flux.__imul__(0)),
         "GREEN SKY 0 (no wavelengths, no flux)"),
        (lambda wave, flux: wave.fill(np.nan), "GREEN SKY 0 (no wavelengths)"),
        # 209 Å is in RED CAL 31 of the real L1 KP.20230804.00052.40
        (lambda wave, flux: wave.__setitem__(slice(None), np.linspace(209.6, 207.1, 30)),
         "GREEN SKY 0 (209.6 to 207.1 Å)"),
        # The wavelengths of another order
        (lambda wave, flux: wave.__iadd__(100), "GREEN SKY 0 (4611.2 to 4556.2 Å)"),
    ],
)  # fmt: skip
def test_orders_without_true_wavelengths_are_named(change: object, note: str) -> None:
    content = make_content()
    change(content.images["GREEN_SKY_WAVE"][0], content.images["GREEN_SKY_FLUX"][0])  # type: ignore[operator]
    assert MEASURES["other_orders_without_wavelengths"](content)[:2] == (1, note)
    # They are not counted twice
    assert MEASURES["rising_other_orders"](content).value == 0
    assert MEASURES["science_orders_without_wavelengths"](content).value == 0


def test_science_orders_without_wavelengths() -> None:
    content = make_content()
    content.images["RED_SCI_WAVE2"][:] = 0
    measured = MEASURES["science_orders_without_wavelengths"](content)
    assert measured.value == 4
    assert measured.note.startswith("RED SCI2 0 (no wavelengths)")
    # A reference without wavelengths does not make those of the others impossible
    assert MEASURES["other_orders_without_wavelengths"](content).value == 0


def test_an_order_whose_comb_lines_were_taken_for_their_neighbours_is_named() -> None:
    # As in RED CAL 1 to 3 of the real L1 KP.20240211.00048.69
    content = make_content()
    content.images["RED_CAL_WAVE"][1] *= 1 - 11.6 / 299_792.458
    content.images["RED_CAL_WAVE"][2] *= 1 + 0.6 / 299_792.458
    content.images["RED_CAL_WAVE"][3] = 0
    assert MEASURES["shifted_other_orders"](content)[:2] == (1, "RED CAL 1 (-11.6 km/s)")
    assert MEASURES["shifted_science_orders"](content).value == 0
    content.images["RED_SCI_WAVE2"][:] = 0
    assert MEASURES["shifted_other_orders"](content).value == 0


def test_without_spectra_nothing_is_measured() -> None:
    assert MEASURES["rising_science_orders"](FitsContent()) is NOT_IN_FILE
    assert MEASURES["other_orders_without_wavelengths"](FitsContent()) is NOT_IN_FILE


@given(
    camera=st.sampled_from(["GREEN", "RED"]),
    order=st.integers(0, 3),
    orderlet=st.sampled_from(["SKY", "CAL"]),
    pixel=st.integers(1, 28),
)
def test_a_single_pixel_that_rises_is_found(
    camera: str, order: int, orderlet: str, pixel: int
) -> None:
    content = make_content()
    waves = content.images[orderlets.extension_name(camera, orderlet, "WAVE")]
    waves[order, pixel] = waves[order, pixel - 1] + 0.01
    measured = MEASURES["rising_other_orders"](content)
    assert measured[:2] == (1, f"{camera} {orderlet} {order} (1 pixel)")


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
@pytest.mark.parametrize(("pixel", "steps"), [(0, 1), (7, 2), (29, 1)])
def test_a_pixel_without_a_wavelength_does_not_fall(value: float, pixel: int, steps: int) -> None:
    content = make_content()
    content.images["RED_SCI_WAVE1"][2, pixel] = value
    counted = f"RED SCI1 2 ({steps} pixel{'s' if steps > 1 else ''})"
    assert MEASURES["rising_science_orders"](content)[:2] == (1, counted)
    assert MEASURES["science_orders_without_wavelengths"](content).value == 0
