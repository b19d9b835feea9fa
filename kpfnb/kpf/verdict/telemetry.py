"""Readings of sensors in the TELEMETRY table of an L0 file; its images are not read."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import numpy as np

from kpfnb.core.fits import tables
from kpfnb.core.fits.headers import iterate_hdus
from kpfnb.kpf.files.keywords import TELEMETRY


def read_sensors(path: Path, names: Collection[str]) -> dict[str, float]:
    """The average readings of sensors by name; a sensor without a finite reading is left out.

    A file without the table or with a damaged one has no readings.

    Raises
    ------
    InvalidHeaderError : the file can't be read as far as the table
    """
    for hdu in iterate_hdus(path):
        if hdu.name != TELEMETRY:
            continue
        try:
            table = tables.read_table(hdu)
            return _select_readings(table["keyword"], table["average"], names)
        except (ValueError, TypeError, KeyError):
            return {}
    return {}


def _select_readings(
    keywords: np.ndarray, averages: np.ndarray, names: Collection[str]
) -> dict[str, float]:
    return {
        name: number
        for keyword, average in zip(keywords.tolist(), averages.tolist(), strict=True)
        if (name := _to_text(keyword)) in names
        and math.isfinite(number := _to_number(_to_text(average)))
    }


def _to_text(value: object) -> str:
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value)


def _to_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
