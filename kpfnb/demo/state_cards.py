"""Cards of the state of the instrument in the primary header of a SIMULATED L0."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from kpfnb.demo.header_cards import HeaderCard, format_time
from kpfnb.demo.instrument import CAMERAS
from kpfnb.demo.plan import PlannedExposure


def instrument_state_cards(
    exposure: PlannedExposure, random: np.random.Generator
) -> list[HeaderCard]:
    """All cards of the state of the instrument."""
    return [
        *detector_cards(exposure, random),
        *exposure_meter_cards(exposure, random),
        *calibration_unit_cards(exposure, random),
        *environment_cards(exposure, random),
    ]


def detector_cards(exposure: PlannedExposure, random: np.random.Generator) -> list[HeaderCard]:
    """Read modes, temperatures and noise of the two CCDs."""
    mode = "fast" if exposure.is_fast else "regular"
    cards: list[HeaderCard] = [("READMODE", mode, "read mode of the CCDs")]
    for prefix, camera in zip(("GR", "RD"), CAMERAS, strict=True):
        cards += [
            (f"{prefix}ACFFLN", f"{camera.name.lower()}-{mode}-read.acf", "CCD waveform file"),
            (f"{prefix}NAMPS", 4 if exposure.is_fast else 2, "amplifiers in use"),
            (f"{prefix}CCDSUM", "1 1", "binning"),
            (f"{prefix}CCDTMP", round(-100 + random.normal(0, 2e-3), 5), "[C] CCD temperature"),
            (f"{prefix}CCDSET", -100.0, "[C] CCD set point"),
            (f"{prefix}VACUUM", round(1.1e-7 + random.normal(0, 1e-9), 11), "[Torr] pressure"),
        ]
        for amp in range(1, 5 if exposure.is_fast else 3):
            cards += [
                (f"{prefix}GAIN{amp}", camera.gain, f"[e-/DN] gain of {camera.name}_AMP{amp}"),
                (f"{prefix}RN{amp}", camera.read_noise, f"[e-] noise of {camera.name}_AMP{amp}"),
            ]
    return cards


def exposure_meter_cards(
    exposure: PlannedExposure, random: np.random.Generator
) -> list[HeaderCard]:
    """The counts of the exposure meter."""
    level = 2e8 if exposure.kind.is_sky and not exposure.is_junk else 1e4
    counts = level * np.array([0.6, 1.0, 0.9, 0.55]) * random.normal(1, 0.01, 4)
    text = " ".join(f"{count:.4g}" for count in counts)
    return [
        ("WAVEBNS", "498.125 604.375 710.625 816.875", "[nm] middle of the four bins"),
        ("TOTCNTS", text, "raw counts"),
        ("TOTCORR", " ".join(f"{2.1 * c:.4g}" for c in counts), "corrected"),
        ("AGITSTA", "Running" if exposure.kind.imtype == "Object" else "Stopped", "agitator"),
    ]


def calibration_unit_cards(
    exposure: PlannedExposure, random: np.random.Generator
) -> list[HeaderCard]:
    """The state of the lamps, the comb and the etalon."""
    cards: list[HeaderCard] = []
    points = {"1C1": 24.0, "1C2": 23.8, "1C3": 23.6, "1C4": 23.9, "2C3": 24.0}
    for channel, point in points.items():
        near = round(point + float(random.normal(0, 2e-4)), 6)
        cards += [
            (f"ETAV{channel}T", near, f"[C] etalon, Vescent channel {channel}"),
            (f"ETAV{channel}S", point, f"[C] etalon set point, channel {channel}"),
        ]
    lfc = exposure.kind.name == "lfc"
    cards += [
        ("LFCMODE", "AstroComb" if lfc else "StandbyHigh", "LFC operation mode"),
        ("AMPON", 3600.0 if lfc else 0.0, "[s] LFC amplifier on for"),
        ("LFCFR", 1.6e10 + round(float(random.normal()), 3), "[Hz] LFC repetition rate"),
        ("LFCFREF", 1.6e10, "[Hz] its set point"),
        ("LFCFO", 2.0e7 + round(float(random.normal()), 3), "[Hz] LFC offset frequency"),
        ("LFCFRREF", 2.0e7, "[Hz] its set point"),
        ("LFCCEOFR", 3.5e7, "[Hz] LFC CEO frequency set point"),
        ("LFCBIACT", 0.0, "[A] LFC blue cut amplifier current"),
        ("LFCBISET", 0.0, "[A] its setting"),
    ]
    lamps = {"PTHDAY": 5e-7, "PTHAU": 6e-7, "PUDAY": 4e-7, "PUAU": 4e-7, "PLFC": 2e-6}
    lamps |= {"PETAL": 3e-5, "PBRB": 6e-5, "PSOL": 1e-6}
    for keyword, watts in lamps.items():
        cards += [
            (keyword, float(f"{watts * random.normal(1, 0.01):.6g}"), "[W] last power reading"),
            (
                f"{keyword}T",
                format_time(exposure.start - timedelta(hours=1)),
                "time of that reading",
            ),
        ]
    return cards


def environment_cards(exposure: PlannedExposure, random: np.random.Generator) -> list[HeaderCard]:
    """Weather, dome and control system."""
    readings = {
        "WXOUTHUM": (22.0, "[%] outside humidity"),
        "WXOUTTMP": (1.5, "[C] outside temperature"),
        "WXDOMHUM": (20.0, "[%] dome humidity"),
        "WXDOMTMP": (2.0, "[C] dome temperature"),
        "WXPRESS": (616.0, "[mbar] pressure"),
        "WXWNDSP": (5.0, "[m/s] wind speed"),
        "WXWNDIR": (70.0, "[deg] wind direction"),
        "WXDWPT": (-18.0, "[C] dew point"),
        "TUBETEMP": (1.9, "[C] telescope tube"),
        "PRIMTEMP": (2.1, "[C] primary mirror"),
        "SECMTEMP": (1.8, "[C] secondary mirror"),
        "TELFOCUS": (-1.2, "[mm] telescope focus"),
        "VAISTEMP": (18.9, "[C] hallway"),
        "CHMBTEMP": (19.2, "[C] vacuum chamber, outside"),
        "VACPRESS": (3.0e-4, "[Torr] vacuum chamber"),
        "ECHTEMP": (19.1, "[C] echelle"),
        "COLTEMP": (19.15, "[C] collimator"),
        "RFMTTEMP": (19.3, "[C] reformatter"),
        "TTGAIN": (0.3, "gain of the tip-tilt loop"),
        "TTXRMS": (18.0, "[mas] tip-tilt error in x"),
        "TTYRMS": (19.0, "[mas] tip-tilt error in y"),
        "GCFPS": (100.0, "[Hz] guider frame rate"),
        "GCGAIN": (1.0, "guider gain"),
        "GCTEMP": (-39.8, "[C] guider detector"),
        "AGITSPD": (500.0, "[counts/s] agitator speed"),
        "HKTEMP": (-60.0, "[C] Ca H&K detector"),
        "HKPRESS": (2.1e-6, "[Torr] Ca H&K detector"),
        "EMSCTEMP": (-70.0, "[C] exposure meter detector, science"),
        "EMSKTEMP": (-70.0, "[C] exposure meter detector, sky"),
        "GRCRYTMP": (-111.0, "[C] Green cryostat"),
        "RDCRYTMP": (-110.0, "[C] Red cryostat"),
        "GRLN2FLW": (3.1, "[l/min] Green nitrogen flow"),
        "RDLN2FLW": (3.0, "[l/min] Red nitrogen flow"),
        "GRBPLTMP": (24.0, "[C] Green controller"),
        "RDBPLTMP": (24.2, "[C] Red controller"),
        "RACKTEMP": (21.3, "[C] electronics rack"),
        "CALBTEMP": (20.1, "[C] calibration bench"),
        "SOCDNI": (985.0, "[W/m2] direct solar irradiance"),
        "SOCTEMP": (11.0, "[C] solar calibrator enclosure"),
        "PWRGRAMP": (1.4, "[A] Green controller current"),
        "PWRRDAMP": (1.4, "[A] Red controller current"),
        "UPSLOAD": (38.0, "[%] load of the uninterruptible supply"),
        "GLYCTEMP": (9.5, "[C] glycol supply"),
        "GLYCFLOW": (6.2, "[l/min] glycol flow"),
        "DISKFREE": (71.0, "[%] free disk space"),
    }
    return [
        (keyword, float(f"{value * (1 + random.normal(0, 0.004)):.6g}"), comment)
        for keyword, (value, comment) in readings.items()
    ] + [("SWVERS", "kpfnb-demo", "control software (simulated)")]
