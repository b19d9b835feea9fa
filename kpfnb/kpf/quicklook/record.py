"""The record of one file's quicklook products: stored beside them, read again for the pages.

The record is written last. Without it, or if the file has changed since, the products are made
again; if only the thresholds have changed, the checks are. Beside it is the report of the checks as
YAML, for people and other programs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict, worst_verdict
from kpfnb.kpf.quicklook.targets import QuicklookTarget

EDITION = 3
"""Increased when plots or checks change: products of an earlier edition are made again."""

REPORTS_DIR = "QC"


@dataclass(frozen=True)
class Picture:
    """The files of one plot; the paths are relative to the directory of the products."""

    kind: str
    title: str
    path: str
    thumbnail: str


@dataclass(frozen=True)
class SkippedPlot:
    """A plot that was not drawn; `broken` if drawing it failed."""

    title: str
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class ExposureSummary:
    """The facts about an exposure that every page shows.

    Attributes
    ----------
    time : middle of the exposure, UTC
    start : of the exposure, UTC; '' in records of earlier versions
    source : its type (`exposure.SOURCE_TYPES`)
    mode : how the CCDs were read: their waveform files, as the header names them
    version : of the DRP; '' for raw files
    """

    target: str = ""
    kind: str = ""
    seconds: float | None = None
    time: str = ""
    version: str = ""
    program: str = ""
    simulated: bool = False
    start: str = ""
    source: str = ""
    mode: str = ""

    def one_line(self, name: str) -> str:
        """One line, for the heading of a plot."""
        exposure = "" if self.seconds is None else f"{self.seconds:g} s"
        when = ("start", self.start) if self.start else ("middle", self.time)
        time = " ".join([when[0], when[1][:19].replace("T", " "), "UT"]) if when[1] else ""
        parts = [
            *(name, self.target, self.kind, exposure, time, self.version),
            "SIMULATION" if self.simulated else "",
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class QuicklookRecord:
    """What quicklook made of one file.

    Attributes
    ----------
    size, mtime_ns : of the file when it was read (bytes, nanoseconds)
    error : why nothing could be made; usually ''
    made : when, UTC
    left_out : plots that were not drawn
    judged_by : digest of the rules of the checks (`check_rules.rules_digest`)
    """

    name: str
    level: str
    night: str
    file: str
    size: int
    mtime_ns: int
    made: str
    edition: int = EDITION
    heading: ExposureSummary = ExposureSummary()
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[SkippedPlot, ...] = ()
    checks: tuple[QualityCheck, ...] = ()
    judged_by: str = ""
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks; FAIL if the file can't be read."""
        return Verdict.FAIL if self.error else worst_verdict(check.verdict for check in self.checks)

    @property
    def broken_plots(self) -> list[SkippedPlot]:
        """Plots that could not be drawn although the file has all that they need."""
        return [plot for plot in self.left_out if plot.broken]

    def is_current(self, product_dir: Path, file: Path) -> bool:
        """True if all plots are in `product_dir`, and `file` has not changed since."""
        if self.edition != EDITION or self.error or self.broken_plots:
            return False
        try:
            status = file.stat()
        except OSError:
            return False
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            return False
        return all((product_dir / picture.path).exists() for picture in self.pictures)


def record_path(product_dir: Path, target_name: str, level: str) -> Path:
    """Where the record of a file is, below the directory of its products."""
    return product_dir / REPORTS_DIR / f"{target_name}_{level}.json"


def report_path(product_dir: Path, target_name: str, level: str) -> Path:
    """Where the report of its checks is."""
    return product_dir / REPORTS_DIR / f"{target_name}_{level}_QC.yml"


def read_record(file: Path) -> QuicklookRecord | None:
    """A record; None if it is missing, damaged, or of another format."""
    try:
        values = atomic.read_json(file)
        return QuicklookRecord(
            **values
            | {
                "heading": ExposureSummary(**values["heading"]),
                "pictures": tuple(Picture(**picture) for picture in values["pictures"]),
                "left_out": tuple(SkippedPlot(**plot) for plot in values["left_out"]),
                "checks": tuple(map(_read_check, values["checks"])),
            }
        )
    except (OSError, InvalidInputError, ValueError, TypeError, KeyError):
        return None


def _read_check(values: dict[str, Any]) -> QualityCheck:
    bounds = {name: tuple(values[name]) for name in ("warn", "fail") if values.get(name)}
    return QualityCheck(**values | bounds | {"verdict": Verdict(values["verdict"])})


def read_target_record(product_dir: Path, target: QuicklookTarget) -> QuicklookRecord | None:
    """The record of a target; None if there is none."""
    return read_record(record_path(product_dir, target.name, target.level))


def write_record(product_dir: Path, record: QuicklookRecord) -> None:
    """Write the report, then the record; then remove plots that are no longer made."""
    path = record_path(product_dir, record.name, record.level)
    previous = read_record(path)
    atomic.write_text(
        report_path(product_dir, record.name, record.level),
        yaml.safe_dump(_report_values(record), sort_keys=False, allow_unicode=True, width=100),
    )
    atomic.write_json(path, asdict(record))
    if previous:
        current_paths = {picture.path for picture in record.pictures}
        for picture in previous.pictures:
            if picture.path not in current_paths:
                (product_dir / picture.path).unlink(missing_ok=True)
                (product_dir / picture.thumbnail).unlink(missing_ok=True)


def _report_values(record: QuicklookRecord) -> dict[str, Any]:
    heading = record.heading
    return {
        "name": record.name,
        "level": record.level,
        "file": record.file,
        "verdict": str(record.verdict),
        **({"error": record.error} if record.error else {}),
        "target": heading.target,
        "type": heading.kind,
        "exposure_seconds": heading.seconds,
        "time_utc": heading.time,
        "drp_version": heading.version,
        "made_utc": record.made,
        "checks": [asdict(check) | {"verdict": str(check.verdict)} for check in record.checks],
        "pictures": [picture.path for picture in record.pictures],
        "left_out": [{"picture": plot.title, "reason": plot.reason} for plot in record.left_out],
    }
