"""The cross-correlation functions (CCF) of the stand-in DRP, and velocities from Gaussian fits.

The correlation function of a row at velocity v is the light in boxes around the mask's lines
shifted by v, each weighted by its depth and the blaze. Errors are propagated from the pixels'
variances through the fit exactly, then enlarged where the orders disagree by more than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kpfnb.demo.extraction import ExtractedSpectra
from kpfnb.demo.instrument import LIGHT_SPEED, Array
from kpfnb.demo.spectra import LineList

STEP = 0.25
"""km/s between the velocities of a correlation function, as in KPF."""
HALF_STEPS = 402
"""The functions have 804 velocities, as in KPF: their middle is number 402."""
BOX_STEPS = 16
"""Width of the mask's boxes, in steps: 4 km/s."""
NEAR = 4.0
"""km/s: half the distance between two lines of the comb, nearly."""
FIT_SIGMAS = 1.8
"""The range of the fit around the centre of the Gaussian."""


@dataclass(frozen=True)
class CorrelationFunctions:
    """Correlation functions of one camera.

    Attributes
    ----------
    velocities : km/s, (steps,)
    ccf : electrons, (rows, steps)
    weights : how much each row weighs in the whole, (rows,); 0 where it holds no line
    radial, errors : km/s, (rows,), the error 0 where there is no velocity
    """

    velocities: Array
    ccf: Array
    weights: Array
    radial: Array
    errors: Array


@dataclass(frozen=True)
class MeanVelocity:
    """A mean velocity and its error, km/s; both 0 if there is none."""

    velocity: float
    error: float


def correlate_rows(
    spectra: ExtractedSpectra,
    blaze: Array,
    edges: Array,
    mask: LineList,
    *,
    centre: float,
    barycentric: float,
    near: float | None = None,
    rows: slice = slice(None),
) -> CorrelationFunctions:
    """Correlate rows with a mask and measure their velocities.

    Parameters
    ----------
    spectra, blaze : electrons and shape of each row, (rows, side)
    edges : wavelengths (Å) of the pixels' edges, which fall along a row, (rows, side + 1)
    mask : lines at rest; strengths are their weights
    centre : velocity (km/s) in the middle of the functions
    barycentric : the correction (km/s) to apply to the velocities
    near : where to look for the velocity (km/s): a comb has a peak for each of its lines; None is
        everywhere
    rows : only these; the others have zeros
    """
    velocities = centre + STEP * np.arange(-HALF_STEPS, HALF_STEPS)
    box_edges = centre + STEP * (np.arange(-HALF_STEPS, HALF_STEPS + BOX_STEPS) - BOX_STEPS / 2)
    # Interpolation needs rising wavelengths: everything from the last pixel to the first
    edges, blaze = edges[:, ::-1], blaze[:, ::-1]
    spectra = ExtractedSpectra(spectra.flux[:, ::-1], spectra.variance[:, ::-1])
    shifts = (1 + box_edges / LIGHT_SPEED) / (1 + barycentric / LIGHT_SPEED)
    count = blaze.shape[0]
    ccf = np.zeros((count, velocities.size))
    chosen = range(count)[rows]
    lines = {row: _usable_lines(mask, edges[row], shifts, blaze[row]) for row in chosen}
    # Light per unit of velocity: a slope of any kind would pull the centre of a fit to one side
    size = np.diff(edges, axis=1) / edges[:, 1:]
    per_light = size / size.mean(axis=1, keepdims=True) / blaze
    flat = spectra.flux * per_light
    for row in chosen:
        ccf[row] = _correlation_function(flat[row], edges[row], lines[row], shifts)
    radial, errors = np.zeros(count), np.zeros(count)
    used = np.array([row for row in chosen if lines[row].wavelengths.size > 3], dtype=int)
    if used.size:
        fit = _fit_gaussians(velocities, ccf[used], near)
        noise = spectra.variance * per_light**2
        for row, velocity, response in zip(used, fit.centres, fit.responses, strict=True):
            variance = _centre_variance(noise[row], edges[row], lines[row], shifts, response)
            if np.isfinite(velocity) and variance > 0:
                radial[row], errors[row] = velocity, np.sqrt(variance)
    weights = np.divide(1, errors**2, out=np.zeros(count), where=errors > 0)
    return CorrelationFunctions(velocities, ccf, weights, radial, errors)


def mean_velocity(velocities: Array, errors: Array) -> MeanVelocity:
    """The weighted mean; its error is increased if the values scatter more than their errors."""
    good = errors > 0
    if not good.any():
        return MeanVelocity(0.0, 0.0)
    weights = 1 / errors[good] ** 2
    value = np.average(velocities[good], weights=weights)
    excess = 1.0
    if good.sum() > 1:
        chi2 = np.sum(((velocities[good] - value) / errors[good]) ** 2) / (good.sum() - 1)
        excess = max(1.0, float(chi2))
    return MeanVelocity(float(value), float(np.sqrt(excess / weights.sum())))


def _usable_lines(mask: LineList, edges: Array, shifts: Array, blaze: Array) -> LineList:
    """The lines that are on the row at all velocities, weighted by the blaze there."""
    low, high = edges[0] / shifts[0], edges[-1] / shifts[-1]
    on_row = slice(*np.searchsorted(mask.wavelengths, [low, high]))
    middle = mask.wavelengths[on_row] * shifts[shifts.size // 2]
    weight = np.interp(middle, (edges[1:] + edges[:-1]) / 2, blaze)
    return LineList(mask.wavelengths[on_row], mask.strengths[on_row] * weight)


def _correlation_function(flux: Array, edges: Array, lines: LineList, shifts: Array) -> Array:
    total = np.concatenate([[0.0], np.cumsum(flux)])
    below = np.interp(np.outer(lines.wavelengths, shifts), edges, total)
    function: Array = lines.strengths @ (below[:, BOX_STEPS:] - below[:, :-BOX_STEPS])
    return function


@dataclass(frozen=True)
class _Fit:
    """Centres (km/s, NaN for a failed fit) and their response to each step of the function."""

    centres: Array
    responses: Array


def _fit_gaussians(velocities: Array, ccf: Array, near: float | None) -> _Fit:
    """Fit level, depth, centre and width of a Gaussian to each function from a common start."""
    centre, sigma = _estimate_start(velocities, ccf.sum(axis=0), near)
    fitted = np.abs(velocities - centre) < FIT_SIGMAS * sigma + 1
    v, y = velocities[fitted], ccf[:, fitted]
    centres, sigmas = np.full(len(y), centre), np.full(len(y), sigma)
    responses = np.zeros_like(ccf)
    for _ in range(8):
        u = (v - centres[:, None]) / sigmas[:, None]
        gauss = np.exp(-0.5 * u**2)
        level, depth = _fit_level_and_depth(gauss, y)
        by_centre = depth[:, None] * gauss * u / sigmas[:, None]
        jacobian = np.stack([np.ones_like(gauss), gauss, by_centre, by_centre * u], axis=2)
        residual = y - level[:, None] - depth[:, None] * gauss
        inverse = np.linalg.pinv(jacobian)
        step = np.einsum("rpv,rv->rp", inverse, residual)
        centres = centres + np.clip(step[:, 2], -sigma, sigma)
        sigmas = np.clip(sigmas + np.clip(step[:, 3], -1, 1), 0.5 * sigma, 2 * sigma)
    responses[:, fitted] = inverse[:, 2]
    lost = np.abs(centres - centre) > 3 * sigma
    return _Fit(np.where(lost, np.nan, centres), responses)


def _estimate_start(velocities: Array, total: Array, near: float | None) -> tuple[float, float]:
    """Centre and sigma (km/s) of the strongest feature of the sum of all rows."""
    deviation = total - np.median(total)
    searched = np.abs(deviation)
    if near is not None:
        searched = np.where(np.abs(velocities - near) < NEAR, searched, -1)
    peak = int(np.argmax(searched))
    above = deviation / deviation[peak] > 0.5 if deviation[peak] else np.ones_like(total, bool)
    left, right = peak, peak
    while left > 0 and above[left - 1]:
        left -= 1
    while right < total.size - 1 and above[right + 1]:
        right += 1
    width = (right - left + 1) * STEP / 2.355
    return float(velocities[peak]), float(np.clip(width, 2.0, 12.0))


def _fit_level_and_depth(gauss: Array, y: Array) -> tuple[Array, Array]:
    """Level and depth of each function for given Gaussians."""
    mean_gauss, mean_y = gauss.mean(axis=1), y.mean(axis=1)
    spread = gauss - mean_gauss[:, None]
    depth = (spread * y).sum(axis=1) / np.maximum((spread**2).sum(axis=1), 1e-12)
    # A function without any feature has no centre; a tiny depth keeps its fit finite
    depth = np.where(depth == 0, 1e-9, depth)
    return mean_y - depth * mean_gauss, depth


def _centre_variance(
    noise: Array, edges: Array, lines: LineList, shifts: Array, response: Array
) -> float:
    """Variance of a centre, (km/s)^2, from those of the row's pixels.

    The centre is a weighted sum of the function's steps, so it is one of the pixels too.
    """
    # How the centre responds to light between one box edge and the next, relative to a line
    spread = np.convolve(response, np.ones(BOX_STEPS))
    total = np.concatenate([[0.0], np.cumsum(spread * np.diff(shifts))])
    influence = np.zeros(noise.size)
    width = np.diff(edges)
    for wavelength, strength in zip(lines.wavelengths, lines.strengths, strict=True):
        first, last = np.searchsorted(edges, wavelength * shifts[[0, -1]])
        pixels = slice(max(first - 1, 0), min(last + 1, noise.size))
        at = edges[pixels.start : pixels.stop + 1] / wavelength
        share = np.diff(np.interp(at, shifts, total)) * wavelength / width[pixels]
        influence[pixels] += strength * share
    return float(np.sum(influence**2 * noise))
