"""The observatory between the stars, the Sun and the Moon: velocities, times and angles.

Velocities of the observatory are relative to the barycentre of the solar system.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

LONGITUDE, LATITUDE, HEIGHT = -155.4747, 19.8260, 4145.0
"""The summit of Maunakea: degrees east, degrees, metres."""


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


def sun_altitude(time: datetime) -> float:
    """The altitude of the Sun at a UTC time, degrees."""
    from astropy.coordinates import AltAz, get_sun

    moment = _astropy_time(time)
    with _without_downloads():
        frame = AltAz(obstime=moment, location=_observatory_location())
        return float(get_sun(moment).transform_to(frame).alt.deg)


def moon_separation(time: datetime, ra_degrees: float, dec_degrees: float) -> float:
    """The angle between a star and the Moon at a UTC time, degrees."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord, get_body

    moment = _astropy_time(time)
    with _without_downloads():
        moon = get_body("moon", moment, _observatory_location())
        star = SkyCoord(ra_degrees * u.deg, dec_degrees * u.deg)
        return float(star.separation(moon.transform_to("icrs")).deg)


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
