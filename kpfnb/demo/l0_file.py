"""The file of one SIMULATED L0: header, images and tables."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from kpfnb.core import atomic
from kpfnb.demo import detector, header_cards, state_cards, true_values
from kpfnb.demo.detector import expose_ca_hk
from kpfnb.demo.faults import L0Fault, plant_fault
from kpfnb.demo.header_layout import arrange_header, format_time
from kpfnb.demo.instrument import CAMERAS, FULL_SIDE, Camera, Echelle
from kpfnb.demo.plan import PlannedExposure
from kpfnb.demo.state_cards import GUIDER_RATE
from kpfnb.kpf.files.keywords import TELEMETRY, list_keywords

if TYPE_CHECKING:
    from astropy.io import fits

TableColumn = tuple[str, str, np.ndarray]
"""Name, FITS format, values."""

_SENSOR_VALUES = {
    "BPLANE_TEMP": 24.0, "CF_BASE_T": -145.0, "CF_BASE_2WT": -145.0, "CF_BASE_TRG": -145.0,
    "CF_TIP_T": -140.0, "CF_TIP_TRG": -140.0, "CRYOBODY_T": -111.0, "CRYOBODY_TRG": -111.0,
    "CURRTEMP": -150.0, "TEMPSET": -150.0, "KPF_CCD_T": -99.5, "STA_CCD_T": -100.0,
    "STA_CCD_TRG": -100.0, "COL_PRESS": 1.2e-7, "ECH_PRESS": 1.5e-7, "COL_CURR": 1.0e-5,
    "ECH_CURR": 1.0e-5, "PUMP_TEMP": 38.0, "COOLTARG": -60.0, "IRFLUX": 5200.0, "VISFLUX": 9100.0,
    "BLUECUTIACT": 0.033, "AGITSPD": 1500.0, "AGITTOR": -2.1, "AGITAMBI_T": 20.0,
    "AGITMOT_T": 24.0, "OUTLET_A1_Amps": 430.0, "kpf_hk.CURRTEMP": -60.0,
}  # fmt: skip
"""Usual readings by the last part of the name, in the catalogue's units; others are 19 C."""

_STABLE_SENSORS = ("STA_CCD_T", "STA_CCD_TRG")
"""Sensors that scatter by a millikelvin."""

METER_NANOMETRES = np.linspace(847.0, 450.1, 78)
"""Middle of the exposure meter's columns: falling, as the pipeline's quick look takes them."""

READOUT_SECONDS = 60
"""The time from the end of an exposure until its file is written."""

DARK_CURRENT = 1.5 / 3600
"""e- per pixel and second."""


def telemetry_columns(exposure: PlannedExposure, random: np.random.Generator) -> list[TableColumn]:
    """TELEMETRY: one row per sensor, all as text as in KPF; one sensor has no reading (`-nan`)."""
    sensors = [line for line in list_keywords("L0", TELEMETRY) if "." in line.name]
    names = [line.name for line in sensors]
    usual = [_usual_reading(name, exposure) for name in names]
    values = np.array([value for value, _ in usual])
    spread = np.array([scatter for _, scatter in usual])
    average = values + spread * np.clip(random.standard_normal(values.size), -3, 3)

    def texts(numbers: np.ndarray) -> list[str]:
        formatted = [f"{number:.7g}" for number in numbers]
        formatted[names.index("kpfmet.U_GOLD")] = "-nan"
        return formatted

    columns = {
        "keyword": names,
        "average": texts(average),
        "stddev": texts(spread),
        "min": texts(average - 2 * spread),
        "max": texts(average + 2 * spread),
        "units": [line.unit for line in sensors],
        "description": [line.description for line in sensors],
    }
    return [_text_column(name, texts) for name, texts in columns.items()]


def _usual_reading(name: str, exposure: PlannedExposure) -> tuple[float, float]:
    """The usual reading of a sensor, and its scatter."""
    sensor = name.partition(".")[2]
    if sensor == "AGITSPD" and not exposure.is_lit:
        return 0.0, 0.0
    value = _SENSOR_VALUES.get(name, _SENSOR_VALUES.get(sensor, 19.0))
    return value, 1e-3 if sensor in _STABLE_SENSORS else abs(value) * 2e-4


def exposure_meter_columns(
    exposure: PlannedExposure, random: np.random.Generator, level: float
) -> list[TableColumn]:
    """EXPMETER_*: times, and a column per wavelength (nm); at most 60 readings."""
    seconds = float(exposure.kind.exposure_seconds)
    readings = int(min(60, max(1, seconds)))
    step = timedelta(seconds=seconds / readings)
    begins = [exposure.start + step * index for index in range(readings)]
    ends = [begin + step for begin in begins]
    shape = np.exp(-(((METER_NANOMETRES - 640) / 170) ** 2))
    flux = level * shape * random.normal(1, 0.03, (readings, 1)) + 20
    counts = random.poisson(np.maximum(flux, 0)).astype(np.float32)
    # In milliseconds: the pipeline's quick look divides by 1000 to get seconds
    begin, end = ([format_time(time)[:-3] for time in times] for times in (begins, ends))
    return [
        _text_column("Date-Beg", begin),
        _text_column("Date-End", end),
        _text_column("Date-Beg-Corr", begin),
        _text_column("Date-End-Corr", end),
        *(
            (f"{nanometres:.4f}", "E", counts[:, index])
            for index, nanometres in enumerate(METER_NANOMETRES)
        ),
    ]


def irradiance_columns(exposure: PlannedExposure, random: np.random.Generator) -> list[TableColumn]:
    """SOLAR_IRRADIANCE: the pyrheliometer's readings during an exposure, one per second.

    The columns of the real table are not known; these are those of the pyrheliometer's own files.
    """
    count = max(2, int(exposure.kind.exposure_seconds))
    times = [exposure.start + timedelta(seconds=index) for index in range(count)]
    return [
        _text_column("Date-Time", [format_time(time)[:-7] for time in times]),
        ("PYRIRRAD", "D", random.normal(985.0, 1.5, count)),
    ]


def guider_columns(exposure: PlannedExposure, random: np.random.Generator) -> list[TableColumn]:
    """GUIDER_CUBE_ORIGINS: the guide star in each guider frame (pixels)."""
    count = int(max(2, exposure.kind.exposure_seconds * GUIDER_RATE))
    begin = exposure.start.timestamp()
    error = random.normal(0, 0.4, (4, count))
    return [
        ("timestamp", "D", begin + np.arange(count) / GUIDER_RATE),
        ("target_x", "D", np.full(count, 335.5)),
        ("target_y", "D", np.full(count, 258.0)),
        ("command_x", "D", 0.3 * error[0]),
        ("command_y", "D", 0.3 * error[1]),
        ("object1_x", "D", 335.5 + error[0]),
        ("object1_y", "D", 258.0 + error[1]),
        ("object1_flux", "D", random.normal(6.0e5, 2.0e4, count)),
        ("object1_peak", "D", random.normal(2.1e3, 90.0, count)),
        ("object1_a", "D", 5.5 + 0.1 * error[2]),
        ("object1_b", "D", 5.1 + 0.1 * error[3]),
    ]


def _text_column(name: str, texts: list[str]) -> TableColumn:
    return name, f"{max(1, *map(len, texts))}A", np.array(texts)


def write_l0(
    exposure: PlannedExposure, path: Path, *, side: int, seed: int, drp_version: str = ""
) -> None:
    """Simulate an exposure and write it atomically; the mtime is as for a real file."""
    from astropy.io import fits

    hdus = fits.HDUList(_make_hdus(exposure, side, seed, drp_version))
    if exposure.fault:
        plant_fault(L0Fault(exposure.fault), hdus)
    with atomic.replace_atomically(path) as temporary:
        hdus.writeto(temporary, overwrite=True)
        written = exposure.end.timestamp() + READOUT_SECONDS
        os.utime(temporary, (written, written))


def _make_hdus(
    exposure: PlannedExposure, side: int, seed: int, drp_version: str
) -> list[fits.PrimaryHDU | fits.ImageHDU]:
    from astropy.io import fits

    # Tables and header do not depend on the size of the CCD
    random = np.random.default_rng([seed, crc32(exposure.obsid.encode())])
    night_seed = seed * 10**8 + int(f"{exposure.start:%Y%m%d}")
    velocities = true_values.true_velocities(exposure, CAMERAS)
    values = header_cards.exposure_values(
        exposure, velocities, random, seed=seed, drp_version=drp_version
    )
    values |= state_cards.state_values(exposure, random)
    header = arrange_header(values, exposure.start, exposure.end)
    tables = _table_hdus(exposure, random)
    images = [
        hdu
        for camera in CAMERAS
        for hdu in _amplifier_hdus(exposure, Echelle(camera, side), night_seed, velocities)
    ]
    others = _other_image_hdus(exposure, side, random, velocities.doppler)
    return [fits.PrimaryHDU(header=header), *images, *others, *tables]


def _amplifier_hdus(
    exposure: PlannedExposure,
    echelle: Echelle,
    night_seed: int,
    velocities: true_values.TrueVelocities,
) -> list[fits.ImageHDU]:
    from astropy.io import fits

    camera: Camera = echelle.camera
    random = np.random.default_rng([night_seed, crc32(exposure.obsid.encode()), camera.bluest])
    light = true_values.exposure_light(exposure, echelle, night_seed, velocities)
    image = detector.expose_ccd(echelle, light, true_values.trace_height(echelle, night_seed))
    image += np.float32(exposure.kind.exposure_seconds * DARK_CURRENT)
    amplifiers = detector.read_out_ccd(camera, image, random, fast=exposure.is_fast)
    gain = fits.Header([("CCDGAIN", camera.gain, "[e-/DN] gain of the amplifier")])
    return [
        fits.ImageHDU(data, gain, name=f"{camera.name}_AMP{number}")
        for number, data in enumerate(amplifiers, start=1)
    ]


def _other_image_hdus(
    exposure: PlannedExposure, side: int, random: np.random.Generator, doppler: float
) -> list[fits.ImageHDU]:
    from astropy.io import fits

    is_star, is_flat = exposure.is_star, exposure.kind.name == "flat"
    science = 900.0 if is_star and not exposure.is_junk else 400.0 * is_flat
    image = expose_ca_hk(side, random, science=science, sky=300.0 * is_flat, doppler=doppler)
    hdus = [fits.ImageHDU(image, name="CA_HK")] if exposure.has_ca_hk else []
    if is_star:
        hdus.append(fits.ImageHDU(_guider_image(side, random), name="GUIDER_AVG"))
    return hdus


def _table_hdus(exposure: PlannedExposure, random: np.random.Generator) -> list[fits.BinTableHDU]:
    kind = exposure.kind
    level = 3000.0 if kind.is_sky and not exposure.is_junk else 5.0
    tables = {}
    if exposure.is_lit:
        tables["EXPMETER_SCI"] = exposure_meter_columns(exposure, random, level)
        tables["EXPMETER_SKY"] = exposure_meter_columns(exposure, random, level * 0.02)
    tables["TELEMETRY"] = telemetry_columns(exposure, random)
    if kind.name == "sun":
        tables["SOLAR_IRRADIANCE"] = irradiance_columns(exposure, random)
    if exposure.is_star:
        tables["GUIDER_CUBE_ORIGINS"] = guider_columns(exposure, random)
    return [make_table_hdu(name, columns) for name, columns in tables.items()]


def make_table_hdu(name: str, columns: list[TableColumn]) -> fits.BinTableHDU:
    """A table HDU of columns (name, FITS format, values)."""
    from astropy.io import fits

    return fits.BinTableHDU.from_columns(
        [fits.Column(name=column, format=form, array=values) for column, form, values in columns],
        name=name,
    )


def _guider_image(side: int, random: np.random.Generator) -> np.ndarray:
    """A guide star with seeing of 0.7 arcsec; 512 x 640 pixels for CCDs of full size."""
    scale = side / FULL_SIDE
    y, x = np.mgrid[: round(512 * scale), : round(640 * scale)]
    radius = np.hypot(x - 335.5 * scale, y - 258.0 * scale) / (12.0 * scale)
    image = 120.0 + 2400.0 * (1 + radius**2) ** -2.5
    return (image + random.normal(0, 4.0, image.shape)).astype(np.float32)
