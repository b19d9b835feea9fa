"""The SIMULATED Ca H&K spectrometer: six short orders, a science and a sky fibre side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kpfnb.demo.instrument import FULL_SIDE, Array

ORDERS = 6
CALCIUM = (3934.78, 3969.59)
"""The K and H lines in vacuum, Å."""
BACKGROUND = 100.0
"""DN."""


def shape(side: int) -> tuple[int, int]:
    """Rows and columns of the image; 255 x 1024 beside CCDs of full size."""
    return (255, 1024) if side == FULL_SIDE else (60, 204)


def wavelengths(columns: int) -> Array:
    """Å at each column of each order, (6, columns)."""
    starts = 3820.0 + 30.0 * np.arange(ORDERS)
    return starts[:, None] + np.linspace(0, 36.0, columns)[None, :]


def expose(
    side: int, random: np.random.Generator, *, science: float, sky: float, doppler: float
) -> NDArray[np.float32]:
    """An image (DN) with the given continuum levels (DN a column) in the two fibres."""
    rows, columns = shape(side)
    height = np.arange(rows)[:, None]
    image = np.full((rows, columns), BACKGROUND)
    spectrum = _spectrum(wavelengths(columns) / doppler)
    for fibre, level in enumerate((science, sky)):
        for order, middle in enumerate(_middles(rows, fibre)):
            profile = np.exp(-0.5 * ((height - middle) / (rows / 80)) ** 2)
            image += level * profile * spectrum[order][None, :]
    noise = np.sqrt(image) * random.standard_normal((rows, columns))
    return (image + noise).astype(np.float32)


def extract(image: NDArray[np.float32]) -> tuple[Array, Array]:
    """Box extraction of the science and the sky fibre, each (6, columns), DN."""
    rows = image.shape[0]
    reach = rows / 27
    clean = image - np.median(image)
    science, sky = (
        np.array([
            clean[round(middle - reach) : round(middle + reach) + 1].sum(axis=0)
            for middle in _middles(rows, fibre)
        ])
        for fibre in (0, 1)
    )  # fmt: skip
    return science.astype(float), sky.astype(float)


def _middles(rows: int, fibre: int) -> Array:
    return (np.arange(ORDERS) + (0.3 if fibre == 0 else 0.7)) * rows / ORDERS


def _spectrum(at: Array) -> Array:
    """A cool star: two broad calcium lines with a little emission in the core."""
    flux = 0.4 + (at - 3800) / 350
    for line in CALCIUM:
        broad = 0.9 / (1 + ((at - line) / 3.0) ** 2)
        flux *= 1 - broad + 0.12 * np.exp(-0.5 * ((at - line) / 0.4) ** 2)
    return flux
