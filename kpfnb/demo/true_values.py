"""The true values of a SIMULATED exposure, which the stand-in DRP has to measure.

The spectrograph differs from its nominal format by a displacement that is constant during a night,
and by a drift of each camera. The L0 header has the simulated velocities (SIMRV ...).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kpfnb.demo import ephemerides, spectra
from kpfnb.demo.instrument import LIGHT_SPEED, Array, Camera, Echelle
from kpfnb.demo.plan import SUN, PlannedExposure

DRIFT_AMPLITUDE = 0.035
"""km/s"""

_LAMPS = {
    "lfc": spectra.comb_lines,
    "etalon": spectra.etalon_lines,
    "thar": spectra.thorium_lines,
}


@dataclass(frozen=True)
class TrueVelocities:
    """Velocities in km/s: of the source, of the observatory towards it, and camera drifts."""

    radial: float
    barycentric: float
    drifts: dict[str, float]

    @property
    def doppler(self) -> float:
        """The ratio of observed to emitted wavelength."""
        return (1 + self.radial / LIGHT_SPEED) / (1 + self.barycentric / LIGHT_SPEED)


def true_velocities(exposure: PlannedExposure, cameras: tuple[Camera, ...]) -> TrueVelocities:
    """The velocities of an exposure at its middle."""
    drifts = {camera.name: _camera_drift(exposure, camera) for camera in cameras}
    target = exposure.target
    if target is None:
        return TrueVelocities(0.0, 0.0, drifts)
    if target is SUN:
        return TrueVelocities(0.0, ephemerides.solar_correction(exposure.middle), drifts)
    moving = ephemerides.barycentric_correction(
        exposure.middle, target.ra_degrees, target.dec_degrees
    )
    return TrueVelocities(target.velocity(exposure.middle), moving, drifts)


def row_displacement(echelle: Echelle, seed: int, drift: float) -> Array:
    """The displacement of each row along the dispersion, pixels, (rows, side)."""
    random = np.random.default_rng([seed, echelle.camera.bluest, 1])
    shift, stretch, skew, wave = random.uniform(-1, 1, 4) * [1.6, 0.9, 0.9, 0.4]
    u = np.linspace(-1, 1, echelle.side)[None, :]
    t = (echelle.order_of / echelle.camera.orders)[:, None] * 2 - 1
    night = shift + stretch * u * t + skew * t + wave * (u**3 - t**2 * u)
    pixel = echelle.camera.half_range * 2 / echelle.side * LIGHT_SPEED
    return night * echelle.scale + drift / pixel


def trace_height(echelle: Echelle, seed: int) -> float:
    """The displacement of all traces across the dispersion, pixels."""
    random = np.random.default_rng([seed, echelle.camera.bluest, 2])
    return float(random.uniform(-1.5, 1.5) * echelle.scale)


def exposure_light(
    exposure: PlannedExposure, echelle: Echelle, seed: int, truth: TrueVelocities
) -> Array:
    """The light of an exposure, electrons per pixel, (rows, side)."""
    shift = row_displacement(echelle, seed, truth.drifts[echelle.camera.name])
    kind = exposure.kind.name
    if kind in ("bias", "dark"):
        return np.zeros((echelle.rows, echelle.side))
    if kind == "flat":
        return spectra.continuum_spectrum(echelle, 60_000.0, temperature=5700.0)
    if kind in _LAMPS:
        return spectra.emission_spectrum(echelle, _LAMPS[kind](echelle.side), shift)
    return _sky_light(exposure, echelle, shift, truth.doppler)


def _sky_light(exposure: PlannedExposure, echelle: Echelle, shift: Array, doppler: float) -> Array:
    """Target in the science orderlets, sky in the SKY orderlet, etalon in the CAL orderlet."""
    assert exposure.target is not None
    is_sun = exposure.target is SUN
    electrons = 34_000.0 if is_sun else 24_000.0 * 10 ** (-0.4 * (exposure.target.magnitude - 7))
    source = spectra.star_spectrum(echelle, doppler, 40.0 if exposure.is_junk else electrons, shift)
    night_sky = spectra.emission_spectrum(echelle, spectra.sky_lines(), shift) + 0.001 * source
    etalon = spectra.etalon_lines(echelle.side)
    simultaneous = 0.7 * spectra.emission_spectrum(echelle, etalon, shift)
    orderlet = np.arange(echelle.rows) % 5
    slices = np.array([0.0, 0.93, 1.0, 0.90, 0.0])[orderlet][:, None]
    sky = source if is_sun else night_sky
    return (
        slices * source
        + np.where(orderlet == 0, 1, 0)[:, None] * sky
        + np.where(orderlet == 4, 1, 0)[:, None] * simultaneous
    )


def _camera_drift(exposure: PlannedExposure, camera: Camera) -> float:
    """A slow and a faster sine through the day, slightly different in the two cameras; km/s."""
    hours = exposure.middle.hour + exposure.middle.minute / 60 + exposure.middle.second / 3600
    phase = 0.4 if camera.name == "GREEN" else 0.9
    return DRIFT_AMPLITUDE * (
        math.sin(2 * math.pi * hours / 20 + phase) + 0.3 * math.sin(2 * math.pi * hours / 7 + phase)
    )
