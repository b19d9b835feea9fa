"""The content of a night's report, from headers, products, the verdict and run records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError, read_header
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.exposure import read_junk_list
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress.header_facts import is_velocity
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.reprocess.selection import list_observations
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.runs import RunRecord

DAYS_AFTER = 7
"""Runs are searched that started up to this number of days after the night's date."""

_L0_KEYWORDS = ("IMTYPE", "OBJECT", "TARGNAME", "PROGNAME", "EXPTIME", "SCI-OBJ", "SIMULATE")
_L2_KEYWORDS = ("CCFRV", "CCFERV", "CCFBJD", "SNRSC548", "DRPTAG")


@dataclass(frozen=True)
class NightExposure:
    """One observation; `problem` says why its L0 can't be read."""

    obsid: str
    imtype: str = ""
    target: str = ""
    program: str = ""
    seconds: float = 0.0
    problem: str = ""
    source: str = ""
    simulated: bool = False

    @property
    def is_science(self) -> bool:
        """True for light from the sky."""
        return self.imtype == "Object"


@dataclass(frozen=True)
class VelocityRow:
    """One row of the velocities.

    Attributes
    ----------
    velocity : km/s
    error : m/s
    signal : signal-to-noise near 548 nm
    """

    obsid: str
    target: str
    time: datetime
    velocity: float | None
    error: float | None
    signal: float | None
    bjd: float | None
    version: str


@dataclass(frozen=True)
class ExposureGroup:
    """Exposures of one type or target: their number, total seconds, first and last (UT, HH:MM)."""

    name: str
    count: int
    seconds: float
    programs: tuple[str, ...] = ()
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class NightSummary:
    """Everything that a night's report shows."""

    night: str
    verdict: NightVerdict
    progress: ProgressResult
    exposures: tuple[NightExposure, ...]
    velocities: tuple[VelocityRow, ...]
    runs: tuple[RunRecord, ...]

    @property
    def targets(self) -> list[ExposureGroup]:
        """Science exposures by target, in the order of time."""
        exposures = [exposure for exposure in self.exposures if exposure.is_science]
        return _group_exposures((exposure.target or "no name", exposure) for exposure in exposures)

    @property
    def calibrations(self) -> list[ExposureGroup]:
        """All other exposures by OBJECT."""
        return _group_exposures(
            (exposure.target or exposure.imtype or "other", exposure)
            for exposure in self.exposures
            if not exposure.is_science and not exposure.problem
        )

    @property
    def versions(self) -> list[str]:
        """The DRP versions that made the velocities."""
        return sorted({row.version for row in self.velocities if row.version})

    @property
    def unsuccessful_runs(self) -> list[RunRecord]:
        """The last run of each notebook on this night, if it did not succeed."""
        latest: dict[str, RunRecord] = {}
        for record in self.runs:
            latest.setdefault(record.notebook, record)
        return [
            record for record in latest.values() if record.outcome and not record.outcome.is_good
        ]

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Where the problem is, what it is, and the ObsID concerned ('' if none)."""
        for result in self.verdict.not_passed:
            offenders = result.measurement.offenders
            obsid = offenders[0].name if offenders else ""
            yield str(result.verdict), f"{result.rule.title}: {result.value}", obsid
        yield from self.other_problems()

    def other_problems(self) -> Iterator[tuple[str, str, str]]:
        """The problems that no rule covers: unreadable files, missing products, runs."""
        for exposure in self.exposures:
            if exposure.problem:
                yield "L0", f"can't be read: {exposure.problem}", exposure.obsid
        missing = self.progress.missing
        counts = Counter((product.level, str(product.reason)) for product in missing)
        first = {
            (product.level, str(product.reason)): product.obsid for product in reversed(missing)
        }
        for (level, reason), count in counts.items():
            yield level, f"{count} × {reason}", first[level, reason]
        for record in self.unsuccessful_runs:
            yield f"run {record.outcome}", f"{record.notebook}: {record.reason}", ""


def collect_night(
    night: str, verdict: NightVerdict, progress: ProgressResult, site_settings: Settings
) -> NightSummary:
    """Collect the content of a night's report; writes nothing."""
    exposures = tuple(_read_exposures(night, site_settings))
    return NightSummary(
        night=night,
        verdict=verdict,
        progress=progress,
        exposures=exposures,
        velocities=tuple(_read_velocities(exposures, site_settings.kpf_root)),
        runs=tuple(_find_runs(night, site_settings)),
    )


def _read_exposures(night: str, site_settings: Settings) -> Iterator[NightExposure]:
    junk = read_junk_list(site_settings.junk_path).for_night(night)
    for obsid in list_observations(site_settings.kpf_root, night):
        if obsid.text in junk:
            continue
        try:
            header = read_header(obsid.path(site_settings.kpf_root, KPF.raw), _L0_KEYWORDS)
        except InvalidHeaderError as error:
            yield NightExposure(obsid.text, problem=str(error.reason))
            continue
        yield NightExposure(
            obsid=obsid.text,
            imtype=_header_text(header, "IMTYPE"),
            target=_header_text(header, "TARGNAME") or _header_text(header, "OBJECT"),
            program=_header_text(header, "PROGNAME"),
            seconds=_header_number(header, "EXPTIME") or 0.0,
            source=_header_text(header, "SCI-OBJ"),
            simulated=header.get("SIMULATE") is True,
        )


def _read_velocities(exposures: Iterable[NightExposure], root: Path) -> Iterator[VelocityRow]:
    """The velocities of the stars; values are None if there is no L2 yet."""
    for exposure in exposures:
        if not exposure.is_science or exposure.source != "Target":
            continue
        obsid = ObsID(exposure.obsid)
        header: Mapping[str, HeaderValue] = {}
        try:
            header = read_header(obsid.path(root, "L2"), _L2_KEYWORDS)
        except InvalidHeaderError:
            # The progress says why it is missing
            pass
        # The DRP writes 0 where it found no velocity
        has_velocity = is_velocity(header.get("CCFRV"))
        error = _header_number(header, "CCFERV") if has_velocity else None
        yield VelocityRow(
            obsid=exposure.obsid,
            target=exposure.target,
            time=obsid.time,
            velocity=_header_number(header, "CCFRV") if has_velocity else None,
            error=None if error is None else 1000 * error,
            signal=_header_number(header, "SNRSC548"),
            bjd=_header_number(header, "CCFBJD"),
            version=_header_text(header, "DRPTAG"),
        )


def _find_runs(night: str, site_settings: Settings) -> list[RunRecord]:
    """Runs that had the night among their parameters, newest first."""
    first = datetime.strptime(night, "%Y%m%d").replace(tzinfo=UTC)
    last = first + timedelta(days=DAYS_AFTER)
    records = [
        runs.current_record(directory)
        for directory in runs.list_directories(site_settings.runs_dir)
        if first <= runs.start_time(directory) < last
    ]
    return [record for record in records if night in map(str, record.parameters.values())]


def _group_exposures(named: Iterable[tuple[str, NightExposure]]) -> list[ExposureGroup]:
    groups: dict[str, list[NightExposure]] = {}
    for name, exposure in named:
        groups.setdefault(name, []).append(exposure)
    return [
        ExposureGroup(
            name,
            len(exposures),
            sum(exposure.seconds for exposure in exposures),
            tuple(dict.fromkeys(exposure.program for exposure in exposures if exposure.program)),
            first=f"{ObsID(exposures[0].obsid).time:%H:%M}",
            last=f"{ObsID(exposures[-1].obsid).time:%H:%M}",
        )
        for name, exposures in groups.items()
    ]


def _header_text(header: Mapping[str, Any], keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _header_number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value == value else None  # type: ignore[arg-type]
