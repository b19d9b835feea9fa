"""The quality checks of an L0, as the quality control of KPF's pipeline (v2.12) makes them.

The stand-in DRP writes their results into its 2D files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core.clock import parse_utc

if TYPE_CHECKING:
    from astropy.io import fits

ESSENTIAL_KEYWORDS = """
DATE-BEG DATE-MID DATE-END EXPTIME ELAPSED PROGNAME OBJECT TARGRA TARGDEC TARGEPOC TARGEQUI TARGPLAX
TARGPMDC TARGPMRA TARGRADV AIRMASS PARANTEL HA EL AZ LST GAIAID 2MASSID GAIAMAG 2MASSMAG TARGTEFF
OCTAGON TRIGTARG IMTYPE CAL-OBJ SKY-OBJ SCI-OBJ AGITSTA
""".split()  # noqa: SIM905
_TARGET_NUMBERS = (
    *("TARGEPOC", "TARGEQUI", "TARGPLAX", "TARGPMDC", "TARGPMRA", "TARGRADV", "TARGTEFF"),
)
_CAMERA_EXTENSIONS = {
    "Green": "GREEN_AMP1",
    "Red": "RED_AMP1",
    "ExpMeter": "EXPMETER_SCI",
    "Guide": "GUIDER_AVG",
}

MIN_AGITATOR_SPEED = 1000.0
"""counts/s"""
MAX_CLOCK_ERROR = 100.0
"""ms"""
METER_SATURATION = 0.9 * 1.93e6
NEGATIVE_COLUMNS = 20
"""So many neighbouring wavelengths of the exposure meter must not all be negative."""
GUIDER_SATURATION = 0.9 * 15830
MAX_GUIDING_ERROR = 50.0
"""mas, for the scatter and the mean in x and y."""
MAS_PER_PIXEL = 56.0
CCD_SET_POINT = -100.0
"""C"""
SECONDS = 0.1
METER_SECONDS = 1.0


def check_l0(l0: fits.HDUList, *, is_junk: bool) -> dict[str, bool]:
    """The results by keyword; those that need an absent table are left out."""
    header: Mapping[str, Any] = l0[0].header
    results = {
        "NOTJUNK": not is_junk,
        "DATAPRL0": all(
            extension in l0
            for camera, extension in _CAMERA_EXTENSIONS.items()
            if camera in str(header.get("TRIGTARG", "")).split(",")
        ),
        "KWRDPRL0": all(keyword in header for keyword in ESSENTIAL_KEYWORDS),
        "TIMCHKL0": _times_agree(l0),
        "TELEPRL0": "TELEMETRY" in l0,
        "GOODREAD": not (header["EXPTIME"] >= 7 and 6.0 <= header["ELAPSED"] <= 6.7),
        "NTPGOOD": _clock_is_right(str(header.get("TIMEERR", ""))),
        "TARGPLAU": _target_is_plausible(header),
        "NOTVIGN": not any(
            "true" in str(header.get(keyword, "")).lower()
            for keyword in ("VIGNETTE", "STVIGNE", "SBVIGNE")
        ),
        "GOODEL": float(header.get("EL", 0)) >= 30,
        "ETASTEMP": _etalon_is_stable(header),
        "HKSHTOPN": header.get("CAHKSHT", "open") == "open" or header["CA_HK"] != "YES",
        # The pipeline reads the irradiance of the whole day elsewhere; the simulated sky is clear
        "CLEARSKY": True,
    }
    if "TELEMETRY" in l0:
        results |= _check_telemetry(header, l0["TELEMETRY"].data)
    if "EXPMETER_SCI" in l0 and "EXPMETER_SKY" in l0:
        tables = [l0[name].data for name in ("EXPMETER_SCI", "EXPMETER_SKY")]
        results["EMSAT"] = not any(map(_meter_is_saturated, tables))
        results["EMNEG"] = not any(map(_meter_is_negative, tables))
    if "GUIDER_AVG" in l0 and "GUIDER_CUBE_ORIGINS" in l0:
        results |= _check_guider(l0["GUIDER_AVG"].data, l0["GUIDER_CUBE_ORIGINS"].data)
    return results


def _check_telemetry(header: Mapping[str, Any], table: Any) -> dict[str, bool]:
    averages = dict(zip(table["keyword"], table["average"], strict=True))
    runs = header.get("AGITSTA") == "Running"
    results = {"AGITOK": runs and abs(float(averages["kpfmot.AGITSPD"])) > MIN_AGITATOR_SPEED}
    for camera, prefix in (("kpfgreen", "GR"), ("kpfred", "RD")):
        distance = abs(float(averages[f"{camera}.STA_CCD_T"]) - CCD_SET_POINT)
        # These two read the table only where the check of a running agitator came before
        results[f"{prefix}CCDT10"] = runs and distance < 0.01
        results[f"{prefix}CCDT1"] = runs and distance < 1.0
    return results


def exposure_times_agree(header: Mapping[str, Any]) -> bool:
    """Whether beginning, middle and end are in order, and as far apart as the exposure lasted."""
    begin, middle, end = (parse_utc(header[f"DATE-{part}"]) for part in ("BEG", "MID", "END"))
    lasted = (end - begin).total_seconds()
    return begin <= middle <= end and abs(lasted - float(header["ELAPSED"])) <= SECONDS


def _times_agree(l0: fits.HDUList) -> bool:
    header = l0[0].header
    begin, end = (parse_utc(header[f"DATE-{part}"]) for part in ("BEG", "END"))
    good = exposure_times_agree(header)
    for camera, prefix in (("GREEN", "GR"), ("RED", "RD")):
        if f"{camera}_AMP1" in l0:
            good &= _differ_by(begin, header[f"{prefix}DATE-B"]) <= SECONDS
            good &= _differ_by(end, header[f"{prefix}DATE-E"]) <= SECONDS
    if "EXPMETER_SCI" in l0:
        table = l0["EXPMETER_SCI"].data
        good &= _differ_by(begin, table["Date-Beg-Corr"][0]) <= METER_SECONDS
        good &= _differ_by(end, table["Date-End-Corr"][-1]) <= METER_SECONDS
    return bool(good)


def _differ_by(time: datetime, text: str) -> float:
    return abs((time - parse_utc(text)).total_seconds())


def _clock_is_right(text: str) -> bool:
    match = re.search(r"NTP time correct to within ([\d.]+) ms", text)
    return match is not None and float(match[1]) < MAX_CLOCK_ERROR


def _target_is_plausible(header: Mapping[str, Any]) -> bool:
    values: dict[str, Any] = {keyword: header.get(keyword) for keyword in _TARGET_NUMBERS}
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values.values()):
        return False
    return bool(
        abs(values["TARGRADV"]) <= 350
        and values["TARGPLAX"] < 1000
        and all(1950 < values[keyword] <= 2050 for keyword in ("TARGEPOC", "TARGEQUI"))
        and 2000 < values["TARGTEFF"] < 10_000
    )


def _etalon_is_stable(header: Mapping[str, Any]) -> bool:
    channels = ("ETAV1C3", "ETAV1C4")
    return all(abs(header[f"{c}T"] - header[f"{c}S"]) <= 0.0005 for c in channels)


def _meter_counts(table: Any) -> np.ndarray:
    """Counts by reading and wavelength."""
    return np.array([table[name] for name in table.names if name[0].isdigit()], float).T


def _meter_is_saturated(table: Any) -> bool:
    counts = _meter_counts(table)
    if len(counts) >= 3:
        counts = counts[1:-1]
    return bool(np.mean(counts > METER_SATURATION) > 1.5 / counts.shape[1])


def _meter_is_negative(table: Any) -> bool:
    negative = _meter_counts(table).sum(axis=0) < 0
    window = np.ones(NEGATIVE_COLUMNS, int)
    return bool((np.convolve(negative, window, "valid") == NEGATIVE_COLUMNS).any())


def _check_guider(image: np.ndarray, table: Any) -> dict[str, bool]:
    rows, columns = (size // 2 for size in image.shape)
    middle = image[max(0, rows - 50) : rows + 50, max(0, columns - 50) : columns + 50]
    saturated_frames = np.mean(table["object1_peak"] > GUIDER_SATURATION)
    good = True
    for axis in ("x", "y"):
        error = (table[f"target_{axis}"] - table[f"object1_{axis}"]) * MAS_PER_PIXEL
        good &= bool(np.sqrt(np.mean(error**2)) <= MAX_GUIDING_ERROR)
        good &= bool(error.mean() <= MAX_GUIDING_ERROR)
    is_free = np.count_nonzero(middle > GUIDER_SATURATION) <= 3 and saturated_frames <= 0.1
    return {"GUIDGOOD": good, "GUIDSAT": bool(is_free)}
