"""How fast the observatory moves towards a target, seen from the barycentre of the solar system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

LONGITUDE, LATITUDE, HEIGHT = -155.4747, 19.8260, 4145.0
"""The summit of Maunakea: degrees east, degrees, metres."""


def correction(time: datetime, ra_degrees: float, dec_degrees: float) -> float:
    """The barycentric velocity correction of a star at a UTC time, km/s."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    with _offline():
        velocity = SkyCoord(ra_degrees * u.deg, dec_degrees * u.deg).radial_velocity_correction(
            "barycentric", obstime=_time(time), location=_observatory()
        )
    return float(velocity.to_value(u.km / u.s))


def solar_correction(time: datetime) -> float:
    """The same for the Sun: the rate at which the observatory comes closer to it, km/s."""
    import astropy.units as u
    import numpy as np
    from astropy.coordinates import get_body_barycentric_posvel

    moment = _time(time)
    earth, earth_velocity = get_body_barycentric_posvel("earth", moment)
    sun, sun_velocity = get_body_barycentric_posvel("sun", moment)
    with _offline():
        place, motion = _observatory().get_gcrs_posvel(moment)
    away = (sun - earth - place).xyz.to_value(u.km)
    speed = (sun_velocity - earth_velocity - motion).xyz.to_value(u.km / u.s)
    return float(-np.dot(away, speed) / np.linalg.norm(away))


def julian_date(time: datetime, ra_degrees: float, dec_degrees: float) -> float:
    """Barycentric Julian date (TDB) of light from a star at a UTC time."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    moment = _time(time)
    with _offline():
        travel = moment.light_travel_time(
            SkyCoord(ra_degrees * u.deg, dec_degrees * u.deg), location=_observatory()
        )
        return float((moment.tdb + travel).jd)


def _time(time: datetime) -> Any:
    from astropy.time import Time

    return Time(time.replace(tzinfo=None), scale="utc")


@contextmanager
def _offline() -> Iterator[None]:
    """A demonstration does not ask the network for newer Earth orientation data."""
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield


@cache
def _observatory() -> Any:
    import astropy.units as u
    from astropy.coordinates import EarthLocation

    return EarthLocation.from_geodetic(LONGITUDE * u.deg, LATITUDE * u.deg, HEIGHT * u.m)
