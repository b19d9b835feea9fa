"""The values of the state of the instrument in the primary header of a SIMULATED L0.

Lamps, comb and etalon, telescope, detectors, exposure meter: names, types, text formats as in real
headers; usual values are those of the real files of DRP v2.8 or of the pipeline's documentation.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

import numpy as np

from kpfnb.demo.header_cards import SYSTEMS, Values, read_mode
from kpfnb.demo.header_layout import format_hawaii_time
from kpfnb.demo.plan import PlannedExposure

ETALON_SET_POINTS = {"1C1": 24.0, "1C2": 23.8, "1C3": 23.6, "1C4": 23.9, "2C3": 24.0}
"""C, by Vescent controller and channel."""

_LAMPS = {
    "THDAY": ("Th_daily", 7.3e-6), "THAU": ("Th_gold", 6.0e-6), "UDAY": ("U_daily", 1.4e-5),
    "UAU": ("U_gold", 0.0), "LFC": ("LFCFiber", 2.0e-6), "ETAL": ("EtalonFiber", 1.5e-7),
    "BRB": ("BrdbandFiber", 9.6e-6), "SOL": ("SoCal-CalFib", 1.0e-6),
}  # fmt: skip
"""Part of the keywords of a lamp's power (PTHDAY, PTHDAYT), its name in OCTAGON, and W."""

_LAMP_TIMES = ("THDAY", "THAU", "UDAY", "UAU")
"""The lamps with keywords for the time since which they are on (THDAYON, THDAYTON)."""

_FIXED: Values = {
    "PMFM": 0.0, "CALMON": "Out", "HCLSN": "", "FOLDVAL": -13.5, "CAREQ": "Yes",
    "EXPSCREQ": "Yes", "FFREQ": "No", "SICALREQ": "Yes", "VACSCREQ": "Yes", "VACSKREQ": "Yes",
    "CURRBASE": "(335.5, 258.0)", "PIXTARG": "(335.5, 258.0)", "FFSOURCE": "Off",
    "SCIFBILL": "Off", "SKYFBILL": "Off", "HKFBILL": "Off", "EXPFBILL": "Off", "PONAME": "KPF",
    "PONAME1": "KPF", "DRA": 0.0, "DDEC": 0.0, "RAOFF": 0.0, "DECOFF": 0.0, "AXESTAT": "tracking",
    "DTRACK": "disabled", "AUTXCENT": 0.0, "AUTYCENT": 0.0, "SECSTST": "TRACKING",
    "TERTSTST": "STANDBY", "TERTDEST": "cass", "TERTPOSN": "cass", "DOMESTST": "TRACKING",
    "CALOCAL": 0.0, "CELOCAL": 0.0, "FOCALSTN": "rnas (right nasmyth)", "INSTANGL": 0.0,
    "POXPOS": 0.0, "POYPOS": 0.0, "ROTCALAN": 0.0, "ROTZERO": 0.0, "GUIDWAVE": 0.95,
    "GRGAIN02": 1, "GRGAIN03": 1, "GROFFSET": 100, "GRCDS3": 950, "RDCDS3": 950, "RDTEST": 123,
    **dict.fromkeys(("GRCDS0", "GRCDS1", "GRCDS2", "RDCDS0", "RDCDS1", "RDCDS2"), "simulated"),
}  # fmt: skip

_READINGS = {
    "PRES": 620.8, "RELH": 10.1, "AUTFWHM": 1.3, "SECFOCUS": -1.1, "TELFOCUS": -0.2,
    "TUBEFLEX": -13.3, "TUBETEMP": 1.9, "PRIMTEMP": 1.8, "SECMTEMP": 2.1, "DIFFPTDW": 33.0,
    "DIFFSTDW": 33.2, "SECTHETX": -376.8, "SECTHETY": 227.9,
}  # fmt: skip

GUIDER_RATE = 10.0
"""Frames of the guide camera per second."""

METER_BINS = "498.12 604.38 710.62 816.88"
"""nm: the middle of the four bins of the exposure meter."""


def state_values(exposure: PlannedExposure, random: np.random.Generator) -> Values:
    """All values of the state of the instrument."""
    return {
        **_FIXED,
        **{name: _scatter(value, random) for name, value in _READINGS.items()},
        "ADCTRACK": "On" if exposure.is_star else "Off",
        "HATCH": "Open" if exposure.is_star else "Closed",
        "FOLDNAM": "Out" if exposure.is_star else "In",
        **_lamp_values(exposure, random),
        **_comb_values(exposure, random),
        **_etalon_values(random),
        **_shutter_times(exposure),
        **_meter_values(exposure, random),
        **_detector_values(exposure),
    }


def _lamp_values(exposure: PlannedExposure, random: np.random.Generator) -> Values:
    values: Values = {"OCTBB": "On" if exposure.kind.name == "flat" else "Off"}
    source = exposure.kind.octagon
    for lamp, (name, watts) in _LAMPS.items():
        measured = exposure.start - timedelta(hours=1) if watts else None
        values[f"P{lamp}"] = _scatter(watts, random)
        values[f"P{lamp}T"] = format_hawaii_time(measured)
        if lamp in _LAMP_TIMES:
            since = exposure.start - timedelta(minutes=40) if source == name else measured
            values[f"{lamp}ON"] = format_hawaii_time(since)
            values[f"{lamp}TON"] = round(2400.0 + exposure.number, 1) if since else 0.0
    for keyword, name in (
        ("THARDAY", "Th_daily"),
        ("THARGD", "Th_gold"),
        ("UNEDAY", "U_daily"),
        ("UNEGD", "U_gold"),
    ):
        values[keyword] = "On" if source == name else "Off"
    return values


def _comb_values(exposure: PlannedExposure, random: np.random.Generator) -> Values:
    error = round(float(random.normal(0, 3e5)))
    return {
        "LFCMODE": "AstroComb" if exposure.kind.name == "lfc" else "StandbyHigh",
        "AMPON": round(7.4e6 + exposure.number, 3),
        "LFCFO": 250000000.0,
        "LFCFREF": 250000000.0,
        "LFCFR": 2e10 + round(float(random.normal(0, 0.004)), 4),
        "LFCFRREF": 20000000000.0,
        "LFCCEOFR": 5220000000.0,
        "LFCCWFRF": 288005220000000.0,
        "LFCCWFRQ": 288005220000000.0 + error,
        "LFCCWFER": float(error),
        "LFCCWMDN": 1152021,
        "LFCBIACT": 0.033,
        "LFCBISET": 0.0,
    }


def _etalon_values(random: np.random.Generator) -> Values:
    values: Values = {}
    for channel, point in ETALON_SET_POINTS.items():
        error = float(np.clip(random.normal(0, 1e-4), -4e-4, 4e-4))
        values[f"ETAV{channel}T"] = round(point + error, 6)
        values[f"ETAV{channel}S"] = point
    return values


def _shutter_times(exposure: PlannedExposure) -> Values:
    """When the timed shutters got their signals: Hawaii time, and the window in seconds."""
    values: Values = {}
    for prefix, time in (("S", exposure.start), ("E", exposure.end)):
        text = (time - timedelta(hours=10)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        for shutter, window in (("HKEXP", 0.382), ("HKSHT", 0.74), ("TMSHT", 0.005)):
            values[f"T{prefix}{shutter}"] = text
            values[f"W{prefix}{shutter}"] = window
    return values


def _meter_values(exposure: PlannedExposure, random: np.random.Generator) -> Values:
    """The counts of the exposure meter; as in a real flat there are none without it."""
    values: Values = {"WAVEBNS": METER_BINS, "TOTCNTS": "", "TOTCORR": "0 0 0 0"}
    if exposure.is_lit:
        level = 2e8 if exposure.kind.is_sky and not exposure.is_junk else 1e4
        counts = level * np.array([0.6, 1.0, 0.9, 0.55]) * random.normal(1, 0.01, 4)
        values["TOTCNTS"] = " ".join(f"{count:.5g}" for count in counts)
        values["TOTCORR"] = " ".join(f"{2.1 * count:.5g}" for count in counts)
    if exposure.is_star:
        values |= {"GCFPS": GUIDER_RATE, "GCGAIN": "high"}
    return values


def _detector_values(exposure: PlannedExposure) -> Values:
    mode = read_mode(exposure)
    values: Values = {"AGITSTA": "Running" if exposure.is_lit else "Stopped"}
    for camera, prefix in SYSTEMS.items():
        waveforms = f"{mode}-read-{camera.lower()}"
        digest = hashlib.md5(waveforms.encode(), usedforsecurity=False).hexdigest().upper()
        values |= {
            f"{prefix}ACF": waveforms,
            f"{prefix}ACFFI": f"{waveforms}.acf",
            f"{prefix}ACFFLN": f"{waveforms}.acf",
            f"{prefix}ACFMD5": digest,
            f"{prefix}CAMD_V": "Nov  9 2022 09:50:15",
            f"{prefix}EXPTI": 0,
            f"{prefix}FILENA": f"kpf_{exposure.number:06d}.fits",
            f"{prefix}FIRMWA": f"/kroot/rel/default/data/kpf{camera.lower()}/ACF/{waveforms}.acf",
            f"{prefix}FRAME": exposure.number,
            f"{prefix}HDRSHI": 0,
            f"{prefix}OBSERV": "kpfnb",
            f"{prefix}PROGNA": "SIM1" if exposure.kind.is_sky else "ENG",
            f"{prefix}SHUTT": True,
            f"{prefix}TM_ZO": "GMT",
        }
    if not exposure.is_fast:
        values |= {"GRDATAS1": "[4:2044,0:4080]", "GRDATAS2": "[50:2090,0:4080]"}
    return values


def _scatter(value: float, random: np.random.Generator) -> float:
    return float(f"{value * (1 + random.normal(0, 0.004)):.6g}")
