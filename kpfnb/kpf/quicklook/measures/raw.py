"""Measures of L0 files: amplifiers, telemetry, guide camera, exposure meter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots import ancillary, ccd, figures
from kpfnb.kpf.quicklook.instrument_plots.fits_content import TELEMETRY, Array, FitsContent
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured

SATURATED_DN = 65_000
"""Close to the end of a converter of 16 bits; KPF names no number."""


def measure_saturated_percent(content: FitsContent, camera: str) -> Measured:
    """Percent of a camera's pixels at the upper end of the converter's range."""
    return _measure_share(content, camera, lambda values: values >= SATURATED_DN)


def measure_zero_percent(content: FitsContent, camera: str) -> Measured:
    """Percent of a camera's pixels that read exactly 0, or have no finite value."""
    return _measure_share(content, camera, lambda values: (values == 0) | ~np.isfinite(values))


def _measure_share(content: FitsContent, camera: str, test: Callable[[Array], Array]) -> Measured:
    """Percent of a camera's pixels, evenly sampled [DN], that pass a test."""
    images = [content.images[name] for name in ccd.list_amplifiers(content, camera)]
    if not images:
        return NOT_IN_FILE
    pixels = np.concatenate([figures.subsample(raw) / ccd.raw_scale(raw) for raw in images])
    return Measured(float(100 * test(pixels).mean()))


def count_missing_amplifiers(content: FitsContent, camera: str) -> Measured:
    """How many of the camera's two or four amplifiers are not in the file."""
    if not ccd.list_amplifiers(content, camera):
        return NOT_IN_FILE
    missing = ccd.list_missing_amplifiers(content, camera)
    return Measured(float(len(missing)), f"no {', '.join(missing)}" if missing else "")


def count_telemetry_readings(content: FitsContent) -> Measured:
    """Number of sensors with a reading."""
    if TELEMETRY not in content.headers and TELEMETRY not in content.tables:
        return NOT_IN_FILE
    note = "" if TELEMETRY in content.tables else "the table is empty"
    return Measured(float(len(content.read_telemetry())), note)


def measure_guiding_rms(content: FitsContent) -> Measured:
    """The larger of the RMS offsets of the star from its target in x and in y [mas]."""
    if ancillary.GUIDER_ORIGINS not in content.tables:
        return NOT_IN_FILE
    x, y = ancillary.guiding_errors(content)
    positions = ancillary.count_positions(x, y)
    if positions < ancillary.FEWEST_POSITIONS:
        return Measured(None, f"too few positions of the star: {positions}")
    return Measured(float(max(np.sqrt(np.nanmean(values**2)) for values in (x, y))))


def count_meter_readings(content: FitsContent) -> Measured:
    """Number of readings of the exposure meter, of science and sky the fewer."""
    names = (ancillary.METER_SCI, ancillary.METER_SKY)
    if not any(name in content.headers or name in content.tables for name in names):
        return NOT_IN_FILE
    science, sky = (max(map(len, content.tables.get(n, {}).values()), default=0) for n in names)
    return Measured(float(min(science, sky)), f"science {science}, sky {sky}")
