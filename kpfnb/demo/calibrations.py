"""The stand-in DRP's inventory: which exposures of a night serve as calibrations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from kpfnb.demo.plan import KINDS
from kpfnb.kpf.obsid import KPF

USED = ("bias", "flat", "lfc", "etalon", "thar")
CALIBRATIONS = {kind.object_name: kind.name for kind in KINDS if kind.name in USED}
"""The card OBJECT of each kind of calibration that masters are made from."""


@dataclass(frozen=True)
class Calibration:
    """One calibration exposure; `state` tells one version of the file from another."""

    path: Path
    kind: str
    middle: datetime
    state: tuple[int, int]


def inventory(folder: Path, junk: frozenset[str]) -> list[Calibration]:
    """The calibrations in a night's raw directory that can be read and are no junk, in order."""
    paths = sorted(path for path in folder.glob("KP.*.fits") if KPF.obsid.fullmatch(path.stem))
    found = (_calibration(path) for path in paths if path.stem not in junk)
    return [calibration for calibration in found if calibration]


def junk_list(root: Path) -> frozenset[str]:
    """ObsIDs in the first column of the list of junk; none where there is no list."""
    try:
        text = (root / "reference/Junk_Observations_for_KPF.csv").read_text(encoding="utf-8")
    except FileNotFoundError:
        return frozenset()
    return frozenset(line.partition(",")[0].strip('" ') for line in text.splitlines()[2:])


def fingerprint(calibrations: list[Calibration]) -> str:
    """Changes when a calibration comes, goes or changes."""
    text = "".join(f"{c.path.name} {c.state}\n" for c in calibrations)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def moment(text: str) -> datetime:
    """A time in a header, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _calibration(path: Path) -> Calibration | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    state = (status.st_size, status.st_mtime_ns)
    kind, middle = _read(path, state)
    return Calibration(path, kind, middle, state) if kind and middle else None


@lru_cache(maxsize=10_000)
def _read(path: Path, state: tuple[int, int]) -> tuple[str, datetime | None]:
    """Kind and middle of an exposure; no kind where it is no calibration or can't be read."""
    from astropy.io import fits

    try:
        header = fits.getheader(path)
        return CALIBRATIONS.get(header["OBJECT"], ""), moment(header["DATE-MID"])
    except (OSError, KeyError, ValueError):
        return "", None
