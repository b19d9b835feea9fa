"""SIMULATED raw frames of DEIMOS: headers as Keck writes them, no pixels; never for science.

They are sufficient for everything that depends on headers: sorting, naming, trimming, completeness.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kpfnb.core import atomic

MASK = "NGC1eh"
OTHER_MASK = "41615 B/1"
"""A name with characters that are not allowed in paths."""

Header = dict[str, Any]

_COMMON: Header = {
    "INSTRUME": "DEIMOS",
    "RA": "04:16:18.85",
    "DEC": "-24:04:50.3",
    "TARGNAME": MASK,
    "OBJECT": MASK,
    "SLMSKNAM": MASK,
    "BINNING": "1,1",
    "GRATENAM": "1200G",
    "GRATEPOS": 3,
    "G3TLTWAV": 8799.987,
    "G4TLTWAV": 6500.12,
    "DWFILNAM": "OG550",
    "AMPMODE": "SINGLE:B",
    "MOSMODE": "Spectral",
    "AIRMASS": 1.41,
    "FRAMENO": 1,
}
_KINDS: dict[str, Header] = {
    "science": {"OBSTYPE": "Object", "HATCHPOS": "open", "LAMPS": "Off", "ELAPTIME": 1200.0},
    "bias": {"OBSTYPE": "Bias", "HATCHPOS": "closed", "LAMPS": "Off", "ELAPTIME": 0.0},
    "flat": {"OBSTYPE": "IntFlat", "HATCHPOS": "closed", "LAMPS": "Qz", "ELAPTIME": 12.0},
    "arc": {"OBSTYPE": "Line", "HATCHPOS": "closed", "LAMPS": "Kr Xe Ar Ne", "ELAPTIME": 1.0},
    "focus": {"OBSTYPE": "Object", "HATCHPOS": "open", "LAMPS": "Off", "MOSMODE": "Direct"},
}
_DOME = {"RA": "03:52:00.00", "DEC": "45:00:00.0", "TARGNAME": "DOME PHLAT"}


def make_header(kind: str, moment: datetime, **changes: Any) -> Header:
    """The header of a frame: science, bias, flat, arc or focus (which has no frame type).

    Parameters
    ----------
    moment : UTC
    changes : keywords with other values; None removes a keyword
    """
    place = {} if kind in ("science", "focus") else _DOME
    time = {"DATE-OBS": f"{moment:%Y-%m-%d}", "UTC": f"{moment:%H:%M:%S}.00"}
    cards = {"ELAPTIME": 30.0, **_COMMON, **place, **_KINDS[kind], **time, **changes}
    return {name: value for name, value in cards.items() if value is not None}


def frame_name(moment: datetime) -> str:
    """The archive's name of a frame: UT date and second of the day."""
    second = moment.hour * 3600 + moment.minute * 60 + moment.second
    return f"DE.{moment:%Y%m%d}.{second:05d}.fits"


def make_fits_bytes(cards: Mapping[str, Any]) -> bytes:
    """A FITS file with these cards and no data."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU()
    hdu.header.update(cards)
    return hdu.header.tostring().encode("ascii")


def write_frame(path: Path, cards: Mapping[str, Any]) -> Path:
    """Write a frame with these cards, gzipped if its name ends with .gz."""
    content = make_fits_bytes(cards)
    with atomic.replace_atomically(path) as temporary:
        temporary.write_bytes(
            gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content
        )
    return path


@dataclass(frozen=True)
class SimulatedRawFrames:
    """The simulated frames of a directory; `created` is how many this call has written."""

    folder: Path
    paths: tuple[Path, ...]
    created: int

    def __str__(self) -> str:
        total = f", {len(self.paths)} in total" if self.created < len(self.paths) else ""
        return f"simulated {self.created} frames in {self.folder}{total}"


def simulate_deimos_frames(folder: Path) -> SimulatedRawFrames:
    """Write the raw frames of a few nights; existing files stay unchanged.

    Two nights of one mask that belong together, a later one without an arc, another mask with a
    strange name, biases, a frame without a type, one without a mask and a truncated one.
    """
    frames = {folder / name: cards for name, cards in sorted(_frames_of_nights())}
    new = [path for path in frames if not path.is_file()]
    for path in new:
        write_frame(path, frames[path])
    broken = folder / "DE.20151016.55555.fits"
    if not broken.is_file():
        with atomic.replace_atomically(broken) as temporary:
            temporary.write_bytes(next(iter(frames)).read_bytes()[:1000])
        new.append(broken)
    return SimulatedRawFrames(folder, (*frames, broken), len(new))


def _frames_of_nights() -> Iterator[tuple[str, Header]]:
    first = datetime(2015, 10, 16, 2, 36, tzinfo=UTC)
    for day in (first, first + timedelta(days=2)):
        yield from _afternoon_calibrations(day)
        for exposure in range(2):
            yield _named_frame("science", day + timedelta(hours=9 + exposure), ".gz" * exposure)
    late = first + timedelta(days=30)
    yield _named_frame("flat", late)
    yield _named_frame("science", late + timedelta(hours=9))
    other = first + timedelta(minutes=40)
    grating: Header = {"SLMSKNAM": OTHER_MASK, "GRATENAM": "600ZD", "GRATEPOS": 4}
    for minutes, kind in enumerate(("arc", "flat", "flat", "science")):
        yield _named_frame(kind, other + timedelta(minutes=minutes), **grating)
    yield _named_frame("focus", first + timedelta(hours=1))
    yield _named_frame("science", first + timedelta(hours=8), SLMSKNAM=None)
    yield _named_frame("science", first + timedelta(hours=7), RA=None, TARGNAME=None)


def _afternoon_calibrations(day: datetime) -> Iterator[tuple[str, Header]]:
    """The calibrations of a mask, more than necessary."""
    for minute, lamps in enumerate(("Kr Xe Ar Ne", "Kr Xe Ar Ne", "Hg Cd Zn")):
        yield _named_frame("arc", day + timedelta(minutes=minute), LAMPS=lamps)
    for minute in range(5):
        yield _named_frame("flat", day + timedelta(minutes=10 + minute))
    yield _named_frame("bias", day + timedelta(minutes=20))


def _named_frame(
    kind: str, moment: datetime, suffix: str = "", **changes: Any
) -> tuple[str, Header]:
    return frame_name(moment) + suffix, make_header(kind, moment, **changes)
