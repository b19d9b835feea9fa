"""The SIMULATED spectrograph: two cameras with 35 + 32 echelle orders, five orderlets each.

The format here is nominal. The simulated exposures have an additional displacement, which the
stand-in DRP has to find from the calibrations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

ORDERLETS = ("SKY", "SCI1", "SCI2", "SCI3", "CAL")
"""The orderlets of an order, from bottom to top."""

FULL_SIDE = 4080
"""Pixels along each side of a real CCD."""

DEMO_SIDE = 816
"""Pixels along each side of a demo CCD, five times smaller."""

LIGHT_SPEED = 299792.458
"""km/s"""

BLAZE_MIDDLE = 0.3
"""Where the blaze has its maximum: -1 ... 1 across the CCD, from the first to the last pixel."""

ORDERLET_HEIGHTS = (-39.0, -19.0, 0.0, 19.0, 34.5)
"""Distance of each orderlet from SCI2 across the dispersion, pixels of a real CCD."""

ORDERLET_OFFSETS = (-0.3, 0.3, 0.0, 0.2, 0.5)
"""Displacement of each orderlet along the dispersion, pixels of a real CCD."""


@dataclass(frozen=True)
class Camera:
    """One camera and its CCD.

    The numbers of the format are fits to the wavelengths of the real L1 KP.20240211.00048.69 (the
    centres of its orders are met within 0.2 Å) and to the order traces of April 2023 in the
    pipeline. The traces are moved a little, so that no orderlet leaves the CCD.

    Attributes
    ----------
    name : as in the names of the HDUs
    bluest : diffraction order of the first row
    orders : how many echelle orders it sees
    grating : wavelength in the middle of the CCD times diffraction order (Å): of the bluest order,
        and its change from one order to the next
    half_range : relative wavelength from the middle of an order to the end of the CCD
    heights : coefficients of the height of SCI2 by order (0 ... 1), relative to the CCD
    gain : e-/DN
    read_noise : e-
    """

    name: str
    bluest: int
    orders: int
    grating: tuple[float, float]
    half_range: float
    heights: tuple[float, float, float, float]
    gain: float = 5.2
    read_noise: float = 4.0


GREEN = Camera(
    "GREEN", 137, 35, (614_751.7, -9.193), 0.006019, heights=(0.0078, 0.7560, 0.1654, 0.0932)
)
RED = Camera(
    "RED", 102, 32, (614_579.0, -7.348), 0.006061, heights=(0.0102, 0.7060, 0.1563, 0.1429)
)
CAMERAS = (GREEN, RED)


@dataclass(frozen=True)
class Echelle:
    """The nominal format of one camera on a CCD of `side` pixels.

    A row is one orderlet of one order: row = 5 * order + orderlet, the bluest order first.
    """

    camera: Camera
    side: int

    @property
    def scale(self) -> float:
        """Size of this CCD relative to the real one."""
        return self.side / FULL_SIDE

    @property
    def rows(self) -> int:
        """Orders times orderlets."""
        return self.camera.orders * len(ORDERLETS)

    @property
    def line_sigma(self) -> float:
        """Width (sigma) of an unresolved line along the dispersion, pixels."""
        return 1.7 if self.side == FULL_SIDE else 1.05

    @property
    def slit_sigma(self) -> float:
        """Width (sigma) of an orderlet across the dispersion, pixels."""
        return 3.5 * self.scale

    @property
    def reach(self) -> int:
        """Pixels to each side of a row's middle that are nearer to it than to another row."""
        return round(7.5 * self.scale)

    @cached_property
    def order_of(self) -> NDArray[np.int64]:
        """Order (0 is the bluest) of each row."""
        return np.repeat(np.arange(self.camera.orders), len(ORDERLETS))

    @cached_property
    def diffraction_order(self) -> Array:
        """Diffraction order of each row."""
        return (self.camera.bluest - self.order_of).astype(float)

    @cached_property
    def centre(self) -> Array:
        """Wavelength in the middle of each row, Å."""
        first, change = self.camera.grating
        return (first + change * self.order_of) / self.diffraction_order

    @cached_property
    def offset(self) -> Array:
        """The displacement of each row along the dispersion, pixels."""
        return np.tile(ORDERLET_OFFSETS, self.camera.orders) * self.scale

    def wavelengths(self, pixels: Array | None = None) -> Array:
        """Wavelength (Å) at each pixel, (rows, side), or at `pixels` of the same leading axis.

        As in KPF, wavelengths fall from the first to the last pixel of a row.
        """
        at = np.arange(self.side)[None, :] if pixels is None else pixels
        u = (at - self.offset[:, None]) / (self.side / 2) - 1
        return self.centre[:, None] * (1 + self.camera.half_range * _bend_dispersion(u))

    def positions(self, rows: NDArray[np.int64], wavelengths: Array) -> Array:
        """Pixel of a wavelength (Å) on its row; the inverse of `wavelengths`."""
        target = (wavelengths / self.centre[rows] - 1) / self.camera.half_range
        u = -target
        for _ in range(5):
            u -= (_bend_dispersion(u) - target) / _slope_dispersion(u)
        return (u + 1) * (self.side / 2) + self.offset[rows]

    def pixel_velocity(self, pixels: Array) -> Array:
        """The size (km/s) of a pixel at given places along a row."""
        slope = -_slope_dispersion(pixels / (self.side / 2) - 1)
        return LIGHT_SPEED * self.camera.half_range * slope * 2 / self.side

    def traces(self) -> Array:
        """Height (pixels) of the middle of each row at each column, (rows, side)."""
        u = np.arange(self.side)[None, :] / (self.side / 2) - 1
        t = self.order_of[:, None] / self.camera.orders
        height = 0.0100 + 0.985 * np.polynomial.polynomial.polyval(t, self.camera.heights)
        tilt, bow = 0.0040 - 0.0066 * t, 0.0009 - 0.0028 * t
        orderlet = np.tile(ORDERLET_HEIGHTS, self.camera.orders)[:, None] * self.scale
        return self.side * (height + tilt * u - bow * u**2) + orderlet

    def blaze(self) -> Array:
        """Efficiency of the grating at each pixel, (rows, side), 1 at the maximum.

        The maximum is beyond the middle of the CCD, and the ends with long wavelengths are faint,
        as in the real flats.
        """
        middle = self.centre * (
            1 + self.camera.half_range * _bend_dispersion(np.array(BLAZE_MIDDLE))
        )
        distance = (self.wavelengths() / middle[:, None] - 1) * self.diffraction_order[:, None]
        return np.sinc(0.88 * distance) ** 2

    def visible_lines(
        self, wavelengths: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """The visible ones of some lines (Å, sorted): row, index of the line, nominal pixel."""
        edge = 4 * self.line_sigma
        ends = self.wavelengths(np.tile([-edge, self.side + edge], (self.rows, 1)))
        high, low = np.searchsorted(wavelengths, ends.T)
        counts = high - low
        rows = np.repeat(np.arange(self.rows), counts)
        lines = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - low, counts)
        return rows, lines, self.positions(rows, wavelengths[lines])


def _bend_dispersion(u: Array) -> Array:
    """The dispersion, which is not linear: -1 ... 1 across the CCD to about 1 ... -1."""
    bent: Array = -u * (1 + u * (0.102 - 0.0011 * u))
    return bent


def _slope_dispersion(u: Array) -> Array:
    """The derivative of the dispersion."""
    slope: Array = -1 - u * (0.204 - 0.0033 * u)
    return slope
