"""What quicklook measures itself, for the checks that no keyword tells.

Each function takes a content and gives a number, or None where there is nothing to measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content
from kpfnb.kpf.quicklook.plots import guider, rawimage, spectra

SATURATED_DN = 65_000

Measure = Callable[[Content], float | None]


def _saturated(content: Content, camera: str) -> float | None:
    """Percent of a camera's pixels at the end of the converter's range."""
    return _share(_raw(content, camera), lambda values: values >= SATURATED_DN)


def _dead(content: Content, camera: str) -> float | None:
    """Percent of a camera's pixels that read exactly 0."""
    return _share(_raw(content, camera), lambda values: values == 0)


def _raw(content: Content, camera: str) -> list[Array]:
    return [content.images[name] for name in rawimage.amplifiers(content, camera)]


def _share(images: list[Array], test: Callable[[Array], Array]) -> float | None:
    """Percent of the pixels, evenly taken, that have a value; NaN where none has."""
    if not images:
        return None
    some = np.concatenate([sheet.part(image) for image in images])
    known = some[np.isfinite(some)]
    return float(100 * test(known).mean()) if known.size else math.nan


def _telemetry(content: Content) -> float | None:
    """Sensors with a reading."""
    table = content.tables.get("TELEMETRY")
    if table is None or "average" not in table:
        return None
    return float(sum(_is_reading(value) for value in table["average"]))


def _is_reading(value: bytes) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _guiding(content: Content) -> float | None:
    return guider.rms(content) if guider.ORIGINS in content.tables else None


def _unknown(content: Content, names: tuple[str, ...]) -> float | None:
    """Percent of values that are not finite."""
    images = [content.images[name] for name in names if name in content.images]
    if not images:
        return None
    bad = sum(int((~np.isfinite(image[:, ::4])).sum()) for image in images)
    return 100 * bad / sum(image[:, ::4].size for image in images)


def _falling(content: Content) -> float | None:
    """Orders whose wavelengths do not rise from pixel to pixel."""
    found = spectra.cameras(content)
    if not found:
        return None
    waves = [content.images[spectra.extension(c, o, "WAVE")] for c in found for o in spectra.NAMES]
    return float(sum(int((np.diff(wave[:, ::8], axis=1) <= 0).any(axis=1).sum()) for wave in waves))


def _velocity_error(content: Content, ccd: int) -> float | None:
    """Stated error of the velocity of one CCD, m/s."""
    error = content.number(f"CCD{ccd}ERV", "RV")
    return None if error is None else 1000 * error


def _disagreement(content: Content) -> float | None:
    """Difference between the velocities of both CCDs, in units of its stated error."""
    names = ("CCD1RV", "CCD2RV", "CCD1ERV", "CCD2ERV")
    known = [n for n in (content.number(name, "RV") for name in names) if n is not None]
    if len(known) < len(names) or not any(known[2:]):
        return None
    green, red, *errors = known
    return abs(green - red) / math.hypot(*errors)


def _empty_orders(content: Content) -> float | None:
    """Orders without a velocity of SCI."""
    table = content.tables.get("RV")
    if table is None or "RV error" not in table:
        return None
    errors = np.asarray(table["RV error"], float)
    return float((~(errors > 0)).sum())


MEASURES: dict[str, Measure] = {
    "saturated_green": partial(_saturated, camera="GREEN"),
    "saturated_red": partial(_saturated, camera="RED"),
    "dead_green": partial(_dead, camera="GREEN"),
    "dead_red": partial(_dead, camera="RED"),
    "telemetry_readings": _telemetry,
    "guiding_rms": _guiding,
    "unknown_green": partial(_unknown, names=("GREEN_CCD",)),
    "unknown_red": partial(_unknown, names=("RED_CCD",)),
    "unknown_spectra": partial(_unknown, names=spectra.extensions()),
    "unknown_master": partial(
        _unknown, names=("GREEN_CCD", "RED_CCD", "GREEN_BIAS", "RED_BIAS", *spectra.extensions())
    ),
    "falling_wavelengths": _falling,
    "velocity_error_green": partial(_velocity_error, ccd=1),
    "velocity_error_red": partial(_velocity_error, ccd=2),
    "velocity_disagreement": _disagreement,
    "empty_orders": _empty_orders,
}
"""By the name that the thresholds use."""
