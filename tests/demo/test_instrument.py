"""The nominal format of the simulated spectrograph is that of KPF."""

import numpy as np
import pytest

from kpfnb.demo.instrument import CAMERAS, FULL_SIDE, GREEN, RED, Camera, Echelle


# From the SCI2 wavelengths of the real L1 KP.20240211.00048.69
@pytest.mark.parametrize(
    ("camera", "order", "first", "middle", "last"),
    [
        (GREEN, 0, 4511.25, 4487.14, 4457.42),
        (GREEN, 17, 5149.34, 5121.71, 5087.74),
        (GREEN, 34, 5997.54, 5965.26, 5925.71),
        (RED, 1, 6117.66, 6084.75, 6044.36),
        (RED, 31, 8699.88, 8652.63, 8594.81),
    ],
)
def test_the_orders_are_where_a_real_l1_has_them(
    camera: Camera, order: int, first: float, middle: float, last: float
) -> None:
    row = order * 5 + 2
    waves = Echelle(camera, FULL_SIDE).wavelengths()[row]
    assert waves[FULL_SIDE // 2] == pytest.approx(middle, abs=0.25)
    assert waves[[0, -1]] == pytest.approx([first, last], abs=0.4)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_wavelengths_fall_along_every_row_and_rise_from_order_to_order(camera: Camera) -> None:
    waves = Echelle(camera, FULL_SIDE).wavelengths()
    assert (np.diff(waves, axis=1) < 0).all()
    assert (np.diff(waves[::5, 0]) > 0).all()


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_the_first_pixels_are_the_faint_end_of_the_blaze(camera: Camera) -> None:
    # In the real flats of February 2024 the maximum of an order is near pixel 2700
    blaze = Echelle(camera, FULL_SIDE).blaze()
    assert np.abs(blaze.argmax(axis=1) - 2650).max() < 30
    assert (blaze[:, 0] < blaze[:, -1]).all()


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_every_orderlet_is_on_the_ccd_and_apart_from_its_neighbours(camera: Camera) -> None:
    traces = Echelle(camera, FULL_SIDE).traces()
    assert 10 < traces.min() < traces.max() < FULL_SIDE - 10
    assert np.diff(traces, axis=0).min() > 13
