"""What the report of a night tells, gathered from headers, products, verdict and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb import fitsheader, runs
from kpfnb.fitscards import Value
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.progress import Progress
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.runs import Record
from kpfnb.settings import Settings

DAYS_AFTER = 7
"""Runs of a night are looked for from its date on, so many days."""

_RAW = ("IMTYPE", "OBJECT", "TARGNAME", "PROGNAME", "EXPTIME", "SCI-OBJ", "SIMULATE")
_REDUCED = ("CCFRV", "CCFERV", "CCFBJD", "SNRSC548", "DRPTAG")
_OTHER = "other"


@dataclass(frozen=True)
class Exposure:
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
class Velocity:
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
class Group:
    """Exposures of one type or target: how many, seconds in all, when they began (UT, HH:MM)."""

    name: str
    count: int
    seconds: float
    programs: tuple[str, ...] = ()
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class Content:
    """All of it."""

    night: str
    verdict: NightVerdict
    progress: Progress
    exposures: tuple[Exposure, ...]
    velocities: tuple[Velocity, ...]
    runs: tuple[Record, ...]

    @property
    def targets(self) -> list[Group]:
        """Science exposures by target, in order of time."""
        science = [one for one in self.exposures if one.is_science]
        return _groups(science, [one.target or "no name" for one in science])

    @property
    def calibrations(self) -> list[Group]:
        """All other exposures by OBJECT."""
        others = [one for one in self.exposures if not one.is_science and not one.problem]
        return _groups(others, [one.target or one.imtype or _OTHER for one in others])

    @property
    def versions(self) -> list[str]:
        """The DRP versions that made the velocities."""
        return sorted({one.version for one in self.velocities if one.version})

    @property
    def bad_runs(self) -> list[Record]:
        """Of each notebook the last run on this night, where a person should look at it."""
        latest: dict[str, Record] = {}
        for one in self.runs:
            latest.setdefault(one.notebook, one)
        return [one for one in latest.values() if one.outcome and not one.outcome.is_good]

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong: where, what, and the ObsID it is about ('' if none)."""
        for found in self.verdict.bad:
            blamed = found.found.blamed[0].name if found.found.blamed else ""
            yield str(found.verdict), f"{found.rule.title}: {found.value}", blamed
        yield from self.faults()

    def faults(self) -> Iterator[tuple[str, str, str]]:
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


def gather(night: str, verdict: NightVerdict, progress: Progress, here: Settings) -> Content:
    """Look at the night. Headers are read fast; nothing is written."""
    frames = tuple(_exposures(night, here))
    return Content(
        night=night,
        verdict=verdict,
        progress=progress,
        exposures=frames,
        velocities=tuple(_velocities(frames, here.kpf_root)),
        runs=tuple(_runs(night, here)),
    )


def _exposures(night: str, here: Settings) -> Iterator[Exposure]:
    from kpfnb.kpf import junk, selection

    is_junk = junk.read(here.junk_path).of(night)
    for obsid in selection.observations(here.kpf_root, night):
        if obsid.text in is_junk:
            continue
        try:
            header = fitsheader.read(obsid.path(here.kpf_root, KPF.raw), _RAW)
        except fitsheader.BadHeader as error:
            yield Exposure(obsid.text, problem=str(error.reason))
            continue
        yield Exposure(
            obsid=obsid.text,
            imtype=_text(header, "IMTYPE"),
            target=_text(header, "TARGNAME") or _text(header, "OBJECT"),
            program=_text(header, "PROGNAME"),
            seconds=_number(header, "EXPTIME") or 0.0,
            source=_text(header, "SCI-OBJ"),
            simulated=header.get("SIMULATE") is True,
        )


def _velocities(exposures: Iterable[Exposure], root: Path) -> Iterator[Velocity]:
    """The velocities of the stars; what has no L2 yet is told by its gaps."""
    for one in exposures:
        if not one.is_science or one.source != "Target":
            continue
        obsid = ObsID(one.obsid)
        header: Mapping[str, Value] = {}
        try:
            header = fitsheader.read(obsid.path(root, "L2"), _REDUCED)
        except fitsheader.BadHeader:
            # The progress tells why it is not there
            pass
        error = _number(header, "CCFERV")
        yield Velocity(
            obsid=one.obsid,
            target=one.target,
            time=obsid.time,
            velocity=_number(header, "CCFRV"),
            error=None if error is None else 1000 * error,
            signal=_number(header, "SNRSC548"),
            bjd=_number(header, "CCFBJD"),
            version=_text(header, "DRPTAG"),
        )


def _runs(night: str, here: Settings) -> list[Record]:
    """Runs that had the night among their parameters, newest first."""
    first = datetime.strptime(night, "%Y%m%d").replace(tzinfo=UTC)
    last = first + timedelta(days=DAYS_AFTER)
    directories = [
        one for one in runs.directories(here.runs_dir) if first <= runs.started(one) < last
    ]
    records = map(runs.look, directories)
    return [one for one in records if night in map(str, one.parameters.values())]


def _groups(exposures: Sequence[Exposure], names: Sequence[str]) -> list[Group]:
    found: dict[str, list[Exposure]] = {}
    for one, name in zip(exposures, names, strict=True):
        found.setdefault(name, []).append(one)
    return [
        Group(
            name,
            len(some),
            sum(one.seconds for one in some),
            tuple(dict.fromkeys(one.program for one in some if one.program)),
            *(f"{ObsID(one.obsid).time:%H:%M}" for one in (some[0], some[-1])),
        )
        for name, some in found.items()
    ]


def _text(header: Mapping[str, Any], keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def _number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value == value else None  # type: ignore[arg-type]
