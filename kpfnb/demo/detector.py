"""The SIMULATED detectors: the two CCDs, and the CCD of the Ca H&K spectrometer.

The CCDs turn light in the orderlets into amplifier images with bias and overscan; `assemble_ccd` is
the inverse.

Each amplifier reads its part of the CCD towards its own corner: AMP1 the left, AMP2 the right half;
in the fast mode AMP3 and AMP4 read the upper halves of the same sides. An amplifier reads a prescan
before and an overscan after the columns, and overscan rows at the end. In the file the pixels lie
as on the CCD, so the overscan of AMP2 and AMP4 is on the left, and that of AMP3 and AMP4 at the
bottom. With two amplifiers the raw image of the green CCD is upside down (overscan subtraction and
static orientation files of KPF's pipeline).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kpfnb.demo.instrument import DEMO_SIDE, FULL_SIDE, GREEN, Array, Camera, Echelle

# The SIMULATED Ca H&K spectrometer: six short orders, a science and a sky fibre side by side.

CA_HK_ORDERS = 6
CALCIUM_LINES = (3934.78, 3969.59)
"""The K and H lines in vacuum, Å."""
CA_HK_BACKGROUND = 300.0
"""DN, as in the real flats (HK2DF10P = 300)."""

CCDImage = NDArray[np.float32]
CaHKImage = NDArray[np.uint16]

RAW_SCALE = np.float32(2**16)
"""The L0 images of KPF's CCDs are DN times this (read noise and quick look of its pipeline)."""

BIAS_LEVELS = (1210.0, 1185.0, 1232.0, 1169.0)
"""DN, of each amplifier."""

_FILE_FLIPS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""Direction of rows and columns in the file, relative to the read order of AMP1, 2, 3, 4."""

LightFootprint = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Flat pixel indices, and the shares of a row's light in them: (rows, pixels across, side)."""


def ca_hk_shape(side: int) -> tuple[int, int]:
    """Rows and columns of a Ca H&K image; 255 x 1024 for CCDs of full size."""
    return (255, 1024) if side == FULL_SIDE else (60, 204)


def ca_hk_wavelengths(columns: int) -> Array:
    """Wavelength (Å) at each column of each Ca H&K order, (6, columns)."""
    starts = 3820.0 + 30.0 * np.arange(CA_HK_ORDERS)
    return starts[:, None] + np.linspace(0, 36.0, columns)[None, :]


def expose_ca_hk(
    side: int, random: np.random.Generator, *, science: float, sky: float, doppler: float
) -> CaHKImage:
    """A Ca H&K image (DN) with given continuum levels (DN per column) of the two fibres."""
    rows, columns = ca_hk_shape(side)
    height = np.arange(rows)[:, None]
    image = np.full((rows, columns), CA_HK_BACKGROUND)
    spectrum = _ca_hk_spectrum(ca_hk_wavelengths(columns) / doppler)
    for fibre, level in enumerate((science, sky)):
        for order, middle in enumerate(_ca_hk_middles(rows, fibre)):
            profile = np.exp(-0.5 * ((height - middle) / (rows / 80)) ** 2)
            image += level * profile * spectrum[order][None, :]
    noise = np.sqrt(image) * random.standard_normal((rows, columns))
    return np.rint(np.clip(image + noise, 0, 65535)).astype(np.uint16)


def extract_ca_hk(image: CaHKImage) -> tuple[Array, Array]:
    """Extract the Ca H&K science and sky fibres by boxes, each (6, columns), DN."""
    rows = image.shape[0]
    reach = rows / 27
    clean = image - np.median(image)
    science, sky = (
        np.array([
            clean[round(middle - reach) : round(middle + reach) + 1].sum(axis=0)
            for middle in _ca_hk_middles(rows, fibre)
        ])
        for fibre in (0, 1)
    )  # fmt: skip
    return science.astype(float), sky.astype(float)


def _ca_hk_middles(rows: int, fibre: int) -> Array:
    return (np.arange(CA_HK_ORDERS) + (0.3 if fibre == 0 else 0.7)) * rows / CA_HK_ORDERS


def _ca_hk_spectrum(at: Array) -> Array:
    """The spectrum of a cool star: two broad calcium lines with weak emission in the core."""
    flux = 0.4 + (at - 3800) / 350
    for line in CALCIUM_LINES:
        broad = 0.9 / (1 + ((at - line) / 3.0) ** 2)
        flux *= 1 - broad + 0.12 * np.exp(-0.5 * ((at - line) / 0.4) ** 2)
    return flux


@dataclass(frozen=True)
class AmplifierMargins:
    """The pixels of an amplifier image that get no light."""

    prescan: int
    overscan: int
    rows: int

    @property
    def width(self) -> int:
        """Columns in addition to the CCD's own."""
        return self.prescan + self.overscan

    @classmethod
    def for_side(cls, side: int) -> AmplifierMargins:
        """The margins of a CCD: 4, 50 and 30 pixels on the real one, smaller on a scaled one."""
        return cls(4, 50, 30) if side == FULL_SIDE else cls(4, 10, 6)


def compute_footprint(echelle: Echelle, middle: Array) -> LightFootprint:
    """The footprint of rows with their middle at the given heights, (rows, side).

    A row that leaves the CCD has its share cut to 0.
    """
    reach = int(np.ceil(4.2 * echelle.slit_sigma))
    low = np.rint(middle)[:, None, :] + np.arange(-reach, reach + 1)[None, :, None]
    edges = np.concatenate([low - 0.5, low[:, -1:] + 0.5], axis=1) - middle[:, None, :]
    share = np.diff(ndtr(edges.astype(np.float32) / np.float32(echelle.slit_sigma)), axis=1)
    inside = (low >= 0) & (low < echelle.side)
    cells = np.clip(low, 0, echelle.side - 1) * echelle.side + np.arange(echelle.side)
    return cells.astype(np.int32), np.where(inside, share, 0).astype(np.float32)


def expose_ccd(echelle: Echelle, light: Array, height: float) -> CCDImage:
    """The CCD image (electrons) of light (electrons per pixel, (rows, side)) in the orderlets."""
    return paint_footprint(_true_footprint(echelle, height), light)


def paint_footprint(where: LightFootprint, light: Array) -> CCDImage:
    """The image of light (electrons per pixel, (rows, side)) in a footprint."""
    cells, share = where
    side = light.shape[1]
    painted = np.bincount(cells.ravel(), (share * light[:, None, :]).ravel(), minlength=side**2)
    return painted.reshape(side, side).astype(np.float32)


def read_out_ccd(
    camera: Camera, electrons: CCDImage, random: np.random.Generator, *, fast: bool
) -> list[CCDImage]:
    """The amplifier images (DN x 2**16): photon noise, gain, bias with its pattern, read noise."""
    side = electrons.shape[0]
    margins = AmplifierMargins.for_side(side)
    photons = random.standard_normal(electrons.shape, dtype=np.float32) * np.sqrt(electrons)
    counts = (electrons + photons) / np.float32(camera.gain) + bias_pattern(camera, side)
    parts = _amplifier_views(camera, counts.astype(np.float32), fast=fast)
    amplifiers = []
    for number, part in enumerate(parts):
        rows, columns = part.shape
        shape = (rows + margins.rows, margins.prescan + columns + margins.overscan)
        noise = random.standard_normal(shape, dtype=np.float32) * np.float32(
            camera.read_noise / camera.gain
        )
        noise += np.float32(BIAS_LEVELS[number] + random.normal(0, 1.5))
        noise[:rows, margins.prescan : margins.prescan + columns] += part
        amplifiers.append(_swap_read_and_file_order(number, noise) * RAW_SCALE)
    return amplifiers


def amplifier_dn(raw: CCDImage) -> CCDImage:
    """An amplifier's image in DN; images with a median above 200 x 2**16 are scaled."""
    # The quick look of KPF's pipeline has the same limit
    return raw / RAW_SCALE if np.nanmedian(raw) > 200 * RAW_SCALE else raw


def ccd_side(amplifier: CCDImage) -> int:
    """The side (pixels) of the CCD to which an amplifier belongs."""
    columns = amplifier.shape[1]
    for side in (DEMO_SIDE, FULL_SIDE):
        if columns == side // 2 + AmplifierMargins.for_side(side).width:
            return side
    raise ValueError(f"an amplifier of {columns} columns is not one of KPF's")


def assemble_ccd(camera: Camera, amplifiers: list[CCDImage]) -> tuple[CCDImage, list[float]]:
    """The CCD (DN, overscan subtracted) from its raw amplifiers, and the noise of each (DN)."""
    side = ccd_side(amplifiers[0])
    margins = AmplifierMargins.for_side(side)
    image = np.empty((side, side), np.float32)
    parts = _amplifier_views(camera, image, fast=len(amplifiers) == 4)
    noises = []
    for number, (part, raw) in enumerate(zip(parts, amplifiers, strict=True)):
        rows, columns = part.shape
        counts = amplifier_dn(_swap_read_and_file_order(number, raw))
        overscan = counts[:, margins.prescan + columns + 1 :]
        noises.append(float(1.4826 * np.median(np.abs(overscan - np.median(overscan)))))
        lit = counts[:rows, margins.prescan : margins.prescan + columns]
        part[...] = lit - np.float32(np.mean(overscan, dtype=np.float64))
    return image, noises


def read_overscan(number: int, raw: CCDImage) -> CCDImage:
    """The overscan columns (DN) of an amplifier's raw image; amplifiers count from 1."""
    margins = AmplifierMargins.for_side(ccd_side(raw))
    return amplifier_dn(_swap_read_and_file_order(number - 1, raw))[:, 1 - margins.overscan :]


@cache
def bias_pattern(camera: Camera, side: int) -> CCDImage:
    """The pattern of a bias (DN): a slope towards the corners, and faint columns."""
    random = np.random.default_rng([7, camera.bluest])
    x = np.linspace(-1, 1, side, dtype=np.float32)
    columns = random.normal(0, 0.6, side).astype(np.float32)
    return 3 * x[None, :] ** 2 + 2 * x[:, None] ** 2 + columns[None, :]


@cache
def _true_footprint(echelle: Echelle, height: float) -> LightFootprint:
    return compute_footprint(echelle, echelle.traces() + height)


def _amplifier_views(camera: Camera, image: CCDImage, *, fast: bool) -> list[CCDImage]:
    """Views of the image in the read order of each amplifier, its corner first."""
    if camera.name == GREEN.name and not fast:
        image = image[::-1]
    half = image.shape[0] // 2
    sides = [image[:, :half], image[:, half:][:, ::-1]]
    if not fast:
        return sides
    return [side[:half] for side in sides] + [side[half:][::-1] for side in sides]


def _swap_read_and_file_order(number: int, image: CCDImage) -> CCDImage:
    """A view of an amplifier's image in the file's order, or back in read order."""
    rows, columns = _FILE_FLIPS[number]
    return image[::rows, ::columns]
