"""Measures of a file for the checks that no header keyword answers.

Each function returns a number, or None if there is nothing to measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots import ancillary, ccd, figures, spectra
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

SATURATED_DN = 65_000

MeasureFunction = Callable[[FitsContent], float | None]


def _saturated_percent(content: FitsContent, camera: str) -> float | None:
    """Percent of a camera's pixels at the upper end of the converter's range."""
    return _pixel_percent(_amplifier_images(content, camera), lambda values: values >= SATURATED_DN)


def _dead_percent(content: FitsContent, camera: str) -> float | None:
    """Percent of a camera's pixels that read exactly 0."""
    return _pixel_percent(_amplifier_images(content, camera), lambda values: values == 0)


def _amplifier_images(content: FitsContent, camera: str) -> list[Array]:
    return [content.images[name] for name in ccd.list_amplifiers(content, camera)]


def _pixel_percent(images: list[Array], test: Callable[[Array], Array]) -> float | None:
    """Percent of the finite pixels, evenly sampled, that pass a test; NaN if none is finite."""
    if not images:
        return None
    pixels = np.concatenate([figures.subsample(image) for image in images])
    finite = pixels[np.isfinite(pixels)]
    return float(100 * test(finite).mean()) if finite.size else math.nan


def _count_readings(content: FitsContent) -> float | None:
    """Number of sensors with a reading."""
    table = content.tables.get("TELEMETRY")
    if table is None or "average" not in table:
        return None
    return float(sum(_is_reading(value) for value in table["average"]))


def _is_reading(value: bytes) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _guiding_rms(content: FitsContent) -> float | None:
    return ancillary.guiding_rms(content) if ancillary.GUIDER_ORIGINS in content.tables else None


def _non_finite_percent(content: FitsContent, names: tuple[str, ...]) -> float | None:
    """Percent of values that are not finite."""
    images = [content.images[name] for name in names if name in content.images]
    if not images:
        return None
    bad = sum(int((~np.isfinite(image[:, ::4])).sum()) for image in images)
    return 100 * bad / sum(image[:, ::4].size for image in images)


def _count_falling_orders(content: FitsContent) -> float | None:
    """Number of orders whose wavelengths do not rise from pixel to pixel."""
    wavelengths = [
        content.images[spectra.extension_name(camera, orderlet, "WAVE")]
        for camera in spectra.list_cameras(content)
        for orderlet in spectra.ORDERLET_EXTENSIONS
    ]
    if not wavelengths:
        return None
    is_falling = [(np.diff(orders[:, ::8], axis=1) <= 0).any(axis=1) for orders in wavelengths]
    return float(sum(int(orders.sum()) for orders in is_falling))


def _velocity_error(content: FitsContent, ccd: int) -> float | None:
    """Stated error of the velocity of one CCD, m/s."""
    error = content.number(f"CCD{ccd}ERV", "RV")
    return None if error is None else 1000 * error


def _velocity_disagreement(content: FitsContent) -> float | None:
    """Difference between the velocities of both CCDs, in units of its stated error."""
    names = ("CCD1RV", "CCD2RV", "CCD1ERV", "CCD2ERV")
    values = [n for n in (content.number(name, "RV") for name in names) if n is not None]
    if len(values) < len(names) or not any(values[2:]):
        return None
    green, red, *errors = values
    return abs(green - red) / math.hypot(*errors)


def _count_empty_orders(content: FitsContent) -> float | None:
    """Number of orders without a velocity of SCI."""
    table = content.tables.get("RV")
    if table is None or "RV error" not in table:
        return None
    errors = np.asarray(table["RV error"], float)
    return float((~(errors > 0)).sum())


MEASURES: dict[str, MeasureFunction] = {
    "saturated_green": partial(_saturated_percent, camera="GREEN"),
    "saturated_red": partial(_saturated_percent, camera="RED"),
    "dead_green": partial(_dead_percent, camera="GREEN"),
    "dead_red": partial(_dead_percent, camera="RED"),
    "telemetry_readings": _count_readings,
    "guiding_rms": _guiding_rms,
    "unknown_green": partial(_non_finite_percent, names=("GREEN_CCD",)),
    "unknown_red": partial(_non_finite_percent, names=("RED_CCD",)),
    "unknown_spectra": partial(_non_finite_percent, names=spectra.extension_names()),
    "unknown_master": partial(
        _non_finite_percent,
        names=("GREEN_CCD", "RED_CCD", "GREEN_BIAS", "RED_BIAS", *spectra.extension_names()),
    ),
    "falling_wavelengths": _count_falling_orders,
    "velocity_error_green": partial(_velocity_error, ccd=1),
    "velocity_error_red": partial(_velocity_error, ccd=2),
    "velocity_disagreement": _velocity_disagreement,
    "empty_orders": _count_empty_orders,
}
"""Name in the file of thresholds to the function."""
