"""The primary header of a SIMULATED L0: real keyword names, made-up values."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from kpfnb.demo.instrument import CAMERAS
from kpfnb.demo.plan import SUN, Exposure
from kpfnb.demo.truth import Velocities

Card = tuple[str, str | int | float | bool, str]

SUBSYSTEMS = {"GR": "Green", "RD": "Red", "EM": "ExpMeter", "HK": "Ca_HK", "GC": "Guide"}


def primary(
    exposure: Exposure, truth: Velocities, random: np.random.Generator, seed: int
) -> list[Card]:
    """All cards, about 250."""
    return [
        *_simulation(exposure, truth, seed),
        *_identity(exposure),
        *_times(exposure),
        *_target(exposure),
        *_pointing(exposure, random),
        *_sources(exposure),
        *_shutters(exposure),
        *_detectors(exposure, random),
        *_exposure_meter(exposure, random),
        *_calibration_unit(exposure, random),
        *_surroundings(exposure, random),
    ]


def stamp(time: datetime) -> str:
    """A time as KPF writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _simulation(exposure: Exposure, truth: Velocities, seed: int) -> list[Card]:
    return [
        ("SIMULATE", True, "SIMULATED by kpfnb: never for science"),
        ("ORIGIN", "kpfnb demo (simulation)", "not from the observatory"),
        ("SIMSEED", seed, "seed of the simulation"),
        ("SIMKIND", exposure.kind.name, "kind of exposure that was simulated"),
        ("SIMJUNK", exposure.is_junk, "simulated as a failed exposure"),
        ("SIMRV", round(truth.radial, 7), "[km/s] truth: barycentric radial velocity"),
        ("SIMBCV", round(truth.barycentric, 7), "[km/s] truth: barycentric correction"),
        ("SIMDRFTG", round(truth.drifts["GREEN"], 7), "[km/s] truth: drift of Green"),
        ("SIMDRFTR", round(truth.drifts["RED"], 7), "[km/s] truth: drift of Red"),
    ]


def _identity(exposure: Exposure) -> list[Card]:
    return [
        ("INSTRUME", "KPF", "instrument (simulated)"),
        ("TELESCOP", "Keck I", "telescope (simulated)"),
        ("OBSERVAT", "KECK", "observatory"),
        ("OBSERVER", "kpfnb", "observers"),
        ("PROGNAME", "ENG" if not exposure.kind.is_sky else "SIM1", "program name"),
        ("PROGPI", "Simulated", "principal investigator"),
        ("SEMESTER", f"{exposure.start:%Y}{'A' if exposure.start.month < 8 else 'B'}", "semester"),
        ("OFNAME", f"{exposure.obsid}.fits", "original file name"),
        ("KOAID", f"{exposure.obsid}.fits", "archive file name"),
        ("FRAMENO", exposure.number, "frame number"),
        ("KPFERA", "2.0", "era of the instrument"),
        ("IMTYPE", exposure.kind.imtype, "image type"),
        ("OBJECT", exposure.object_name, "object name"),
        ("DATLEVEL", 0, "data level"),
        ("TIMEZONE", "UTC", "zone of all times here"),
    ]


def _times(exposure: Exposure) -> list[Card]:
    seconds = float(exposure.kind.exposure_seconds)
    read = timedelta(seconds=12 if exposure.is_fast else 48)
    midnight = datetime(1858, 11, 17, tzinfo=exposure.start.tzinfo)
    cards: list[Card] = [
        ("DATE-BEG", stamp(exposure.start), "start of exposure (UTC)"),
        ("DATE-MID", stamp(exposure.middle), "halfway point of the exposure (UTC)"),
        ("DATE-END", stamp(exposure.end), "end of exposure (UTC)"),
        ("DATE-OBS", f"{exposure.start:%Y-%m-%d}", "UT date"),
        ("UT", f"{exposure.start:%H:%M:%S.%f}", "UT time"),
        ("MJD-OBS", (exposure.start - midnight).total_seconds() / 86400, "[d] at the start"),
        ("EXPTIME", seconds, "[s] requested exposure time"),
        ("ELAPSED", seconds, "[s] actual exposure time"),
        ("TIMEERR", "0.000412 0.000398 0.000430", "[s] NTP time servers"),
    ]
    for prefix, name in SUBSYSTEMS.items():
        cards += [
            (f"{prefix}DATE-B", stamp(exposure.start), f"{name}: start of exposure"),
            (f"{prefix}DATE-E", stamp(exposure.end), f"{name}: end of exposure"),
            (f"{prefix}DATE", stamp(exposure.end + read), f"{name}: file written"),
            (f"{prefix}ELAPS", seconds, f"[s] {name}: actual exposure time"),
            (f"{prefix}EXPT", seconds, f"[s] {name}: requested exposure time"),
            (f"{prefix}FRAMNO", exposure.number, f"{name}: frame number"),
            (f"{prefix}OBSERV", "kpfnb", f"{name}: observers"),
            (f"{prefix}STATE", "Ready", f"{name}: state"),
        ]
    return cards


def _target(exposure: Exposure) -> list[Card]:
    target = exposure.target
    if target is None:
        return [("TARGNAME", "", "KPF target name"), ("FULLTARG", "", "full target name")]
    number = f"{int(target.ra_degrees * 1e6):019d}"
    return [
        ("TARGNAME", target.name, "KPF target name"),
        ("FULLTARG", target.name, "full target name"),
        ("DCSNAME", target.name, "DCS target name"),
        ("GAIAID", f"DR3 {number}", "Gaia name (made up)"),
        ("2MASSID", f"J{number[-16:]}", "2MASS name (made up)"),
        ("GAIAMAG", target.magnitude, "[mag] Gaia G"),
        ("2MASSMAG", round(target.magnitude - 1.2, 2), "[mag] 2MASS J"),
        ("TARGRA", sexagesimal(target.ra_degrees / 15), "[h] right ascension"),
        ("TARGDEC", sexagesimal(target.dec_degrees, sign=True), "[deg] declination"),
        ("TARGEPOC", 2016.0, "target epoch"),
        ("TARGEQUI", 2000.0, "target equinox"),
        ("TARGPLAX", 0.0, "[arcsec] parallax"),
        ("TARGPMRA", 0.0, "[s/yr] proper motion in right ascension"),
        ("TARGPMDC", 0.0, "[arcsec/yr] proper motion in declination"),
        ("TARGRADV", round(target.systemic), "[km/s] catalogue radial velocity"),
        ("TARGTEFF", 5700.0, "[K] effective temperature"),
        ("TARGWAVE", 0.55, "[um] target wavelength"),
        ("TARGFRAM", "FK5", "target frame"),
    ]


def _pointing(exposure: Exposure, random: np.random.Generator) -> list[Card]:
    target = exposure.target
    airmass = round(1.05 + 0.5 * float(random.uniform()), 3) if target else 1.0
    elevation = float(np.degrees(np.arcsin(1 / airmass)))
    return [
        ("RA", sexagesimal(target.ra_degrees / 15 if target else 0.0), "[h] right ascension"),
        ("DEC", sexagesimal(target.dec_degrees if target else 0.0, sign=True), "[deg] declination"),
        ("EQUINOX", 2000.0, "equinox"),
        ("AIRMASS", airmass, "airmass"),
        ("EL", round(elevation, 4), "[deg] telescope elevation"),
        ("AZ", round(float(random.uniform(0, 360)), 4), "[deg] telescope azimuth"),
        ("HA", sexagesimal(float(random.uniform(-3, 3)), sign=True), "[h] hour angle"),
        ("LST", sexagesimal(float(random.uniform(0, 24))), "[h] sidereal time"),
        ("PARANTEL", round(float(random.uniform(-90, 90)), 3), "[deg] parallactic angle"),
        ("ROTMODE", "stationary", "rotator mode"),
        ("ROTPOSN", 0.0, "[deg] rotator position"),
        ("FIUMODE", "Observing" if _is_star(exposure) else "Calibration", "FIU operating mode"),
        ("DOMEPOSN", round(float(random.uniform(0, 360)), 2), "[deg] dome azimuth"),
        ("STELEV", 90.0, "[deg] top shutter elevation"),
        ("SBELEV", 20.0, "[deg] bottom shutter elevation"),
        ("VIGNETTE", "No", "dome vignetting"),
        ("STVIGNE", "No", "top shutter vignetting"),
        ("SBVIGNE", "No", "bottom shutter vignetting"),
        ("ADC1", round(float(random.uniform(0, 360)), 2), "[deg] ADC prism 1"),
        ("ADC2", round(float(random.uniform(0, 360)), 2), "[deg] ADC prism 2"),
    ]


def _sources(exposure: Exposure) -> list[Card]:
    kind = exposure.kind
    return [
        ("OCTAGON", kind.octagon, "calibration octagon source"),
        ("SCI-OBJ", kind.sci, "science fibre source"),
        ("SKY-OBJ", kind.sky, "sky fibre source"),
        ("CAL-OBJ", kind.cal, "calibration fibre source"),
        ("TRIGTARG", "Green,Red,Ca_HK,ExpMeter,Guide", "cameras that were sent triggers"),
        ("SRCSHTTR", ",".join(_open_shutters(exposure)), "source shutters commanded"),
        ("TIMSHTTR", "Scrambler" if kind.sci != "None" else "", "timed shutters commanded"),
        ("OTIMSHTR", "Scrambler" if kind.sci != "None" else "", "timed shutters open"),
        ("GREEN", "YES", "Green camera found"),
        ("RED", "YES", "Red camera found"),
        ("CA_HK", _yes(exposure.has_ca_hk), "Ca H&K camera found"),
        ("EXPMETER", _yes(exposure.kind.sci != "None"), "exposure meter found"),
        ("GUIDE", _yes(_is_star(exposure)), "guide camera found"),
        ("FFFB", "No", "flat field fibre on"),
        ("SSCALFW", "OD 0.1", "science/cal filter wheel"),
        ("SIMCALFW", "OD 1.3", "simultaneous cal filter wheel"),
        ("USTHRSH", "No", "exposure meter thresholding used"),
        ("THRSHLD", 0.0, "[counts] threshold level"),
        ("THRSBIN", 604.4, "[nm] threshold wavelength"),
    ]


def _open_shutters(exposure: Exposure) -> list[str]:
    if exposure.kind.imtype in ("Bias", "Dark"):
        return []
    if exposure.target is SUN:
        return ["SoCalSci", "SoCalCal"]
    return ["SciSelect", "SkySelect"] if exposure.kind.is_sky else ["Cal_SciSky"]


def _shutters(exposure: Exposure) -> list[Card]:
    shutters = _open_shutters(exposure)
    dark = not shutters

    def card(keyword: str, is_open: bool) -> Card:
        return (keyword, "open" if is_open else "closed", "shutter at exposure midpoint")

    return [
        card("SCISEL", not dark),
        card("SKYSEL", not dark),
        card("FFSHTR", False),
        card("SCRAMSHT", not dark),
        card("SIMCALSH", exposure.kind.cal == "EtalonFiber"),
        card("CAHKSHT", _is_star(exposure)),
        card("SOLSCISH", "SoCalSci" in shutters),
        card("SOLCALSH", "SoCalCal" in shutters),
        card("CALSSSHT", "Cal_SciSky" in shutters),
        card("AOHATCH", _is_star(exposure)),
        card("FIUHTCH", _is_star(exposure)),
    ]


def _detectors(exposure: Exposure, random: np.random.Generator) -> list[Card]:
    mode = "fast" if exposure.is_fast else "regular"
    cards: list[Card] = [("READMODE", mode, "read mode of the CCDs")]
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


def _exposure_meter(exposure: Exposure, random: np.random.Generator) -> list[Card]:
    level = 2e8 if exposure.kind.is_sky and not exposure.is_junk else 1e4
    counts = level * np.array([0.6, 1.0, 0.9, 0.55]) * random.normal(1, 0.01, 4)
    text = " ".join(f"{count:.4g}" for count in counts)
    return [
        ("WAVEBNS", "498.125 604.375 710.625 816.875", "[nm] middle of the four bins"),
        ("TOTCNTS", text, "raw counts"),
        ("TOTCORR", " ".join(f"{2.1 * c:.4g}" for c in counts), "corrected"),
        ("EMEXPT", 1.0, "[s] exposure meter: exposure time of a frame"),
        ("AGITSTA", "Running" if exposure.kind.imtype == "Object" else "Stopped", "agitator"),
    ]


def _calibration_unit(exposure: Exposure, random: np.random.Generator) -> list[Card]:
    cards: list[Card] = []
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
            (f"{keyword}T", stamp(exposure.start - timedelta(hours=1)), "time of that reading"),
        ]
    return cards


def _surroundings(exposure: Exposure, random: np.random.Generator) -> list[Card]:
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
        "GCEXPT": (0.01, "[s] guider exposure time"),
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


def sexagesimal(value: float, *, sign: bool = False) -> str:
    """Hours or degrees as 12:34:56.78; declinations and angles carry a sign."""
    hundredths = round(abs(value) * 360_000)
    minutes, rest = divmod(hundredths, 6000)
    mark = ("-" if value < 0 else "+") if sign else ""
    return f"{mark}{minutes // 60:02d}:{minutes % 60:02d}:{rest / 100:05.2f}"


def _yes(answer: bool) -> str:
    return "YES" if answer else "NO"


def _is_star(exposure: Exposure) -> bool:
    return exposure.kind.name == "star"
