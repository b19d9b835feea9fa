"""Images in the stand-in DRP: CCD assembly, order traces, extraction, fits of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo import detector
from kpfnb.demo.detector import CCDImage, LightFootprint
from kpfnb.demo.instrument import CAMERAS, Array, Camera, Echelle

if TYPE_CHECKING:
    from astropy.io import fits


CLEANING_PASSES = 3
"""How often light is redistributed between neighbouring rows."""

FIT_STEPS = 6


@dataclass(frozen=True)
class ElectronFrame:
    """One CCD of one exposure: electrons, their variance, and the noise of each amplifier (e-)."""

    camera: Camera
    image: CCDImage
    variance: CCDImage
    noises: tuple[float, ...]

    @property
    def echelle(self) -> Echelle:
        """The nominal format on a CCD of this size."""
        return Echelle(self.camera, self.image.shape[0])


@dataclass(frozen=True)
class ExtractedSpectra:
    """Extracted orderlets: electrons and their variance, (rows, side)."""

    flux: Array
    variance: Array


def list_cameras(hdus: fits.HDUList) -> list[Camera]:
    """The cameras in an L0 file."""
    return [camera for camera in CAMERAS if f"{camera.name}_AMP1" in hdus]


def assemble_counts(hdus: fits.HDUList, camera: Camera) -> tuple[CCDImage, list[float]]:
    """A camera's CCD (DN, overscan subtracted) from an L0, and each amplifier's noise (DN)."""
    names = [f"{camera.name}_AMP{number}" for number in range(1, 5)]
    amplifiers = [hdus[name].data for name in names if name in hdus]
    return detector.assemble_ccd(camera, amplifiers)


def calibrate_frame(
    hdus: fits.HDUList, camera: Camera, bias: CCDImage | None, dark: CCDImage | None = None
) -> ElectronFrame:
    """Convert a CCD to electrons; a bias (e-) and a dark current (e-) are subtracted if given."""
    image, noises = assemble_counts(hdus, camera)
    electrons = image * np.float32(camera.gain)
    for level in (bias, dark):
        if level is not None:
            electrons -= level
    noise = float(np.mean(noises)) * camera.gain
    variance = np.maximum(electrons, 0) + np.float32(noise**2)
    return ElectronFrame(camera, electrons, variance, tuple(n * camera.gain for n in noises))


def trace_orders(flat: ElectronFrame) -> Array:
    """Measure the vertical centre (pixels) of each row on a flat; shape (rows, side).

    The offset from the nominal centre is measured every few columns, and a smooth surface over
    orders and columns is fitted to the offsets.
    """
    echelle = flat.echelle
    columns = np.arange(echelle.side // 40, echelle.side, echelle.side // 40)
    nominal = echelle.traces()
    start = nominal[:, columns].ravel()
    reach = echelle.reach
    low = np.rint(start).astype(int)
    inside = (low > reach) & (low < echelle.side - reach - 1)
    rows = np.clip(low[:, None] + np.arange(-reach, reach + 1), 0, echelle.side - 1)
    at = np.tile(columns, echelle.rows)[:, None]
    located = locate_gaussians(
        flat.image[rows, at], flat.variance[rows, at], low - reach, start, echelle.slit_sigma
    )
    good = inside & located.is_good
    u = np.tile(columns, echelle.rows) / (echelle.side / 2) - 1
    t = np.repeat(echelle.order_of, columns.size) / echelle.camera.orders * 2 - 1
    terms = legendre.legvander2d(u, t, [3, 2])
    surface, *_ = np.linalg.lstsq(terms[good], (located.centres - start)[good], rcond=None)
    across = np.arange(echelle.side) / (echelle.side / 2) - 1
    orders = echelle.order_of / echelle.camera.orders * 2 - 1
    smooth = legendre.leggrid2d(orders, across, surface.reshape(4, 3).T)
    return nominal + smooth


def extract_spectra(frame: ElectronFrame, footprint: LightFootprint) -> ExtractedSpectra:
    """Extract the light of each row: fit its profile to each column, with equal weights.

    The wings of a row overlap its neighbours; the residuals of the fit are redistributed.
    """
    cells, share = footprint
    weight = 1 / np.maximum(np.einsum("rkx,rkx->rx", share, share), 1e-6)
    noise = frame.variance.ravel()[cells]
    variance = np.einsum("rkx,rkx,rkx->rx", share, share, noise, dtype=float) * weight**2
    flux, left = np.zeros_like(variance), frame.image
    for _ in range(CLEANING_PASSES):
        flux += np.einsum("rkx,rkx->rx", share, left.ravel()[cells], dtype=float) * weight
        left = frame.image - detector.paint_footprint(footprint, flux)
    return ExtractedSpectra(flux, variance)


def smooth_flat(flat: ExtractedSpectra) -> Array:
    """Fit a smooth function to each row of a flat; electrons, (rows, side)."""
    side = flat.flux.shape[1]
    terms = legendre.legvander(np.linspace(-1, 1, side), 11)
    fitted, *_ = np.linalg.lstsq(terms, flat.flux.T, rcond=None)
    smooth: Array = (terms @ fitted).T
    return smooth


def normalize_blaze(lamp: Array) -> Array:
    """The blaze of each row of a smooth flat; 1 at the maximum, at least 0.01."""
    return np.maximum(lamp / lamp.max(axis=1, keepdims=True), 0.01)


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
