"""SIMULATED light in the fibres: spectra of the sources, and their line lists.

The lists come from fixed seeds: the stand-in DRP knows its laser comb, lamp and stellar mask like
a real one. Wavelengths are Å (vacuum).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo.instrument import DEMO_SIDE, FULL_SIDE, LIGHT_SPEED, Array, Echelle

BLUE, RED = 4400.0, 8800.0
COMB_SPACING = {FULL_SIDE: 20e9, DEMO_SIDE: 50e9}
"""Hz between the lines of the laser frequency comb, by the side of the CCD.

KPF's comb has 20 GHz (LFCFR in its headers), which the pixels of a demo CCD can't separate.
"""
ETALON_SPACING = {FULL_SIDE: 30e9, DEMO_SIDE: 48.5e9}
"""Hz between the transmission peaks of the etalon (simulated), by the side of the CCD."""
STELLAR_SIGMA = 3.5
"""Intrinsic width (sigma) of a stellar line, km/s."""


@dataclass(frozen=True)
class LineList:
    """A line list: wavelengths (Å, sorted) and strengths (depth, or electrons at the blaze)."""

    wavelengths: Array
    strengths: Array

    def shifted(self, factor: float) -> LineList:
        """The lines with all wavelengths multiplied by a Doppler factor."""
        return LineList(self.wavelengths * factor, self.strengths)


@cache
def stellar_lines() -> LineList:
    """Absorption lines of a star like the Sun, also the mask of the CCF; strengths are depths.

    No lines blend, so the mask has no bias and injected velocities can be compared.
    """
    wavelengths, random = _scatter_wavelengths(seed=101, mean_gap=22.0, least_gap=48.0)
    depths = random.beta(1.6, 2.2, wavelengths.size) * 0.75 + 0.08
    return LineList(wavelengths, depths * (1.1 - 0.35 * (wavelengths - BLUE) / (RED - BLUE)))


@cache
def comb_lines(side: int) -> LineList:
    """Lines of the laser frequency comb for a CCD of `side` pixels, evenly spaced in frequency."""
    return _evenly_spaced_lines(COMB_SPACING[side], offset=11.3e9, electrons=300_000.0)


@cache
def etalon_lines(side: int) -> LineList:
    """Transmission peaks of the etalon, nearly even, with unknown absolute wavelengths."""
    return _evenly_spaced_lines(ETALON_SPACING[side], offset=3.1e9, electrons=70_000.0)


@cache
def thorium_lines(side: int) -> LineList:
    """Emission lines of the ThAr lamp: few, scattered, of very different strength.

    The same for all sizes of the CCD; `side` is there for the other lamps.
    """
    wavelengths, random = _scatter_wavelengths(seed=102, mean_gap=35.0, least_gap=70.0)
    return LineList(wavelengths, 9_000.0 * random.lognormal(0.0, 0.9, wavelengths.size))


@cache
def sky_lines() -> LineList:
    """Airglow lines of the night sky."""
    wavelengths, random = _scatter_wavelengths(seed=103, mean_gap=600.0, least_gap=100.0)
    redness = ((wavelengths - BLUE) / (RED - BLUE)) ** 2
    return LineList(wavelengths, 600.0 * redness * random.lognormal(0.0, 0.8, wavelengths.size))


def star_spectrum(echelle: Echelle, factor: float, electrons: float, shift: Array) -> Array:
    """A star with wavelengths multiplied by `factor`, electrons per pixel, (rows, side).

    `electrons` is the continuum at 5500 Å and blaze maximum; `shift` displaces each row's
    pixels, (rows, side).
    """
    lines = stellar_lines().shifted(factor)
    rows, index, at = echelle.visible_lines(lines.wavelengths)
    dispersion = echelle.pixel_velocity(at)
    bend = (echelle.pixel_velocity(at + 0.5) - echelle.pixel_velocity(at - 0.5)) / dispersion
    sigma = np.hypot(echelle.line_sigma, STELLAR_SIGMA / dispersion)
    width = STELLAR_SIGMA / dispersion * np.sqrt(2 * np.pi)
    at = at + _sample_shift(shift, rows, at)
    missing = paint_lines(echelle, rows, at, lines.strengths[index] * width, sigma, bend)
    return continuum_spectrum(echelle, electrons, temperature=5700.0) * (1 - missing)


def emission_spectrum(echelle: Echelle, lines: LineList, shift: Array) -> Array:
    """A source of unresolved lines, electrons per pixel, (rows, side)."""
    rows, index, at = echelle.visible_lines(lines.wavelengths)
    at = at + _sample_shift(shift, rows, at)
    electrons = lines.strengths[index]
    sigma = np.full(at.size, echelle.line_sigma)
    return paint_lines(echelle, rows, at, electrons, sigma) * echelle.blaze()


def continuum_spectrum(echelle: Echelle, electrons: float, temperature: float) -> Array:
    """A black body (K) with `electrons` at 5500 Å, electrons per pixel, (rows, side)."""
    wavelengths = echelle.wavelengths()
    bend = 1.4388e8 / temperature
    planck = (5500.0 / wavelengths) ** 4 * np.expm1(bend / 5500.0) / np.expm1(bend / wavelengths)
    return electrons * planck * echelle.blaze()


def paint_lines(
    echelle: Echelle,
    rows: NDArray[np.int64],
    at: Array,
    areas: Array,
    sigma: Array,
    bend: Array | None = None,
) -> Array:
    """Gaussian lines of given areas, integrated over pixels, (rows, side).

    With `bend`, the relative change of the dispersion per pixel, the lines are Gaussian in velocity
    instead of pixels, and painted per unit of velocity: so their centre has no bias in velocity.
    """
    reach = int(np.ceil(5 * sigma.max()))
    pixels = np.rint(at)[:, None] + np.arange(-reach, reach + 1)
    edges = np.concatenate([pixels - 0.5, pixels[:, -1:] + 0.5], axis=1)
    distance = edges - at[:, None]
    if bend is not None:
        distance += bend[:, None] / 2 * distance**2
    share = np.diff(ndtr(distance / sigma[:, None]), axis=1) / np.diff(distance, axis=1)
    share *= areas[:, None]
    inside = (pixels >= 0) & (pixels < echelle.side)
    cells = (rows[:, None] * echelle.side + pixels)[inside].astype(np.int64)
    painted = np.bincount(cells, share[inside], minlength=echelle.rows * echelle.side)
    return painted.astype(float).reshape(echelle.rows, echelle.side)


def _sample_shift(shift: Array, rows: NDArray[np.int64], at: Array) -> Array:
    return shift[rows, np.clip(np.rint(at), 0, shift.shape[1] - 1).astype(np.int64)]


def _scatter_wavelengths(
    *, seed: int, mean_gap: float, least_gap: float
) -> tuple[Array, np.random.Generator]:
    """Wavelengths with random gaps (km/s) of at least `least_gap`; and the generator."""
    random = np.random.default_rng(seed)
    count = int(np.log(RED / BLUE) * LIGHT_SPEED / (mean_gap + least_gap) * 1.2)
    gaps = least_gap + random.exponential(mean_gap, count)
    wavelengths = BLUE * np.exp(np.cumsum(gaps) / LIGHT_SPEED)
    return wavelengths[wavelengths < RED], random


def _evenly_spaced_lines(spacing: float, *, offset: float, electrons: float) -> LineList:
    """Lines evenly spaced in frequency (Hz)."""
    speed = LIGHT_SPEED * 1e13  # Å/s
    modes = np.arange(int(speed / BLUE / spacing), int(speed / RED / spacing), -1)
    wavelengths = (speed / (offset + modes * spacing)).astype(float)
    envelope = 0.55 + 0.45 * np.cos((wavelengths - 6400.0) / 2400.0) ** 2
    return LineList(wavelengths, electrons * envelope)
