"""A simulated KPF tree of files with only headers: real names, levels, keywords, header sizes.

For tests and benchmarks of code that does not read images. The same call writes the same tree,
including modification times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from kpfnb.kpf.files.obsid import KPF, ObsID, file_name, level_dir

CARD_COUNTS = {"L0": 250, "2D": 440, "L1": 970, "L2": 1000}
"""The number of cards in a real primary header."""

DEFAULT_VERSION = "v2.9.1"
FITS_BLOCK = 2880
DAY_SECONDS = 86_400
PROCESSING_SECONDS = 600
"""The time from one level to the next."""


@dataclass(frozen=True)
class TreeKind:
    """A kind of exposure: IMTYPE, OBJECT, its products, and whether cameras were used."""

    imtype: str
    object: str
    products: tuple[str, ...] = KPF.products
    cameras: str = "YES"


TREE_KINDS = (
    TreeKind("Object", "10700"),
    TreeKind("Bias", "autocal-bias", ("2D", "L1")),
    TreeKind("Object", "SoCal"),
    TreeKind("Dark", "autocal-dark", ("2D", "L1")),
    TreeKind("Arclamp", "autocal-lfc-all-morn"),
    TreeKind("Object", "185144"),
    TreeKind("Flatlamp", "autocal-flat-all"),
    TreeKind("Object", "test-expmeter", ("2D",), cameras="NO"),
)
"""The exposures of a night have these kinds in turn."""


def write_tree(
    root: Path,
    nights: Iterable[str],
    per_night: int,
    *,
    levels: Sequence[str] = KPF.products,
    cards: Mapping[str, int] = CARD_COUNTS,
    version: str = DEFAULT_VERSION,
    linked: bool = False,
) -> list[str]:
    """Write L0 files with all their products, and return the ObsIDs.

    Parameters
    ----------
    nights : YYYYMMDD (UT)
    levels : the products to write
    cards : header cards by level; at least 40, since a product is never one block long
    version : DRPTAG of the products
    linked : write one file per kind of exposure, level and night, and hard links for the others;
        saves space, but all files of a kind have the name of the first one in the header
    """
    obsids = []
    for night in nights:
        names = _night_obsids(night, per_night)
        obsids += names
        for level in (KPF.raw, *levels):
            folder = level_dir(root, level, night)
            _write_level(folder, level, names, cards[level], version, linked)
    return obsids


def consecutive_nights(first: str, count: int) -> list[str]:
    """`count` nights from the first on, as YYYYMMDD."""
    start = date(int(first[:4]), int(first[4:6]), int(first[6:]))
    return [f"{start + timedelta(days=day):%Y%m%d}" for day in range(count)]


def set_mtimes(root: Path, moment: datetime) -> None:
    """Set the modification time of all directories of the levels."""
    for level in KPF.levels:
        for folder in (root / level).glob("*/"):
            os.utime(folder, (moment.timestamp(),) * 2)


def make_header(level: str, kind: TreeKind, count: int, version: str) -> tuple[bytes, bytes]:
    """A primary header in two parts; the ObsID belongs between them."""
    cards = [
        *("SIMPLE  =                    T", "BITPIX  =                    8"),
        *("NAXIS   =                    0", "EXTEND  =                    T"),
    ]
    named = [_format_card("OBJECT", kind.object), _format_card("IMTYPE", kind.imtype)]
    named += [_format_card(camera, kind.cameras) for camera in ("GREEN", "RED", "CA_HK")]
    if level != KPF.raw:
        named.append(_format_card("DRPTAG", version))
    filler = [
        _format_card(f"SIM{number:05d}", "12.345") for number in range(count - len(named) - 6)
    ]
    # The named keywords are in the middle, as in real files
    middle = len(filler) // 2
    tail = [*filler[:middle], *named, *filler[middle:], "END"]
    before = _card_bytes(cards) + b"OFNAME  = '"
    after = b".fits' / name of the file".ljust(80 - len("OFNAME  = '") - 20) + _card_bytes(tail)
    size = len(before) + 20 + len(after)
    return before, after + b" " * (-size % FITS_BLOCK)


def _format_card(name: str, text: str) -> str:
    value = f"'{text:<8}'"
    return f"{name:<8}= {value:<20} / a value of the simulation"


def _card_bytes(cards: Sequence[str]) -> bytes:
    return "".join(f"{card:<80}" for card in cards).encode("ascii")


def _night_obsids(night: str, count: int) -> list[str]:
    step = DAY_SECONDS / max(count, 1)
    return [f"KP.{night}.{number * step:08.2f}" for number in range(count)]


def _write_level(
    folder: Path, level: str, names: Sequence[str], cards: int, version: str, linked: bool
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(TREE_KINDS):
        if level not in (KPF.raw, *kind.products):
            continue
        kind_names = names[number :: len(TREE_KINDS)]
        before, after = make_header(level, kind, cards, version)
        for name in kind_names:
            path = folder / file_name(name, level)
            if linked and name != kind_names[0]:
                os.link(folder / file_name(kind_names[0], level), path)
            else:
                path.write_bytes(before + name.encode("ascii") + after)
                _set_mtime(path, name, level)


def _set_mtime(path: Path, name: str, level: str) -> None:
    delay = list(KPF.levels).index(level) * PROCESSING_SECONDS
    moment = ObsID(name).time.timestamp() + delay
    os.utime(path, (moment, moment))
