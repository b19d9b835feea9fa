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

from kpfnb import files
from kpfnb.errors import BadInput
from kpfnb.kpf.quicklook.catalogue import EDITION
from kpfnb.kpf.quicklook.quality import Check, Verdict, worst
from kpfnb.kpf.quicklook.targets import Target

REPORTS = "QC"


@dataclass(frozen=True)
class Picture:
    """One picture; the paths are relative to the directory of the products."""

    kind: str
    title: str
    path: str
    thumbnail: str


@dataclass(frozen=True)
class LeftOut:
    """A picture that was not made; `broken` where it should have been."""

    title: str
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class Heading:
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

    def line(self, name: str) -> str:
        """One line for the top of a picture."""
        exposure = "" if self.seconds is None else f"{self.seconds:g} s"
        time = self.time[:19].replace("T", " ")
        parts = [
            *(name, self.target, self.kind, exposure, time and f"{time} UTC", self.version),
            "SIMULATION" if self.simulated else "",
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class Record:
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
    heading: Heading = Heading()
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    checks: tuple[Check, ...] = ()
    judged_by: str = ""
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks; a file that can't be read fails."""
        return Verdict.FAIL if self.error else worst(check.verdict for check in self.checks)

    @property
    def broken(self) -> list[LeftOut]:
        """Pictures that could not be drawn though all they need is there."""
        return [one for one in self.left_out if one.broken]

    def is_current(self, folder: Path, file: Path) -> bool:
        """True where the pictures in `folder` are all there, and of `file` as it is now."""
        if self.edition != EDITION or self.error or self.broken:
            return False
        try:
            status = file.stat()
        except OSError:
            return False
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            return False
        return all((folder / one.path).exists() for one in self.pictures)


def path(folder: Path, target_name: str, level: str) -> Path:
    """Where the record of a file is, below the directory of its products."""
    return folder / REPORTS / f"{target_name}_{level}.json"


def report_path(folder: Path, target_name: str, level: str) -> Path:
    """Where the report of its checks is."""
    return folder / REPORTS / f"{target_name}_{level}_QC.yml"


def read(file: Path) -> Record | None:
    """A record; None where there is none, or a damaged one, or one of another make."""
    try:
        found = files.read_json(file)
        return Record(
            **found
            | {
                "heading": Heading(**found["heading"]),
                "pictures": tuple(Picture(**one) for one in found["pictures"]),
                "left_out": tuple(LeftOut(**one) for one in found["left_out"]),
                "checks": tuple(
                    Check(**one | {"verdict": Verdict(one["verdict"])}) for one in found["checks"]
                ),
            }
        )
    except (OSError, BadInput, ValueError, TypeError, KeyError):
        return None


def of(folder: Path, target: Target) -> Record | None:
    """The record of a target, if there is one."""
    return read(path(folder, target.name, target.level))


def write(folder: Path, record: Record) -> None:
    """Write the report, then the record; then remove pictures that are no longer made."""
    place = path(folder, record.name, record.level)
    before = read(place)
    files.write_text(
        report_path(folder, record.name, record.level),
        yaml.safe_dump(_report(record), sort_keys=False, allow_unicode=True, width=100),
    )
    files.write_json(place, asdict(record))
    if before:
        for one in set(before.pictures) - set(record.pictures):
            if one.path not in {picture.path for picture in record.pictures}:
                (folder / one.path).unlink(missing_ok=True)
                (folder / one.thumbnail).unlink(missing_ok=True)


def _report(record: Record) -> dict[str, Any]:
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
