"""The content of a night's report, from headers, products, the verdict and run records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.fits.headers import InvalidHeaderError, read_header
from kpfnb.core.result import Outcome
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.exposure import read_junk_list, source_type
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.nightreport import problems
from kpfnb.kpf.nightreport.problems import NightProblem
from kpfnb.kpf.progress.header_facts import is_velocity
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.reprocess.selection import list_observations
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.runs import RunRecord

DAYS_AFTER = 7
"""Runs are searched that started up to this number of days after the night's date."""

_L0_KEYWORDS = (
    *("IMTYPE", "OBJECT", "TARGNAME", "PROGNAME", "EXPTIME", "SCI-OBJ", "SIMULATE"),
    # For the kind of source
    *("OCTAGON", "FFFB"),
)
_L2_KEYWORDS = ("CCFRV", "CCFERV", "CCFBJD", "SNRSC548", "DRPTAG")


@dataclass(frozen=True)
class NightExposure:
    """One observation; `problem` says why its L0 can't be read.

    Attributes
    ----------
    kind : the type of source, of `kpfnb.kpf.files.exposure.SOURCE_TYPES`
    """

    obsid: str
    imtype: str = ""
    target: str = ""
    program: str = ""
    seconds: float = 0.0
    problem: str = ""
    source: str = ""
    simulated: bool = False
    kind: str = ""

    @property
    def start(self) -> datetime:
        """When it started, UTC."""
        return ObsID(self.obsid).time

    @property
    def end(self) -> datetime:
        """When it ended, UTC: the start and the exposure time."""
        return self.start + timedelta(seconds=self.seconds)

    @property
    def is_science(self) -> bool:
        """True for light from the sky."""
        return self.imtype == "Object"


@dataclass(frozen=True)
class VelocityRow:
    """One row of the velocities.

    Attributes
    ----------
    time : start of the exposure, UTC
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
    """Exposures of one type or target.

    Attributes
    ----------
    seconds : the sum of the exposure times
    first, last : start of the first, end of the last exposure: UT, HH:MM
    """

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
        """All other exposures by kind."""
        return _group_exposures(
            (exposure.kind or exposure.imtype or "Other", exposure)
            for exposure in self.exposures
            if not exposure.is_science and not exposure.problem
        )

    @property
    def versions(self) -> list[str]:
        """The DRP versions that made the velocities."""
        return sorted({row.version for row in self.velocities if row.version})

    @property
    def unsuccessful_runs(self) -> list[RunRecord]:
        """The last run of each notebook on this night, if it did not succeed or was skipped."""
        latest: dict[str, RunRecord] = {}
        for record in self.runs:
            latest.setdefault(record.notebook, record)
        good = (None, Outcome.SUCCEEDED, Outcome.SKIPPED)
        return [record for record in latest.values() if record.outcome not in good]

    @cached_property
    def other_problems(self) -> list[NightProblem]:
        """The problems that no rule covers: unreadable files, missing products, runs."""
        unreadable = {e.obsid: e.problem for e in self.exposures if e.problem}
        return list(problems.other_problems(unreadable, self.progress, self.unsuccessful_runs))

    @property
    def problems(self) -> list[NightProblem]:
        """The rules that do not pass, and the other problems."""
        return [*map(problems.rule_problem, self.verdict.not_passed), *self.other_problems]


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
            kind=source_type(header),
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
            first=f"{exposures[0].start:%H:%M}",
            last=_format_end(exposures),
        )
        for name, exposures in groups.items()
    ]


def _format_end(exposures: list[NightExposure]) -> str:
    """The end of the last exposure; marked if that is on the next day."""
    end = max(exposure.end for exposure in exposures)
    is_next_day = end.date() > exposures[0].start.date()
    return f"{end:%H:%M}{' (next day)' if is_next_day else ''}"


def _header_text(header: Mapping[str, Any], keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _header_number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value == value else None  # type: ignore[arg-type]
