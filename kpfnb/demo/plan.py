"""The plan of a SIMULATED night: calibrations, stars with planets, the Sun, with their times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zlib import crc32

from kpfnb.core.errors import InvalidParameterError


@dataclass(frozen=True)
class SimulatedStar:
    """An invented star; `systemic` and `semi_amplitude` are in km/s, `period` in days."""

    name: str
    ra_degrees: float
    dec_degrees: float
    magnitude: float
    systemic: float
    semi_amplitude: float
    period: float

    def velocity(self, time: datetime) -> float:
        """Barycentric radial velocity, km/s: a circular orbit."""
        days = (time - datetime(2024, 1, 1, tzinfo=UTC)).total_seconds() / 86400
        return self.systemic + self.semi_amplitude * math.sin(2 * math.pi * days / self.period)


SUN = SimulatedStar("Sun", 0.0, 0.0, -26.7, 0.0, 0.0, 1.0)
STARS = (
    SimulatedStar("KPFSIM-1", 41.25, 14.10, 6.9, -18.42, 0.215, 0.74),
    SimulatedStar("KPFSIM-2", 118.60, 3.25, 7.6, 33.07, 0.064, 0.42),
    SimulatedStar("KPFSIM-3", 201.80, 27.55, 8.1, 4.91, 0.480, 1.31),
)


@dataclass(frozen=True)
class ExposureKind:
    """A kind of exposure.

    Attributes
    ----------
    name : the key in the counts of a night
    imtype, object_name, octagon : the cards IMTYPE, OBJECT and OCTAGON
    sci, sky, cal : the light sources of the fibres (SCI-OBJ, SKY-OBJ, CAL-OBJ)
    exposure_seconds : exposure time
    usual_count : their usual number in a night
    sessions : hours UT at which each series starts; exposures are assigned to them in turn
    every_seconds : from one exposure of a series to the next
    """

    name: str
    imtype: str
    object_name: str
    octagon: str
    sci: str
    sky: str
    cal: str
    exposure_seconds: float
    usual_count: int
    sessions: tuple[float, ...]
    every_seconds: float

    @property
    def is_sky(self) -> bool:
        """True for targets on the sky, False for calibrations."""
        return self.imtype == "Object"


EXPOSURE_KINDS = (
    ExposureKind("bias", "Bias", "autocal-bias", "Home", "None", "None", "None", 0, 4, (1.0,), 75),
    ExposureKind(
        "dark", "Dark", "autocal-dark", "Home", "None", "None", "None", 1200, 2, (19.0,), 1300,
    ),
    ExposureKind(
        "flat", "Flatlamp", "autocal-flat-all", "BrdbandFiber",
        "BrdbandFiber", "BrdbandFiber", "BrdbandFiber", 30, 4, (2.0,), 110,
    ),
    ExposureKind(
        "lfc", "Arclamp", "autocal-lfc-all", "LFCFiber",
        "LFCFiber", "LFCFiber", "LFCFiber", 60, 4, (3.0, 17.0), 700,
    ),
    ExposureKind(
        "etalon", "Arclamp", "autocal-etalon-all", "EtalonFiber",
        "EtalonFiber", "EtalonFiber", "EtalonFiber", 60, 4, (3.1, 17.1, 10.5), 700,
    ),
    ExposureKind(
        "thar", "Arclamp", "autocal-thar-all", "Th_gold",
        "Th_gold", "Th_gold", "Th_gold", 120, 2, (2.5, 17.5), 400,
    ),
    ExposureKind(
        "star", "Object", "", "EtalonFiber", "Target", "Sky", "EtalonFiber",
        300, 10, (5.0, 7.5, 12.5), 1500,
    ),
    ExposureKind(
        "sun", "Object", "SoCal", "SoCal-CalFib", "SoCal-SciSky", "SoCal-SciSky", "EtalonFiber",
        12, 4, (20.5,), 600,
    ),
)  # fmt: skip
USUAL_COUNTS = {kind.name: kind.usual_count for kind in EXPOSURE_KINDS}


@dataclass(frozen=True)
class PlannedExposure:
    """One exposure of the night; `start` is UTC."""

    kind: ExposureKind
    start: datetime
    number: int
    target: SimulatedStar | None = None
    is_junk: bool = False
    obsid: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the ObsID from the start."""
        seconds = self.start - self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        name = f"KP.{self.start:%Y%m%d}.{seconds.total_seconds():08.2f}"
        object.__setattr__(self, "obsid", name)

    @property
    def middle(self) -> datetime:
        """The middle of the exposure."""
        return self.start + timedelta(seconds=self.kind.exposure_seconds / 2)

    @property
    def end(self) -> datetime:
        """When the shutter closed."""
        return self.start + timedelta(seconds=self.kind.exposure_seconds)

    @property
    def is_fast(self) -> bool:
        """True for the Sun: it is bright, and four amplifiers per CCD read its exposures fast."""
        return self.kind.name == "sun"

    @property
    def has_ca_hk(self) -> bool:
        """False for the Sun: its light does not reach the Ca H&K spectrometer."""
        return self.kind.name != "sun"

    @property
    def object_name(self) -> str:
        """The value of the card OBJECT."""
        return self.kind.object_name or (self.target.name if self.target else "")


def plan_night(night: str, counts: Mapping[str, int] | None = None) -> list[PlannedExposure]:
    """The exposures of a night (YYYYMMDD, UT date) in order of time.

    `counts` changes the number of some kinds; a smaller number gives a subset of a larger one. If
    the night has stars, one failed star exposure, which is junk, is added.
    """
    wanted = {**USUAL_COUNTS, **_check_counts(counts or {})}
    exposures = [
        _plan_exposure(night, kind, index)
        for kind in EXPOSURE_KINDS
        for index in range(wanted[kind.name])
    ]
    if wanted["star"]:
        exposures.append(_plan_junk_exposure(night))
    exposures.sort(key=lambda exposure: exposure.start)
    return [
        PlannedExposure(e.kind, e.start, number, e.target, e.is_junk)
        for number, e in enumerate(exposures, start=1)
    ]


def kind_capacity(kind: ExposureKind) -> int:
    """The largest number of exposures of a kind in a night."""
    return len(kind.sessions) * int(1.9 * 3600 / kind.every_seconds)


def _check_counts(counts: Mapping[str, int]) -> Mapping[str, int]:
    kinds = {kind.name: kind for kind in EXPOSURE_KINDS}
    for name, count in counts.items():
        if name not in kinds:
            raise InvalidParameterError(
                f"unknown kind of exposure {name!r}", f"known: {', '.join(kinds)}"
            )
        most = kind_capacity(kinds[name])
        if not 0 <= count <= most:
            raise InvalidParameterError(f"{count} exposures of {name}: must be from 0 to {most}")
    return counts


def _plan_exposure(night: str, kind: ExposureKind, index: int) -> PlannedExposure:
    session = index % len(kind.sessions)
    start = _utc_time(night, kind.sessions[session]) + timedelta(
        seconds=index // len(kind.sessions) * kind.every_seconds,
        # Real exposures do not start on a full second
        milliseconds=10 * (crc32(f"{night}{kind.name}{index}".encode()) % 3000),
    )
    target = {"star": STARS[session % len(STARS)], "sun": SUN}.get(kind.name)
    return PlannedExposure(kind, start, 0, target)


def _plan_junk_exposure(night: str) -> PlannedExposure:
    kind = next(kind for kind in EXPOSURE_KINDS if kind.name == "star")
    start = _utc_time(night, 15.0) + timedelta(milliseconds=10 * (crc32(night.encode()) % 3000))
    return PlannedExposure(kind, start, 0, STARS[-1], is_junk=True)


def _utc_time(night: str, hours: float) -> datetime:
    return datetime.strptime(night, "%Y%m%d").replace(tzinfo=UTC) + timedelta(hours=hours)
