"""The stand-in DRP's measurements on light without noise: right, not only plausible."""

import numpy as np
import pytest

from kpfnb.demo import ccf, spectra, true_values, wavelengths
from kpfnb.demo.extraction import ExtractedSpectra, locate_gaussians
from kpfnb.demo.instrument import CAMERAS, DEMO_SIDE, LIGHT_SPEED, Camera, Echelle


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_positions_undo_wavelengths(camera: Camera) -> None:
    echelle = Echelle(camera, DEMO_SIDE)
    rows = np.arange(echelle.rows)
    for pixel in (0, 400, 815):
        at = echelle.positions(rows, echelle.wavelengths()[:, pixel])
        np.testing.assert_allclose(at, pixel, atol=1e-8)


def test_gaussians_are_located_where_they_are() -> None:
    centres = np.linspace(9.6, 10.4, 9)
    rows = np.zeros(1, dtype=int)
    echelle = Echelle(CAMERAS[0], DEMO_SIDE)
    for centre in centres:
        line = spectra.paint_lines(
            echelle, rows, np.array([centre]), np.array([1e4]), np.array([1.05])
        )
        window = line[:1, 8:13]
        located = locate_gaussians(window, window + 16, np.array([8]), np.array([10.0]), 1.05)
        assert located.centres[0] == pytest.approx(centre, abs=1e-6)
        assert located.is_good[0]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_a_displaced_comb_gives_the_wavelengths_back(camera: Camera) -> None:
    echelle = Echelle(camera, DEMO_SIDE)
    moved = true_values.row_displacement(echelle, seed=5, drift=0.1)
    light = spectra.emission_spectrum(echelle, spectra.comb_lines(DEMO_SIDE), moved)
    centroids = wavelengths.locate_lines(
        echelle, ExtractedSpectra(light, light + 16), echelle.blaze(), spectra.comb_lines(DEMO_SIDE)
    )
    solution = wavelengths.row_wavelengths(
        echelle, wavelengths.solve_displacement(echelle, centroids), 0.0
    )
    pixels = np.arange(DEMO_SIDE)
    shift = np.array([np.interp(pixels, pixels + row, row) for row in moved])
    off = (solution / echelle.wavelengths(pixels - shift) - 1) * LIGHT_SPEED
    assert abs(off.mean()) < 0.001
    assert off.std() < 0.010


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
@pytest.mark.parametrize(("radial", "barycentric"), [(0.0, 0.0), (33.1, 3.2), (-18.2, -25.0)])
def test_a_star_without_noise_has_no_bias(
    camera: Camera, radial: float, barycentric: float
) -> None:
    echelle = Echelle(camera, DEMO_SIDE)
    factor = (1 + radial / LIGHT_SPEED) / (1 + barycentric / LIGHT_SPEED)
    still = np.zeros((echelle.rows, DEMO_SIDE))
    light = spectra.star_spectrum(echelle, factor, 20_000.0, still)
    lamp = spectra.continuum_spectrum(echelle, 1.0, temperature=5700.0)
    edges = echelle.wavelengths(np.tile(np.arange(DEMO_SIDE + 1) - 0.5, (echelle.rows, 1)))
    functions = ccf.correlate_rows(
        ExtractedSpectra(light, light + 100),
        lamp / lamp.max(axis=1, keepdims=True),
        edges,
        spectra.stellar_lines(),
        centre=round(radial),
        barycentric=barycentric,
    )
    mean = ccf.mean_velocity(functions.radial, functions.errors)
    assert mean.velocity == pytest.approx(radial, abs=0.0015)
    assert 0 < mean.error < 0.005


@pytest.mark.parametrize("centre", [0.0, 33.0, -18.0])
def test_a_comb_has_the_velocity_0_wherever_the_grid_has_its_middle(centre: float) -> None:
    # All orderlets of an exposure share the grid of the star, also the etalon in CAL
    echelle = Echelle(CAMERAS[0], DEMO_SIDE)
    still = np.zeros((echelle.rows, DEMO_SIDE))
    light = spectra.emission_spectrum(echelle, spectra.etalon_lines(DEMO_SIDE), still)
    edges = echelle.wavelengths(np.tile(np.arange(DEMO_SIDE + 1) - 0.5, (echelle.rows, 1)))
    functions = ccf.correlate_rows(
        ExtractedSpectra(light, light + 100),
        echelle.blaze(),
        edges,
        spectra.etalon_lines(DEMO_SIDE),
        centre=centre,
        barycentric=0.0,
        near=0.0,
        rows=slice(4, None, 5),
    )
    assert functions.velocities[402] == centre
    mean = ccf.mean_velocity(functions.radial, functions.errors)
    assert abs(mean.velocity) < 0.02


def test_the_mean_of_values_that_scatter_too_much_has_a_larger_error() -> None:
    errors = np.full(50, 0.01)
    calm = ccf.mean_velocity(np.random.default_rng(1).normal(0, 0.01, 50), errors)
    wild = ccf.mean_velocity(np.random.default_rng(1).normal(0, 0.10, 50), errors)
    assert calm.error == pytest.approx(0.01 / np.sqrt(50), rel=0.3)
    assert wild.error > 5 * calm.error


def test_no_velocities_have_no_mean() -> None:
    assert ccf.mean_velocity(np.zeros(3), np.zeros(3)) == ccf.MeanVelocity(0.0, 0.0)
