"""What quicklook made of one file: kept beside the products, read again for the pages.

The record is written last: without it, or where the file has changed since, the products are made
anew; where only the thresholds have changed, the checks. Beside it lies the report of the checks as
YAML, for people and other programs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.quicklook.plot_registry import EDITION
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict, worst_verdict
from kpfnb.kpf.quicklook.targets import QuicklookTarget

REPORTS_DIR = "QC"


@dataclass(frozen=True)
class Picture:
    """One picture; the paths are relative to the directory of the products."""

    kind: str
    title: str
    path: str
    thumbnail: str


@dataclass(frozen=True)
class SkippedPlot:
    """A picture that was not made; `broken` where it should have been."""

    title: str
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class ExposureSummary:
    """What a person wants to know of an exposure.

    Attributes
    ----------
    time : middle of the exposure, UTC
    version : of the DRP; '' for raw files
    """

    target: str = ""
    kind: str = ""
    seconds: float | None = None
    time: str = ""
    version: str = ""
    program: str = ""
    simulated: bool = False

    def one_line(self, name: str) -> str:
        """One line for the top of a picture."""
        exposure = "" if self.seconds is None else f"{self.seconds:g} s"
        time = self.time[:19].replace("T", " ")
        parts = [
            *(name, self.target, self.kind, exposure, time and f"{time} UTC", self.version),
            "SIMULATION" if self.simulated else "",
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class QuicklookRecord:
    """What was made.

    Attributes
    ----------
    size, mtime_ns : of the file when it was read
    error : why nothing could be made; '' as a rule
    made : UTC
    judged_by : the rules of the checks, by `quality.mark`
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
        """The worst of the checks; a file that can't be read fails."""
        return Verdict.FAIL if self.error else worst_verdict(check.verdict for check in self.checks)

    @property
    def broken_plots(self) -> list[SkippedPlot]:
        """Pictures that could not be drawn though all they need is there."""
        return [one for one in self.left_out if one.broken]

    def is_current(self, folder: Path, file: Path) -> bool:
        """True where the pictures in `folder` are all there, and of `file` as it is now."""
        if self.edition != EDITION or self.error or self.broken_plots:
            return False
        try:
            status = file.stat()
        except OSError:
            return False
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            return False
        return all((folder / one.path).exists() for one in self.pictures)


def record_path(folder: Path, target_name: str, level: str) -> Path:
    """Where the record of a file is, below the directory of its products."""
    return folder / REPORTS_DIR / f"{target_name}_{level}.json"


def report_path(folder: Path, target_name: str, level: str) -> Path:
    """Where the report of its checks is."""
    return folder / REPORTS_DIR / f"{target_name}_{level}_QC.yml"


def read_record(file: Path) -> QuicklookRecord | None:
    """A record; None where there is none, or a damaged one, or one of another make."""
    try:
        found = atomic.read_json(file)
        return QuicklookRecord(
            **found
            | {
                "heading": ExposureSummary(**found["heading"]),
                "pictures": tuple(Picture(**one) for one in found["pictures"]),
                "left_out": tuple(SkippedPlot(**one) for one in found["left_out"]),
                "checks": tuple(
                    QualityCheck(**one | {"verdict": Verdict(one["verdict"])})
                    for one in found["checks"]
                ),
            }
        )
    except (OSError, InvalidInputError, ValueError, TypeError, KeyError):
        return None


def read_target_record(folder: Path, target: QuicklookTarget) -> QuicklookRecord | None:
    """The record of a target, if there is one."""
    return read_record(record_path(folder, target.name, target.level))


def write_record(folder: Path, record: QuicklookRecord) -> None:
    """Write the report, then the record; then remove pictures that are no longer made."""
    place = record_path(folder, record.name, record.level)
    before = read_record(place)
    atomic.write_text(
        report_path(folder, record.name, record.level),
        yaml.safe_dump(_report_values(record), sort_keys=False, allow_unicode=True, width=100),
    )
    atomic.write_json(place, asdict(record))
    if before:
        for one in set(before.pictures) - set(record.pictures):
            if one.path not in {picture.path for picture in record.pictures}:
                (folder / one.path).unlink(missing_ok=True)
                (folder / one.thumbnail).unlink(missing_ok=True)


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
        "pictures": [one.path for one in record.pictures],
        "left_out": [{"picture": one.title, "reason": one.reason} for one in record.left_out],
    }
