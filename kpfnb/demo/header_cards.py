"""The values of the primary header of a SIMULATED L0 that depend on the exposure.

Names, types and formats are those of real L0 files; the values of the instrument's state are in
`kpfnb.demo.state_cards`, the order of the cards in `kpfnb.demo.header_layout`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from kpfnb.demo.header_layout import (
    HeaderCard,
    HeaderValue,
    format_sexagesimal,
    format_time,
    kpf_era,
)
from kpfnb.demo.plan import SUN, PlannedExposure
from kpfnb.demo.true_values import TrueVelocities

__all__ = ["HeaderCard", "exposure_values", "read_mode", "used_cameras"]

Values = dict[str, HeaderValue]

SYSTEMS = {"GREEN": "GR", "RED": "RD"}
"""The CCDs, and the prefix of their cards."""

READ_SECONDS = {"regular": 46.8, "fast": 12.2}
"""From the end of an exposure until the file of a CCD is written (GREENTRT of the documentation;
the pipeline's limit of fast reads is 20 s)."""


def exposure_values(
    exposure: PlannedExposure,
    truth: TrueVelocities,
    random: np.random.Generator,
    *,
    seed: int,
    drp_version: str = "",
) -> Values:
    """The values that depend on the exposure: simulation, target, time, pointing, shutters."""
    return {
        **_simulation_values(exposure, truth, seed, drp_version),
        **_assembly_values(exposure),
        **_identity_values(exposure),
        **_time_values(exposure),
        **_target_values(exposure),
        **_pointing_values(exposure, random),
        **_source_values(exposure),
        **_shutter_values(exposure),
    }


def read_mode(exposure: PlannedExposure) -> str:
    """How the CCDs are read, as in the names of their waveform files."""
    return "fast" if exposure.is_fast else "regular"


def _simulation_values(
    exposure: PlannedExposure, truth: TrueVelocities, seed: int, drp_version: str
) -> Values:
    values: Values = {
        "SIMULATE": True,
        "SIMSEED": seed,
        "SIMFAST": exposure.fast,
        "SIMKIND": exposure.kind.name,
        "SIMJUNK": exposure.is_junk,
        "SIMRV": round(truth.radial, 7),
        "SIMBCV": round(truth.barycentric, 7),
        "SIMDRFTG": round(truth.drifts["GREEN"], 7),
        "SIMDRFTR": round(truth.drifts["RED"], 7),
    }
    if exposure.fault:
        values["SIMFAULT"] = str(exposure.fault)
    if drp_version:
        values["SIMDRP"] = drp_version
    return values


def _assembly_values(exposure: PlannedExposure) -> Values:
    cameras = used_cameras(exposure)
    return {
        "FAVER": "0",
        "TIMESYS": "UTC",
        "CAMERAS": len(cameras),
        **{
            keyword: "YES" if camera in cameras else "NO"
            for keyword, camera in (
                ("GREEN", "Green"),
                ("RED", "Red"),
                ("CA_HK", "Ca_HK"),
                ("EXPMETER", "ExpMeter"),
                ("GUIDE", "Guide"),
            )
        },
        "DATE-MID": exposure.middle.isoformat(timespec="milliseconds").removesuffix("+00:00"),
    }


def used_cameras(exposure: PlannedExposure) -> list[str]:
    """The cameras that got a trigger, as in TRIGTARG."""
    used = {
        "Green": True,
        "Red": True,
        "Ca_HK": exposure.has_ca_hk,
        "ExpMeter": exposure.is_lit,
        "Guide": exposure.is_star,
    }
    return [camera for camera, is_used in used.items() if is_used]


def _identity_values(exposure: PlannedExposure) -> Values:
    folder = f"/s/sdata1701/kpfeng/{exposure.start:%Y%b%d}".lower()
    return {
        "PROGNAME": "SIM1" if exposure.kind.is_sky else "ENG",
        "OBJECT": exposure.object_name,
        "IMTYPE": exposure.kind.imtype,
        "INSTRUME": "KPF",
        "DATALVL": "0",
        "OBSERVAT": "KECK",
        "OBSMODE": "SPEC",
        "HEADVER": "0",
        "KPFERA": kpf_era(exposure.start),
        "CURRINST": "KPF" if exposure.is_star else "LRISADC",
        "TELESCOP": "Keck I",
        "OUTDIR": f"{folder}/L0",
        "OFNAME": f"{exposure.obsid}.fits",
        "GREENFN": f"{folder}/Green/kpf_{exposure.number:06d}.fits",
        "REDFN": f"{folder}/Red/kpf_{exposure.number:06d}.fits",
        "CA_HKFN": f"{folder}/CaHK/kpf_hk_{exposure.number:06d}.fits",
        "FRAMENO": exposure.number,
    }


def _time_values(exposure: PlannedExposure) -> Values:
    seconds = float(exposure.kind.exposure_seconds)
    begin, end = format_time(exposure.start), format_time(exposure.end)
    written = exposure.end + timedelta(seconds=READ_SECONDS[read_mode(exposure)])
    midnight = datetime(1858, 11, 17, tzinfo=UTC)
    values: Values = {
        "DATE-OBS": f"{exposure.start:%Y-%m-%d}",
        "UT": f"{exposure.start:%H:%M:%S.%f}"[:-4],
        "DATE-BEG": begin,
        "DATE-END": end,
        "DATE": end,
        "MJD-OBS": round((exposure.start - midnight).total_seconds() / 86400, 6),
        "EXPTIME": seconds,
        "ELAPSED": seconds,
        "TIMEERR": "ok 2 1 {NTP time correct to within 1 ms}",
    }
    for prefix in SYSTEMS.values():
        values |= {
            f"{prefix}DATE-B": begin,
            f"{prefix}DATE-E": end,
            f"{prefix}DATE": format_time(written),
            f"{prefix}ELAPS": seconds,
        }
    if exposure.is_lit:
        values |= {"EMDATE-B": begin, "EMDATE-E": end}
    return values


def _target_values(exposure: PlannedExposure) -> Values:
    target = exposure.target
    if target is None:
        # The values of a real calibration
        return {
            **dict.fromkeys(("TARGNAME", "FULLTARG", "GAIAID", "2MASSID"), ""),
            **dict.fromkeys(("GAIAMAG", "2MASSMAG"), ""),
            **dict.fromkeys(("TARGEPOC", "TARGEQUI", "TARGPLAX", "TARGPMDC", "TARGPMRA"), 0.0),
            "DCSNAME": "unknown",
            "TARGRA": "00:00:00.00",
            "TARGDEC": "+00:00:00.0",
            "TARGRADV": 0.0,
            "TARGWAVE": 0.65,
            "TARGFRAM": "mount az/el",
            "TARGTEFF": 45000.0,
        }
    number = f"{int(target.ra_degrees * 1e6):019d}"
    return {
        **dict.fromkeys(("TARGNAME", "FULLTARG", "DCSNAME"), target.name),
        "GAIAID": f"DR3 {number}",
        "2MASSID": f"J{number[-16:]}",
        "GAIAMAG": target.magnitude,
        "2MASSMAG": round(target.magnitude - 1.2, 2),
        "TARGRA": format_sexagesimal(target.ra_degrees / 15),
        "TARGDEC": format_sexagesimal(target.dec_degrees, sign=True)[:-1],
        "TARGEPOC": 2000.0,
        "TARGEQUI": 2000.0,
        **dict.fromkeys(("TARGPLAX", "TARGPMDC", "TARGPMRA"), 0.0),
        "TARGRADV": round(target.systemic, 2),
        "TARGWAVE": 0.65,
        "TARGFRAM": "FK5",
        "TARGTEFF": 5700.0,
    }


def _pointing_values(exposure: PlannedExposure, random: np.random.Generator) -> Values:
    target = exposure.target
    airmass = round(1.05 + 0.5 * float(random.uniform()), 2) if exposure.is_star else 1.41
    azimuth, hours = float(random.uniform(0, 360)), float(random.uniform(-3, 3))
    right_ascension = format_sexagesimal(target.ra_degrees / 15 if target else 0.0)
    declination = format_sexagesimal(target.dec_degrees if target else 0.0, sign=True)
    return {
        "RA": right_ascension,
        "DEC": declination,
        "RABASE": right_ascension,
        "DECBASE": declination,
        "EQUINOX": 2000.0,
        "AIRMASS": airmass,
        "EL": round(float(np.degrees(np.arcsin(1 / airmass))), 2),
        "AZ": round(azimuth, 2),
        "HA": format_sexagesimal(hours, sign=True),
        "LST": format_sexagesimal(float(random.uniform(0, 24))),
        "PARANG": round(float(random.uniform(-90, 90)), 2),
        "PARANTEL": round(float(random.uniform(-90, 90)), 2),
        "FIUMODE": "Observing" if exposure.is_star else "Calibration",
        "TRACKING": "yes" if exposure.is_star else "no",
        "GUIDING": "true" if exposure.is_star else "false",
        "AUTACTIV": "yes" if exposure.is_star else "no",
        "DOMEPOSN": round(azimuth, 2),
        "VIGNETTE": "false",
        "STVIGNE": "false",
        "SBVIGNE": "false",
        "SBELEV": 23.99,
        "STELEV": 90.0 if exposure.is_star else 23.99,
    }


def _source_values(exposure: PlannedExposure) -> Values:
    kind = exposure.kind
    fibres = ("SCIFB", "SKYFB", "VACSCFB", "VACSKFB", "EXPSCIFB", "EXPSKYFB")
    return {
        "OCTAGON": kind.octagon,
        "SCI-OBJ": kind.sci,
        "SKY-OBJ": kind.sky,
        "CAL-OBJ": kind.cal,
        "TRIGTARG": ",".join(used_cameras(exposure)),
        "SRCSHTTR": ",".join(_open_shutters(exposure)),
        "TIMSHTTR": _timed_shutters(exposure),
        "OTIMSHTR": _timed_shutters(exposure),
        **dict.fromkeys(fibres, "Yes" if exposure.is_lit else "No"),
        "CAFBS": "Yes" if exposure.is_lit and exposure.has_ca_hk else "No",
        "FICALFBS": "Yes" if exposure.is_lit and not kind.is_sky else "No",
        "SICALFB": "Yes" if kind.cal != "None" else "No",
        "FFFB": "No",
        "SSCALFW": "OD 0.1",
        "SIMCALFW": "OD 1.3",
        "FFFW": "Blank",
        "USTHRSH": "No",
        "THRSHLD": 0.0,
        "THRSBIN": "All",
    }


def _timed_shutters(exposure: PlannedExposure) -> str:
    shutters = {
        "Scrambler": exposure.is_lit,
        "SimulCal": exposure.kind.cal != "None",
        "Ca_HK": exposure.is_lit and exposure.has_ca_hk,
    }
    return ",".join(name for name, is_open in shutters.items() if is_open)


def _open_shutters(exposure: PlannedExposure) -> list[str]:
    if not exposure.is_lit:
        return []
    if exposure.target is SUN:
        return ["SciSelect", "SkySelect", "SoCalSci"]
    cal = [] if exposure.kind.is_sky else ["Cal_SciSky"]
    return ["SciSelect", "SkySelect", *cal]


def _shutter_values(exposure: PlannedExposure) -> Values:
    shutters = _open_shutters(exposure)
    is_open = {
        "SCISEL": exposure.is_lit,
        "SKYSEL": exposure.is_lit,
        "FFSHTR": False,
        "SCRAMSHT": exposure.is_lit,
        "SIMCALSH": exposure.kind.cal != "None",
        "CAHKSHT": exposure.is_lit and exposure.has_ca_hk,
        "SOLSCISH": "SoCalSci" in shutters,
        "SOLCALSH": False,
        "CALSSSHT": "Cal_SciSky" in shutters,
    }
    return {
        **{keyword: "open" if opened else "closed" for keyword, opened in is_open.items()},
        # In the documentation's example of a star both are false
        "AOHATCH": not exposure.is_star,
        "FIUHTCH": not exposure.is_star,
    }
