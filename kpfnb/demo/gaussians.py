"""Fits of many Gaussians of known width, integrated over pixels, at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo.instrument import Array

FIT_STEPS = 6


@dataclass(frozen=True)
class LocatedGaussians:
    """Centres and their errors (pixels), areas, and which fits are reliable."""

    centres: Array
    errors: Array
    areas: Array
    is_good: NDArray[np.bool_]


def locate_gaussians(
    samples: Array, variances: Array, first: NDArray[np.int64], start: Array, sigma: float
) -> LocatedGaussians:
    """Fit the area and the centre of a Gaussian to each window of pixels, (windows, pixels).

    `first` is the number of each window's first pixel, `start` the centre to start from (it may be
    off by one sigma), `sigma` the width in pixels.
    """
    low = first[:, None] + np.arange(samples.shape[1]) - 0.5
    edges = np.concatenate([low, low[:, -1:] + 1], axis=1)
    weights = 1 / np.maximum(variances, 1e-6)
    centres = start.astype(float).copy()
    for _ in range(FIT_STEPS):
        profile, slope = _pixel_profile(edges, centres, sigma)
        pp, ps, ss = (
            _weighted_dot(weights, a, b)
            for a, b in ((profile,) * 2, (profile, slope), (slope,) * 2)
        )
        dp, ds = _weighted_dot(weights, samples, profile), _weighted_dot(weights, samples, slope)
        determinant = np.maximum(pp * ss - ps**2, 1e-30)
        areas = (dp * ss - ds * ps) / determinant
        tilt = (ds * pp - dp * ps) / determinant
        positive = np.where(areas > 0, areas, np.inf)
        centres += np.clip(tilt / positive, -0.5 * sigma, 0.5 * sigma)
    errors = np.sqrt(pp / determinant) / positive
    is_good = (areas > 0) & (np.abs(centres - start) < 1.5 * sigma) & (errors < 0.1 * sigma)
    return LocatedGaussians(centres, errors, areas, is_good)


def _pixel_profile(edges: Array, centres: Array, sigma: float) -> tuple[Array, Array]:
    """A Gaussian of area 1 in each pixel, and its derivative by the centre."""
    z = (edges - centres[:, None]) / sigma
    density = np.exp(-0.5 * z**2) / (sigma * np.sqrt(2 * np.pi))
    return np.diff(ndtr(z), axis=1), -np.diff(density, axis=1)


def _weighted_dot(weights: Array, a: Array, b: Array) -> Array:
    product: Array = (weights * a * b).sum(axis=1)
    return product
