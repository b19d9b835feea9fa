"""The wavelengths of the stand-in DRP: lines located in the calibrations, and their drift.

A solution is a displacement of each row from the nominal format, a low polynomial along the row:
enough for a spectrograph that only moved a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo.extraction import ExtractedSpectra, LocatedGaussians, locate_gaussians
from kpfnb.demo.instrument import ORDERLETS, Array, Echelle
from kpfnb.demo.spectra import LineList, paint_lines

DEGREE = 3


@dataclass(frozen=True)
class LineCentroids:
    """Lines located in one camera: row, index in the list, nominal and measured pixel, error."""

    rows: NDArray[np.int64]
    lines: NDArray[np.int64]
    nominal: Array
    measured: Array
    errors: Array


def locate_lines(
    echelle: Echelle,
    spectra: ExtractedSpectra,
    blaze: Array,
    lines: LineList,
    *,
    orderlet: int | None = None,
) -> LineCentroids:
    """Locate the lines of a list near their nominal places.

    A first pass measures the common shift. The lines of a comb overlap: the others are subtracted
    before each line is measured.

    orderlet : the only orderlet with these lines; None for all
    """
    rows, index, nominal = echelle.visible_lines(lines.wavelengths)
    reach = round(2.2 * echelle.line_sigma)
    inside = (nominal > reach + 2) & (nominal < echelle.side - reach - 3)
    if orderlet is not None:
        inside &= rows % len(ORDERLETS) == orderlet
    rows, index, nominal = rows[inside], index[inside], nominal[inside]
    flux, variance = spectra.flux / blaze, spectra.variance / blaze**2

    def locate(start: Array, passes: int) -> LocatedGaussians:
        pixels = np.rint(start).astype(int)[:, None] + np.arange(-reach, reach + 1)
        at = (rows[:, None], np.clip(pixels, 0, echelle.side - 1))
        samples = flux[at]
        for _ in range(passes):
            located = locate_gaussians(
                samples, variance[at], pixels[:, 0], start, echelle.line_sigma
            )
            samples = flux[at] - _neighbour_light(echelle, rows, located, at[1])
        return located

    first_pass = locate(nominal, passes=1)
    shift = _smooth_shift(echelle, rows, nominal, first_pass.centres - nominal, first_pass.is_good)
    located = locate(nominal + shift, passes=3)
    good = located.is_good
    return LineCentroids(
        rows[good], index[good], nominal[good], located.centres[good], located.errors[good]
    )


def solve_displacement(echelle: Echelle, centroids: LineCentroids) -> Array:
    """Displacement (pixels) of each row as Legendre coefficients, (rows, DEGREE + 1)."""
    u = centroids.measured / (echelle.side / 2) - 1
    terms = legendre.legvander(u, DEGREE)
    difference = centroids.measured - centroids.nominal
    coefficients = np.zeros((echelle.rows, DEGREE + 1))
    for row in range(echelle.rows):
        in_row = centroids.rows == row
        for _ in range(2):
            if in_row.sum() <= 2 * DEGREE:
                raise ValueError(
                    f"{echelle.camera.name} row {row}: too few lines ({in_row.sum()}) to calibrate"
                )
            weights = 1 / centroids.errors[in_row]
            fitted, *_ = np.linalg.lstsq(
                terms[in_row] * weights[:, None], difference[in_row] * weights, rcond=None
            )
            residual = np.abs(difference - terms @ fitted)
            in_row &= residual < 6 * np.maximum(centroids.errors, np.median(residual[in_row]))
        coefficients[row] = fitted
    return coefficients


def row_wavelengths(
    echelle: Echelle, displacement: Array, drift: float, edges: bool = False
) -> Array:
    """Wavelength (Å) at each pixel, (rows, side), or at their edges, (rows, side + 1)."""
    pixels = np.arange(echelle.side + 1) - 0.5 if edges else np.arange(echelle.side)
    u = pixels / (echelle.side / 2) - 1
    moved = displacement @ legendre.legvander(u, DEGREE).T + drift
    return echelle.wavelengths(pixels[None, :] - moved)


def measure_drift(now: LineCentroids, reference: LineCentroids) -> tuple[float, float]:
    """The drift of lines since a reference, and its error, in pixels.

    Only lines in both are compared; a few outliers are left out.
    """
    keys_now, keys_then = (c.rows * 100_000 + c.lines for c in (now, reference))
    _, in_now, in_reference = np.intersect1d(keys_now, keys_then, return_indices=True)
    if in_now.size < 50:
        raise ValueError(f"only {in_now.size} lines in common with the reference: no drift")
    moved = now.measured[in_now] - reference.measured[in_reference]
    errors = np.hypot(now.errors[in_now], reference.errors[in_reference])
    kept = np.abs(moved - np.median(moved)) < 5 * errors
    weights = 1 / errors[kept] ** 2
    mean = float(np.average(moved[kept], weights=weights))
    chi2 = float(np.mean(((moved[kept] - mean) / errors[kept]) ** 2))
    return mean, float(np.sqrt(max(1.0, chi2) / weights.sum()))


def _neighbour_light(
    echelle: Echelle, rows: NDArray[np.int64], located: LocatedGaussians, pixels: NDArray[np.int64]
) -> Array:
    """The light of the other lines in each line's window."""
    areas = np.where(located.is_good, located.areas, 0.0)
    sigma = np.full(areas.size, echelle.line_sigma)
    all_light = paint_lines(echelle, rows, located.centres, areas, sigma)
    edges = np.concatenate([pixels, pixels[:, -1:] + 1], axis=1) - 0.5 - located.centres[:, None]
    line_light = np.diff(ndtr(edges / echelle.line_sigma), axis=1) * areas[:, None]
    return all_light[rows[:, None], pixels] - line_light


def _smooth_shift(
    echelle: Echelle, rows: NDArray[np.int64], at: Array, shift: Array, good: NDArray[np.bool_]
) -> Array:
    """The shift as a smooth surface over order and pixel, robust against single wrong lines."""
    t = echelle.order_of[rows] / echelle.camera.orders * 2 - 1
    terms = legendre.legvander2d(at / (echelle.side / 2) - 1, t, [2, 2])
    kept = good.copy()
    for _ in range(3):
        surface, *_ = np.linalg.lstsq(terms[kept], shift[kept], rcond=None)
        residual = np.abs(shift - terms @ surface)
        kept = good & (residual < 4 * np.median(residual[kept]) + 1e-3)
    smooth: Array = terms @ surface
    return smooth
