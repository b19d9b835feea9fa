"""The tables of a SIMULATED L0: telemetry, exposure meter, pyrheliometer, guider."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from kpfnb.demo.cards import stamp
from kpfnb.demo.plan import Exposure

Column = tuple[str, str, np.ndarray]
"""Name, FITS format, values."""

_METROLOGY = """
BENCH_BOTTOM_BETWEEN_CAMERAS BENCH_BOTTOM_COLLIMATOR BENCH_BOTTOM_DCUT BENCH_BOTTOM_ECHELLE
BENCH_TOP_BETWEEN_CAMERAS BENCH_TOP_COLL BENCH_TOP_DCUT BENCH_TOP_ECHELLE_CAM CAL_BENCH
CAL_BENCH_BB_SRC CAL_BENCH_BOT CAL_BENCH_ENCL_AIR CAL_BENCH_OCT_MOT CAL_RACK_TOP
CHAMBER_EXT_BOTTOM CHAMBER_EXT_TOP ECHELLE_BOTTOM ECHELLE_TOP FF_SRC GREEN_CAMERA_BOTTOM
GREEN_CAMERA_TOP GREEN_GRISM_TOP PRIMARY_COLLIMATOR_TOP RED_CAMERA_BOTTOM RED_CAMERA_TOP
RED_GRISM_TOP REFORMATTER SCIENCE_CAL_FIBER_STG SIMCAL_FIBER_STG SKYCAL_FIBER_STG TEMP TH_DAILY
TH_GOLD U_DAILY U_GOLD
""".split()  # noqa: SIM905
_ARCHON = {
    "BPLANE_TEMP": (24.0, "C"),
    "BRD1_HTRX_T": (27.0, "C"),
    "BRD3_LVDS_T": (26.0, "C"),
    "BRD5_AD_T": (31.0, "C"),
    "BRD10_DRVR_T": (28.0, "C"),
    "CF_BASE_T": (-145.0, "C"),
    "CF_TIP_T": (-140.0, "C"),
    "CRYOBODY_T": (-111.0, "C"),
    "CURRTEMP": (-150.0, "C"),
    "KPF_CCD_T": (-99.5, "C"),
    "STA_CCD_T": (-100.0, "C"),
    "STA_CCD_TRG": (-100.0, "C"),
    "TEMPSET": (-150.0, "C"),
    "COL_PRESS": (1.2e-7, "Torr"),
    "ECH_PRESS": (1.5e-7, "Torr"),
    "COL_CURR": (1.0e-5, "A"),
}
_OTHERS = {
    "kpfexpose.BENCH_C": (18.0, "C"),
    "kpfexpose.CAMBARREL_C": (17.6, "C"),
    "kpfexpose.ECHELLE_C": (18.1, "C"),
    "kpfexpose.RACK_AIR_C": (21.3, "C"),
    "kpfvac.PUMP_TEMP": (38.0, "C"),
    "kpf_hk.COOLTARG": (-60.0, "C"),
    "kpf_hk.CURRTEMP": (-60.0, "C"),
    "kpfcal.IRFLUX": (5200.0, "counts"),
    "kpfcal.VISFLUX": (9100.0, "counts"),
    "kpfmot.AGITSPD": (500.0, "counts/s"),
    "kpfmot.AGITTOR": (-2.1, "V"),
    "kpfmot.AGITAMBI_T": (20.0, "C"),
    "kpfpower.OUTLET_A1_Amps": (430.0, "mA"),
}
METER_NANOMETRES = np.linspace(450.1, 847.0, 78)
"""Middle of the exposure meter's columns."""


def telemetry(random: np.random.Generator) -> list[Column]:
    """One row a sensor, all as text, as KPF writes it; one sensor has no reading (`-nan`)."""
    sensors = {f"kpfmet.{name}": (19.0, "C") for name in _METROLOGY}
    for camera in ("kpfgreen", "kpfred"):
        sensors |= {f"{camera}.{name}": reading for name, reading in _ARCHON.items()}
    sensors |= _OTHERS
    values = np.array([value for value, _ in sensors.values()])
    spread = np.abs(values) * 2e-4
    average = values + spread * random.standard_normal(values.size)

    def texts(numbers: np.ndarray) -> list[str]:
        found = [f"{number:.7g}" for number in numbers]
        found[list(sensors).index("kpfmet.U_GOLD")] = "-nan"
        return found

    columns = {
        "keyword": list(sensors),
        "average": texts(average),
        "stddev": texts(spread),
        "min": texts(average - 2 * spread),
        "max": texts(average + 2 * spread),
        "units": [units for _, units in sensors.values()],
        "description": [_words(name) for name in sensors],
    }
    return [_text_column(name, texts) for name, texts in columns.items()]


def exposure_meter(exposure: Exposure, random: np.random.Generator, level: float) -> list[Column]:
    """Date-Beg, Date-End, then one column a wavelength (nm); at most 60 readings."""
    seconds = float(exposure.kind.exposure_seconds)
    readings = int(min(60, max(1, seconds)))
    step = timedelta(seconds=seconds / readings)
    begins = [exposure.start + step * index for index in range(readings)]
    shape = np.exp(-(((METER_NANOMETRES - 640) / 170) ** 2))
    flux = level * shape * random.normal(1, 0.03, (readings, 1)) + 20
    counts = random.poisson(np.maximum(flux, 0)).astype(np.float32)
    return [
        _text_column("Date-Beg", [stamp(time) for time in begins]),
        _text_column("Date-End", [stamp(time + step) for time in begins]),
        *(
            (f"{nanometres:.4f}", "E", counts[:, index])
            for index, nanometres in enumerate(METER_NANOMETRES)
        ),
    ]


def solar_irradiance(exposure: Exposure, random: np.random.Generator) -> list[Column]:
    """The pyrheliometer's readings during an exposure of the Sun, one a second."""
    count = max(2, int(exposure.kind.exposure_seconds))
    times = [exposure.start + timedelta(seconds=index) for index in range(count)]
    return [
        _text_column("Date-Beg", [stamp(time) for time in times]),
        ("irradiance", "D", random.normal(985.0, 1.5, count)),
    ]


def guider_origins(exposure: Exposure, random: np.random.Generator) -> list[Column]:
    """Where the guide star was in each guider frame (pixels); at most 300 frames."""
    count = int(min(300, max(2, exposure.kind.exposure_seconds * 10)))
    begin = exposure.start.timestamp()
    error = random.normal(0, 0.4, (4, count))
    return [
        ("timestamp", "D", begin + np.linspace(0, exposure.kind.exposure_seconds, count)),
        ("target_x", "D", np.full(count, 335.5)),
        ("target_y", "D", np.full(count, 258.0)),
        ("command_x", "D", 0.3 * error[0]),
        ("command_y", "D", 0.3 * error[1]),
        ("object1_x", "D", 335.5 + error[0]),
        ("object1_y", "D", 258.0 + error[1]),
        ("object1_flux", "D", random.normal(6.0e5, 2.0e4, count)),
        ("object1_peak", "D", random.normal(2.1e3, 90.0, count)),
        ("object1_a", "D", 5.5 + 0.1 * error[2]),
        ("object1_b", "D", 5.1 + 0.1 * error[3]),
    ]


def _words(sensor: str) -> str:
    return sensor.partition(".")[2].replace("_", " ").capitalize() + " (simulated)"


def _text_column(name: str, texts: list[str]) -> Column:
    return name, f"{max(map(len, texts))}A", np.array(texts)
