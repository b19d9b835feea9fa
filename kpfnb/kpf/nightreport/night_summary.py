"""What the report of a night tells, gathered from headers, products, verdict and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb import runs
from kpfnb.core.fits import headers
from kpfnb.core.fits.cards import HeaderValue
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.runs import RunRecord

DAYS_AFTER = 7
"""Runs of a night are looked for from its date on, so many days."""

_RAW = ("IMTYPE", "OBJECT", "TARGNAME", "PROGNAME", "EXPTIME", "SCI-OBJ", "SIMULATE")
_REDUCED = ("CCFRV", "CCFERV", "CCFBJD", "SNRSC548", "DRPTAG")
_OTHER = "other"


@dataclass(frozen=True)
class NightExposure:
    """One observation; `problem` where its L0 can't be read."""

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
        """Light of the sky."""
        return self.imtype == "Object"


@dataclass(frozen=True)
class VelocityRow:
    """One row of the velocities: km/s, its error m/s, signal-to-noise near 548 nm."""

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
    """Exposures of one type or target: how many, seconds in all, when they began (UT, HH:MM)."""

    name: str
    count: int
    seconds: float
    programs: tuple[str, ...] = ()
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class NightSummary:
    """All of it."""

    night: str
    verdict: NightVerdict
    progress: ProgressResult
    exposures: tuple[NightExposure, ...]
    velocities: tuple[VelocityRow, ...]
    runs: tuple[RunRecord, ...]

    @property
    def targets(self) -> list[ExposureGroup]:
        """Science exposures by target, in order of time."""
        science = [one for one in self.exposures if one.is_science]
        return _group_exposures(science, [one.target or "no name" for one in science])

    @property
    def calibrations(self) -> list[ExposureGroup]:
        """All other exposures by OBJECT."""
        others = [one for one in self.exposures if not one.is_science and not one.problem]
        return _group_exposures(others, [one.target or one.imtype or _OTHER for one in others])

    @property
    def versions(self) -> list[str]:
        """The DRP versions that made the velocities."""
        return sorted({one.version for one in self.velocities if one.version})

    @property
    def bad_runs(self) -> list[RunRecord]:
        """Of each notebook the last run on this night, where a person should look at it."""
        latest: dict[str, RunRecord] = {}
        for one in self.runs:
            latest.setdefault(one.notebook, one)
        return [one for one in latest.values() if one.outcome and not one.outcome.is_good]

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong: where, what, and the ObsID it is about ('' if none)."""
        for found in self.verdict.not_passed:
            blamed = found.measurement.offenders[0].name if found.measurement.offenders else ""
            yield str(found.verdict), f"{found.rule.title}: {found.value}", blamed
        yield from self.other_problems()

    def other_problems(self) -> Iterator[tuple[str, str, str]]:
        """The problems that no rule tells: files, missing products, runs."""
        for one in self.exposures:
            if one.problem:
                yield "L0", f"can't be read: {one.problem}", one.obsid
        missing = Counter((one.level, str(one.reason)) for one in self.progress.missing)
        first = {(one.level, str(one.reason)): one.obsid for one in reversed(self.progress.missing)}
        for (level, reason), count in missing.items():
            yield level, f"{count} × {reason}", first[level, reason]
        for record in self.bad_runs:
            yield f"run {record.outcome}", f"{record.notebook}: {record.reason}", ""


def collect_night(
    night: str, verdict: NightVerdict, progress: ProgressResult, here: Settings
) -> NightSummary:
    """Look at the night. Headers are read fast; nothing is written."""
    frames = tuple(_read_exposures(night, here))
    return NightSummary(
        night=night,
        verdict=verdict,
        progress=progress,
        exposures=frames,
        velocities=tuple(_read_velocities(frames, here.kpf_root)),
        runs=tuple(_find_runs(night, here)),
    )


def _read_exposures(night: str, here: Settings) -> Iterator[NightExposure]:
    from kpfnb.kpf.files import obsid_list
    from kpfnb.kpf.reprocess import selection

    is_junk = obsid_list.read_junk_list(here.junk_path).for_night(night)
    for obsid in selection.list_observations(here.kpf_root, night):
        if obsid.text in is_junk:
            continue
        try:
            header = headers.read_header(obsid.path(here.kpf_root, KPF.raw), _RAW)
        except headers.InvalidHeaderError as error:
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
    """The velocities of the stars; what has no L2 yet is told by its gaps."""
    for one in exposures:
        if not one.is_science or one.source != "Target":
            continue
        obsid = ObsID(one.obsid)
        header: Mapping[str, HeaderValue] = {}
        try:
            header = headers.read_header(obsid.path(root, "L2"), _REDUCED)
        except headers.InvalidHeaderError:
            # The progress tells why it is not there
            pass
        error = _header_number(header, "CCFERV")
        yield VelocityRow(
            obsid=one.obsid,
            target=one.target,
            time=obsid.time,
            velocity=_header_number(header, "CCFRV"),
            error=None if error is None else 1000 * error,
            signal=_header_number(header, "SNRSC548"),
            bjd=_header_number(header, "CCFBJD"),
            version=_header_text(header, "DRPTAG"),
        )


def _find_runs(night: str, here: Settings) -> list[RunRecord]:
    """Runs that had the night among their parameters, newest first."""
    first = datetime.strptime(night, "%Y%m%d").replace(tzinfo=UTC)
    last = first + timedelta(days=DAYS_AFTER)
    directories = [
        one for one in runs.list_directories(here.runs_dir) if first <= runs.start_time(one) < last
    ]
    records = map(runs.current_record, directories)
    return [one for one in records if night in map(str, one.parameters.values())]


def _group_exposures(
    exposures: Sequence[NightExposure], names: Sequence[str]
) -> list[ExposureGroup]:
    found: dict[str, list[NightExposure]] = {}
    for one, name in zip(exposures, names, strict=True):
        found.setdefault(name, []).append(one)
    return [
        ExposureGroup(
            name,
            len(some),
            sum(one.seconds for one in some),
            tuple(dict.fromkeys(one.program for one in some if one.program)),
            *(f"{ObsID(one.obsid).time:%H:%M}" for one in (some[0], some[-1])),
        )
        for name, some in found.items()
    ]


def _header_text(header: Mapping[str, Any], keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _header_number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value == value else None  # type: ignore[arg-type]
