"""One SIMULATED L0 file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from kpfnb import files
from kpfnb.demo import cahk, cards, detector, state_cards, telemetry, truth
from kpfnb.demo.instrument import CAMERAS, FULL_SIDE, Camera, Echelle
from kpfnb.demo.plan import Exposure

if TYPE_CHECKING:
    from astropy.io import fits

READ_SECONDS = 60
"""How long after the end of the exposure the file is there."""


def write(exposure: Exposure, path: Path, *, side: int, seed: int) -> None:
    """Simulate an exposure; the file is whole or not there, and as old as its exposure."""
    from astropy.io import fits

    hdus = fits.HDUList(_hdus(exposure, side, seed))
    with files.replacing(path) as temporary:
        hdus.writeto(temporary, overwrite=True)
        written = exposure.end.timestamp() + READ_SECONDS
        os.utime(temporary, (written, written))


def _hdus(exposure: Exposure, side: int, seed: int) -> list[fits.PrimaryHDU | fits.ImageHDU]:
    from astropy.io import fits

    # The tables and the header do not depend on the size of the CCD
    random = np.random.default_rng([seed, crc32(exposure.obsid.encode())])
    night_seed = seed * 10**8 + int(f"{exposure.start:%Y%m%d}")
    velocities = truth.velocities(exposure, CAMERAS)
    header = fits.Header(
        [*cards.primary(exposure, velocities, random, seed), *state_cards.state(exposure, random)]
    )
    tables = _tables(exposure, random)
    images = [
        hdu
        for camera in CAMERAS
        for hdu in _amplifiers(exposure, Echelle(camera, side), night_seed, velocities)
    ]
    others = _other_images(exposure, side, random, velocities.doppler)
    return [fits.PrimaryHDU(header=header), *images, *others, *tables]


def _amplifiers(
    exposure: Exposure, echelle: Echelle, night_seed: int, velocities: truth.Velocities
) -> list[fits.ImageHDU]:
    from astropy.io import fits

    camera: Camera = echelle.camera
    random = np.random.default_rng([night_seed, crc32(exposure.obsid.encode()), camera.bluest])
    light = truth.light(exposure, echelle, night_seed, velocities)
    image = detector.expose(echelle, light, truth.height(echelle, night_seed))
    image += np.float32(exposure.kind.exposure_seconds * DARK_CURRENT)
    amplifiers = detector.read_out(camera, image, random, fast=exposure.is_fast)
    return [
        fits.ImageHDU(data, name=f"{camera.name}_AMP{number}")
        for number, data in enumerate(amplifiers, start=1)
    ]


def _other_images(
    exposure: Exposure, side: int, random: np.random.Generator, doppler: float
) -> list[fits.ImageHDU]:
    from astropy.io import fits

    is_star, is_flat = exposure.kind.name == "star", exposure.kind.name == "flat"
    science = 900.0 if is_star and not exposure.is_junk else 400.0 * is_flat
    image = cahk.expose(side, random, science=science, sky=300.0 * is_flat, doppler=doppler)
    hdus = [fits.ImageHDU(image, name="CA_HK")] if exposure.has_ca_hk else []
    if is_star:
        hdus.append(fits.ImageHDU(_guider_image(side, random), name="GUIDER_AVG"))
    return hdus


def _tables(exposure: Exposure, random: np.random.Generator) -> list[fits.BinTableHDU]:
    kind, is_lit = exposure.kind, exposure.kind.imtype not in ("Bias", "Dark")
    level = 3000.0 if kind.is_sky and not exposure.is_junk else 5.0
    tables = {}
    if is_lit:
        tables["EXPMETER_SCI"] = telemetry.exposure_meter(exposure, random, level)
        tables["EXPMETER_SKY"] = telemetry.exposure_meter(exposure, random, level * 0.02)
    tables["TELEMETRY"] = telemetry.telemetry(random)
    if kind.name == "sun":
        tables["SOLAR_IRRADIANCE"] = telemetry.solar_irradiance(exposure, random)
    if kind.name == "star":
        tables["GUIDER_CUBE_ORIGINS"] = telemetry.guider_origins(exposure, random)
    return [table_hdu(name, columns) for name, columns in tables.items()]


def table_hdu(name: str, columns: list[telemetry.Column]) -> fits.BinTableHDU:
    """A table of columns (name, FITS format, values)."""
    from astropy.io import fits

    return fits.BinTableHDU.from_columns(
        [fits.Column(name=column, format=form, array=values) for column, form, values in columns],
        name=name,
    )


def _guider_image(side: int, random: np.random.Generator) -> np.ndarray:
    """A guide star of seeing 0.7 arcsec; 512 x 640 beside CCDs of full size."""
    scale = side / FULL_SIDE
    y, x = np.mgrid[: round(512 * scale), : round(640 * scale)]
    radius = np.hypot(x - 335.5 * scale, y - 258.0 * scale) / (12.0 * scale)
    image = 120.0 + 2400.0 * (1 + radius**2) ** -2.5
    return (image + random.normal(0, 4.0, image.shape)).astype(np.float32)


DARK_CURRENT = 1.5 / 3600
"""e- a pixel and second."""
