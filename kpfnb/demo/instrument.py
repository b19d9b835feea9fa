"""The SIMULATED spectrograph and its observatory.

It has two cameras with 35 + 32 echelle orders, five orderlets each. The format here is nominal. The
simulated exposures have an additional displacement, which the stand-in DRP has to find from the
calibrations. The velocity of the observatory is relative to the barycentre of the solar system.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGITUDE, LATITUDE, HEIGHT = -155.4747, 19.8260, 4145.0
"""The summit of Maunakea: degrees east, degrees, metres."""

Array = NDArray[np.floating[Any]]

ORDERLETS = ("SKY", "SCI1", "SCI2", "SCI3", "CAL")
"""The orderlets of an order, from bottom to top."""

FULL_SIDE = 4080
"""Pixels along each side of a real CCD."""

DEMO_SIDE = 816
"""Pixels along each side of a demo CCD, five times smaller."""

LIGHT_SPEED = 299792.458
"""km/s"""

GRATING = 611_000.0
"""Central wavelength times diffraction order, Å."""


def barycentric_correction(time: datetime, ra_degrees: float, dec_degrees: float) -> float:
    """The barycentric velocity correction of a star at a UTC time, km/s."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    with _without_downloads():
        velocity = SkyCoord(ra_degrees * u.deg, dec_degrees * u.deg).radial_velocity_correction(
            "barycentric", obstime=_astropy_time(time), location=_observatory_location()
        )
    return float(velocity.to_value(u.km / u.s))


def solar_correction(time: datetime) -> float:
    """The velocity of the observatory towards the Sun at a UTC time, km/s."""
    import astropy.units as u
    import numpy as np
    from astropy.coordinates import get_body_barycentric_posvel

    moment = _astropy_time(time)
    earth, earth_velocity = get_body_barycentric_posvel("earth", moment)
    sun, sun_velocity = get_body_barycentric_posvel("sun", moment)
    with _without_downloads():
        place, motion = _observatory_location().get_gcrs_posvel(moment)
    away = (sun - earth - place).xyz.to_value(u.km)
    speed = (sun_velocity - earth_velocity - motion).xyz.to_value(u.km / u.s)
    return float(-np.dot(away, speed) / np.linalg.norm(away))


def barycentric_julian_date(time: datetime, ra_degrees: float, dec_degrees: float) -> float:
    """Barycentric Julian date (TDB) of light from a star at a UTC time."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    moment = _astropy_time(time)
    with _without_downloads():
        travel = moment.light_travel_time(
            SkyCoord(ra_degrees * u.deg, dec_degrees * u.deg), location=_observatory_location()
        )
        return float((moment.tdb + travel).jd)


def _astropy_time(time: datetime) -> Any:
    from astropy.time import Time

    return Time(time.replace(tzinfo=None), scale="utc")


@contextmanager
def _without_downloads() -> Iterator[None]:
    """No download of Earth orientation data: a demonstration works without network."""
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield


@cache
def _observatory_location() -> Any:
    import astropy.units as u
    from astropy.coordinates import EarthLocation

    return EarthLocation.from_geodetic(LONGITUDE * u.deg, LATITUDE * u.deg, HEIGHT * u.m)


@dataclass(frozen=True)
class Camera:
    """One camera and its CCD.

    Attributes
    ----------
    name : as in the names of the HDUs
    bluest : diffraction order of the first row
    orders : how many echelle orders it sees
    half_range : relative wavelength from the middle of an order to the end of the CCD
    gain : e-/DN
    read_noise : e-
    """

    name: str
    bluest: int
    orders: int
    half_range: float
    gain: float = 5.2
    read_noise: float = 4.0


GREEN = Camera("GREEN", bluest=137, orders=35, half_range=0.0053)
RED = Camera("RED", bluest=102, orders=32, half_range=0.0073)
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
    def pitch(self) -> float:
        """Distance from one orderlet to the next, pixels."""
        return 20.0 * self.scale

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
        return GRATING / self.diffraction_order

    @cached_property
    def offset(self) -> Array:
        """The displacement of each row along the dispersion by the slicer, pixels."""
        return np.tile([-4.0, -1.5, 1.0, 2.5, 5.5], self.camera.orders) * self.scale

    def wavelengths(self, pixels: Array | None = None) -> Array:
        """Wavelength (Å) at each pixel, (rows, side), or at `pixels` of the same leading axis."""
        at = np.arange(self.side)[None, :] if pixels is None else pixels
        u = (at - self.offset[:, None]) / (self.side / 2) - 1
        return self.centre[:, None] * (1 + self.camera.half_range * _bend_dispersion(u))

    def positions(self, rows: NDArray[np.int64], wavelengths: Array) -> Array:
        """Pixel of a wavelength (Å) on its row; the inverse of `wavelengths`."""
        target = (wavelengths / self.centre[rows] - 1) / self.camera.half_range
        u = target.copy()
        for _ in range(4):
            u -= (_bend_dispersion(u) - target) / (1 - 0.06 * u + 0.03 * u**2)
        return (u + 1) * (self.side / 2) + self.offset[rows]

    def traces(self) -> Array:
        """Height (pixels) of the middle of each row at each column, (rows, side)."""
        u = np.arange(self.side)[None, :] / (self.side / 2) - 1
        t = self.order_of[:, None] / self.camera.orders
        base = self.side * (0.034 + 0.942 * (t + 0.06 * t * (1 - t)))
        orderlet = np.tile(np.arange(5) - 2, self.camera.orders)[:, None] * self.pitch
        return base + orderlet + self.side * ((0.006 + 0.004 * t) * u - 0.011 * (1 - u**2))

    def blaze(self) -> Array:
        """Efficiency of the grating at each pixel, (rows, side), 1 at the maximum."""
        distance = (self.wavelengths() / self.centre[:, None] - 1) * self.diffraction_order[:, None]
        return np.sinc(0.88 * distance) ** 2

    def visible_lines(
        self, wavelengths: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        """The visible ones of some lines (Å, sorted): row, index of the line, nominal pixel."""
        edge = 4 * self.line_sigma
        ends = self.wavelengths(np.tile([-edge, self.side + edge], (self.rows, 1)))
        low, high = np.searchsorted(wavelengths, ends.T)
        counts = high - low
        rows = np.repeat(np.arange(self.rows), counts)
        lines = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - low, counts)
        return rows, lines, self.positions(rows, wavelengths[lines])


def _bend_dispersion(u: Array) -> Array:
    """The small nonlinearity of the dispersion: -1 ... 1 across the CCD to about the same."""
    return u - 0.03 * u**2 + 0.01 * u**3
