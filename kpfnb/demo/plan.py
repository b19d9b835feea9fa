"""The plan of a SIMULATED night: calibrations, stars with planets, the Sun, with their times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.text import suggest_name
from kpfnb.demo.faults import L0Fault


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
    imtype, object_name, octagon : the cards IMTYPE, OBJECT (of lamps its beginning) and OCTAGON
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
FAULT_HOURS, FAULT_SECONDS = 10.75, 380
"""UT of the first exposure with a fault, and from one to the next."""

USUAL_COUNTS = {kind.name: kind.usual_count for kind in EXPOSURE_KINDS}


@dataclass(frozen=True)
class PlannedExposure:
    """One exposure of the night.

    Attributes
    ----------
    start : UTC
    number : its place in the night, from 1
    is_junk : a failed exposure, which is in the junk list
    fault : the fault of its L0 (`faults.L0Fault`), or ''
    fast : the CCDs are read by four amplifiers each
    """

    kind: ExposureKind
    start: datetime
    number: int
    target: SimulatedStar | None = None
    is_junk: bool = False
    fault: str = ""
    fast: bool = False
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
        """True in the fast mode, and always for the Sun: it is bright, its exposures are short."""
        return self.fast or self.kind.name == "sun"

    @property
    def is_star(self) -> bool:
        """True for a star: the telescope and its guide camera are used."""
        return self.kind.name == "star"

    @property
    def is_lit(self) -> bool:
        """False for biases and darks."""
        return self.kind.imtype not in ("Bias", "Dark")

    @property
    def has_ca_hk(self) -> bool:
        """False for the Sun: its light does not reach the Ca H&K spectrometer."""
        return self.kind.name != "sun"

    @property
    def object_name(self) -> str:
        """The value of the card OBJECT; lamps have the part of the night in it."""
        if self.kind.imtype == "Arclamp":
            return f"{self.kind.object_name}-{self.part_of_night}"
        return self.kind.object_name or (self.target.name if self.target else "")

    @property
    def part_of_night(self) -> str:
        """eve, night or morn, as in the names of KPF's calibrations; the night ends at 14 h UT."""
        return "eve" if self.start.hour < 6 else "night" if self.start.hour < 14 else "morn"


def plan_night(
    night: str,
    counts: Mapping[str, int] | None = None,
    *,
    faults: Sequence[L0Fault] = (),
    fast: bool = False,
) -> list[PlannedExposure]:
    """The exposures of a night (YYYYMMDD, UT date) in order of time.

    `counts` changes the number of some kinds; a smaller number gives a subset of a larger one. If
    the night has stars, one failed star exposure, which is junk, is added; and one exposure for
    each fault.
    """
    wanted = {**USUAL_COUNTS, **_check_counts(counts or {})}
    exposures = [
        _plan_exposure(night, kind, index)
        for kind in EXPOSURE_KINDS
        for index in range(wanted[kind.name])
    ]
    if wanted["star"]:
        exposures.append(_plan_junk_exposure(night))
    exposures += [_plan_faulty_exposure(night, fault) for fault in dict.fromkeys(faults)]
    exposures.sort(key=lambda exposure: exposure.start)
    return [
        replace(exposure, number=number, fast=fast)
        for number, exposure in enumerate(exposures, start=1)
    ]


def kind_capacity(kind: ExposureKind) -> int:
    """The largest number of exposures of a kind in a night."""
    return len(kind.sessions) * int(1.9 * 3600 / kind.every_seconds)


def check_kinds(counts: Mapping[str, int]) -> None:
    """Raise InvalidParameterError for an unknown kind, or a negative number."""
    known = [kind.name for kind in EXPOSURE_KINDS]
    for name, count in counts.items():
        if name not in known:
            raise InvalidParameterError(
                f"unknown kind of exposure {name!r}", suggest_name(name, known)
            )
        if count < 0:
            raise InvalidParameterError(f"{count} exposures of {name}: must not be negative")


def _check_counts(counts: Mapping[str, int]) -> Mapping[str, int]:
    check_kinds(counts)
    kinds = {kind.name: kind for kind in EXPOSURE_KINDS}
    for name, count in counts.items():
        most = kind_capacity(kinds[name])
        if count > most:
            raise InvalidParameterError(
                f"{count} exposures of {name}: a night has time for {most}",
                "files with only headers can be as many as you like: add --headers-only",
            )
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


def _plan_faulty_exposure(night: str, fault: L0Fault) -> PlannedExposure:
    """Where the other stars leave a gap; each fault has its own time."""
    kind = next(kind for kind in EXPOSURE_KINDS if kind.name == fault.kind)
    slot = list(L0Fault).index(fault)
    start = _utc_time(night, FAULT_HOURS) + timedelta(seconds=slot * FAULT_SECONDS, milliseconds=10)
    target = STARS[0] if fault.kind == "star" else None
    return PlannedExposure(kind, start, 0, target, fault=str(fault))


def _utc_time(night: str, hours: float) -> datetime:
    return datetime.strptime(night, "%Y%m%d").replace(tzinfo=UTC) + timedelta(hours=hours)
