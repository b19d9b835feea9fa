"""The primary header of a SIMULATED L0: real keyword names, invented values.

The instrument's state is in `kpfnb.demo.state_cards`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from kpfnb.demo.plan import SUN, PlannedExposure
from kpfnb.demo.true_values import TrueVelocities

HeaderCard = tuple[str, str | int | float | bool, str]

SUBSYSTEMS = {"GR": "Green", "RD": "Red", "EM": "ExpMeter", "HK": "Ca_HK", "GC": "Guide"}


def primary_cards(
    exposure: PlannedExposure, truth: TrueVelocities, random: np.random.Generator, seed: int
) -> list[HeaderCard]:
    """All cards except those of the instrument's state: target, time, pointing, shutters."""
    return [
        *_simulation_cards(exposure, truth, seed),
        *_identity_cards(exposure),
        *_time_cards(exposure),
        *_target_cards(exposure),
        *_pointing_cards(exposure, random),
        *_source_cards(exposure),
        *_shutter_cards(exposure),
    ]


def format_time(time: datetime) -> str:
    """A time in KPF's format."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _simulation_cards(
    exposure: PlannedExposure, truth: TrueVelocities, seed: int
) -> list[HeaderCard]:
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


def _identity_cards(exposure: PlannedExposure) -> list[HeaderCard]:
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


def _time_cards(exposure: PlannedExposure) -> list[HeaderCard]:
    seconds = float(exposure.kind.exposure_seconds)
    read = timedelta(seconds=12 if exposure.is_fast else 48)
    midnight = datetime(1858, 11, 17, tzinfo=exposure.start.tzinfo)
    cards: list[HeaderCard] = [
        ("DATE-BEG", format_time(exposure.start), "start of exposure (UTC)"),
        ("DATE-MID", format_time(exposure.middle), "halfway point of the exposure (UTC)"),
        ("DATE-END", format_time(exposure.end), "end of exposure (UTC)"),
        ("DATE-OBS", f"{exposure.start:%Y-%m-%d}", "UT date"),
        ("UT", f"{exposure.start:%H:%M:%S.%f}", "UT time"),
        ("MJD-OBS", (exposure.start - midnight).total_seconds() / 86400, "[d] at the start"),
        ("EXPTIME", seconds, "[s] requested exposure time"),
        ("ELAPSED", seconds, "[s] actual exposure time"),
        ("TIMEERR", "0.000412 0.000398 0.000430", "[s] NTP time servers"),
    ]
    for prefix, name in SUBSYSTEMS.items():
        cards += [
            (f"{prefix}DATE-B", format_time(exposure.start), f"{name}: start of exposure"),
            (f"{prefix}DATE-E", format_time(exposure.end), f"{name}: end of exposure"),
            (f"{prefix}DATE", format_time(exposure.end + read), f"{name}: file written"),
            (f"{prefix}ELAPS", seconds, f"[s] {name}: actual exposure time"),
            (f"{prefix}EXPT", seconds, f"[s] {name}: requested exposure time"),
            (f"{prefix}FRAMNO", exposure.number, f"{name}: frame number"),
            (f"{prefix}OBSERV", "kpfnb", f"{name}: observers"),
            (f"{prefix}STATE", "Ready", f"{name}: state"),
        ]
    return cards


def _target_cards(exposure: PlannedExposure) -> list[HeaderCard]:
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
        ("TARGRA", format_sexagesimal(target.ra_degrees / 15), "[h] right ascension"),
        ("TARGDEC", format_sexagesimal(target.dec_degrees, sign=True), "[deg] declination"),
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


def _pointing_cards(exposure: PlannedExposure, random: np.random.Generator) -> list[HeaderCard]:
    target = exposure.target
    airmass = round(1.05 + 0.5 * float(random.uniform()), 3) if target else 1.0
    elevation = float(np.degrees(np.arcsin(1 / airmass)))
    return [
        (
            "RA",
            format_sexagesimal(target.ra_degrees / 15 if target else 0.0),
            "[h] right ascension",
        ),
        (
            "DEC",
            format_sexagesimal(target.dec_degrees if target else 0.0, sign=True),
            "[deg] declination",
        ),
        ("EQUINOX", 2000.0, "equinox"),
        ("AIRMASS", airmass, "airmass"),
        ("EL", round(elevation, 4), "[deg] telescope elevation"),
        ("AZ", round(float(random.uniform(0, 360)), 4), "[deg] telescope azimuth"),
        ("HA", format_sexagesimal(float(random.uniform(-3, 3)), sign=True), "[h] hour angle"),
        ("LST", format_sexagesimal(float(random.uniform(0, 24))), "[h] sidereal time"),
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


def _source_cards(exposure: PlannedExposure) -> list[HeaderCard]:
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
        ("CA_HK", _yes_or_no(exposure.has_ca_hk), "Ca H&K camera found"),
        ("EXPMETER", _yes_or_no(exposure.kind.sci != "None"), "exposure meter found"),
        ("GUIDE", _yes_or_no(_is_star(exposure)), "guide camera found"),
        ("FFFB", "No", "flat field fibre on"),
        ("SSCALFW", "OD 0.1", "science/cal filter wheel"),
        ("SIMCALFW", "OD 1.3", "simultaneous cal filter wheel"),
        ("USTHRSH", "No", "exposure meter thresholding used"),
        ("THRSHLD", 0.0, "[counts] threshold level"),
        ("THRSBIN", 604.4, "[nm] threshold wavelength"),
    ]


def _open_shutters(exposure: PlannedExposure) -> list[str]:
    if exposure.kind.imtype in ("Bias", "Dark"):
        return []
    if exposure.target is SUN:
        return ["SoCalSci", "SoCalCal"]
    return ["SciSelect", "SkySelect"] if exposure.kind.is_sky else ["Cal_SciSky"]


def _shutter_cards(exposure: PlannedExposure) -> list[HeaderCard]:
    shutters = _open_shutters(exposure)
    dark = not shutters

    def card(keyword: str, is_open: bool) -> HeaderCard:
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


def format_sexagesimal(value: float, *, sign: bool = False) -> str:
    """Hours or degrees as 12:34:56.78; declinations and angles carry a sign."""
    hundredths = round(abs(value) * 360_000)
    minutes, rest = divmod(hundredths, 6000)
    mark = ("-" if value < 0 else "+") if sign else ""
    return f"{mark}{minutes // 60:02d}:{minutes % 60:02d}:{rest / 100:05.2f}"


def _yes_or_no(answer: bool) -> str:
    return "YES" if answer else "NO"


def _is_star(exposure: PlannedExposure) -> bool:
    return exposure.kind.name == "star"
