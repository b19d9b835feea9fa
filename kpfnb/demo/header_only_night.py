"""A simulated night of files with only headers: it passes every criterion of a verdict.

Faults can be added. Names, levels and header sizes are real; without images 500 observations take
seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kpfnb.demo.tree import CARD_COUNTS, FITS_BLOCK, PROCESSING_SECONDS
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir

CardValues = Mapping[str, str | int | float]
DAY_SECONDS = 86_400
DEFAULT_COUNTS = {
    "bias": 8,
    "dark": 4,
    "flat": 8,
    "lfc": 6,
    "etalon": 8,
    "thar": 4,
    "star": 10,
    "sun": 4,
}
MASTER_NAMES = (
    "bias_autocal-bias",
    "dark_autocal-dark",
    "flat_autocal-flat-all",
    "WLS_autocal-lfc-all",
)

_KIND_CARDS: dict[str, tuple[str, str, str]] = {
    "bias": ("Bias", "autocal-bias", "None"),
    "dark": ("Dark", "autocal-dark", "None"),
    "flat": ("Flatlamp", "autocal-flat-all", "BrdbandFiber"),
    "lfc": ("Arclamp", "autocal-lfc-all-morn", "LFCFiber"),
    "etalon": ("Arclamp", "autocal-etalon-all-morn", "EtalonFiber"),
    "thar": ("Arclamp", "autocal-thar-all-morn", "Th_gold"),
    "star": ("Object", "10700", "Target"),
    "sun": ("Object", "SoCal", "SoCal-SciSky"),
}
"""IMTYPE, OBJECT and SCI-OBJ."""


class NightFault(StrEnum):
    """A fault of a night."""

    FEW_BIASES = "few-biases"
    """One bias is left."""
    NOISY_READOUT = "noisy-readout"
    """The read noise of every bias is 12 e-."""
    ONE_BAD_READOUT = "one-bad-readout"
    """The DRP finds one calibration bad."""
    NO_MASTER_BIAS = "no-master-bias"
    CUT_MASTER_FLAT = "cut-master-flat"
    """The file is truncated."""
    WILD_WAVELENGTHS = "wild-wavelengths"
    """The solutions of the comb scatter by 0.8 pixels."""
    DRIFT = "drift"
    """One etalon exposure is off by 1.2 km/s."""
    NOTHING_REDUCED = "nothing-reduced"
    ONE_L2_MISSING = "one-l2-missing"
    FAINT_STARS = "faint-stars"
    """Their signal-to-noise is 30."""


@dataclass(frozen=True)
class HeaderOnlyNight:
    """A simulated night: its place, and its ObsIDs by kind in order of time."""

    root: Path
    night: str
    obsids: dict[str, list[str]]
    sizes: Mapping[str, int]
    """Level to the number of cards in a header."""

    def path(self, kind: str, level: str, number: int = 0) -> Path:
        """The file of one exposure of a kind at a level."""
        return ObsID(self.obsids[kind][number]).path(self.root, level)

    def rewrite(self, kind: str, level: str, number: int, **cards: str | float) -> None:
        """Write a file again with changed cards, one second newer."""
        obsid = self.obsids[kind][number]
        defaults = _level_cards(kind, level, number)
        _write_file(self.root, obsid, level, {**defaults, **cards}, self.sizes[level], later=1)

    def master(self, kind: str) -> Path:
        """The master of a kind: bias, dark, flat or WLS."""
        [name] = [master_name for master_name in MASTER_NAMES if master_name.startswith(kind)]
        return self.root / "masters" / self.night / f"kpf_{self.night}_master_{name}.fits"


def write_night(
    root: Path,
    night: str,
    counts: Mapping[str, int] = DEFAULT_COUNTS,
    *faults: NightFault,
    sizes: Mapping[str, int] = CARD_COUNTS,
) -> HeaderOnlyNight:
    """Write a night with faults below a data root."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    step = DAY_SECONDS / max(1, len(kinds))
    obsids: dict[str, list[str]] = {kind: [] for kind in _KIND_CARDS}
    for number, kind in enumerate(kinds):
        obsids[kind].append(f"KP.{night}.{number * step:08.2f}")
    written = HeaderOnlyNight(root, night, obsids, sizes)
    for kind, names in obsids.items():
        for number, obsid in enumerate(names):
            for level in _kind_levels(kind):
                _write_file(root, obsid, level, _level_cards(kind, level, number), sizes[level])
    for name in MASTER_NAMES:
        path = written.master(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_header_bytes({"OBJECT": name}, 100))
    for fault in faults:
        _FAULT_ACTIONS[fault](written)
    return written


def _kind_levels(kind: str) -> tuple[str, ...]:
    return tuple(KPF.levels)[: 3 if kind in ("bias", "dark") else 4]


def _level_cards(kind: str, level: str, number: int) -> CardValues:
    """The cards of a level, including those of the levels before it."""
    imtype, name, source = _KIND_CARDS[kind]
    cards: dict[str, str | int | float] = {
        "IMTYPE": imtype,
        "OBJECT": name,
        "SCI-OBJ": source,
        **dict.fromkeys(("GREEN", "RED", "CA_HK"), "YES"),
        "GRCCDTMP": -100.0 + 0.001 * (number % 3),
    }
    if level == KPF.raw:
        return cards
    cards |= {"DRPTAG": "v2.9.1", "NOTJUNK": 1, "DATAPR2D": 1, "GOODREAD": 1, "TIMCHKL0": 1}
    cards |= {"LOWBIAS": 1, "LOWDARK": 1, "LFC2DFOK": 1}
    cards |= {f"RN{camera}{amp}": 4.0 for camera in ("GREEN", "RED") for amp in (1, 2)}
    if level == "2D":
        return cards
    cards |= {"MONOTWLS": 1, "WLSL1": 1, "LFCSAT": 1, "SNRSC548": 200.0 + number}
    cards |= {f"STDWGS{order:02d}": 0.03 for order in range(35)}
    cards |= {f"STDWRS{order:02d}": 0.02 for order in range(32)}
    if level == "L1":
        return cards
    drift = {"DRFTRV": 5.0 * (number % 5), "CCFRVC": 0.0005 * (-1) ** number, "CCFERV": 0.0009}
    return cards | {"DATAPRL2": 1, "TIMCHKL2": 1, "QCPCBCV": 1} | drift


def _write_file(
    root: Path, obsid: str, level: str, cards: CardValues, size: int, later: float = 0
) -> None:
    path = ObsID(obsid).path(root, level)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_header_bytes({"OFNAME": f"{obsid}.fits", **cards}, size))
    after = list(KPF.levels).index(level) * PROCESSING_SECONDS + later
    moment = ObsID(obsid).time.timestamp() + after
    os.utime(path, (moment, moment))


def _header_bytes(cards: CardValues, count: int) -> bytes:
    """A FITS file with a header of `count` cards and no data."""
    lines = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    lines += ["NAXIS   =                    0", "SIMULATE=                    T"]
    filler = [f"KEY{number:05d}= {12.345:>20}" for number in range(count - len(cards) - 5)]
    lines += [*filler[: len(filler) // 2], *map(_format_card, cards.items())]
    lines += [*filler[len(filler) // 2 :], "END"]
    text = "".join(f"{line:<80}" for line in lines).encode("ascii")
    return text + b" " * (-len(text) % FITS_BLOCK)


def _format_card(pair: tuple[str, str | int | float]) -> str:
    name, value = pair
    shown = (
        f"'{value.replace(chr(39), chr(39) * 2):<8}'" if isinstance(value, str) else f"{value:>20}"
    )
    return f"{name:<8}= {shown} / a value of the simulation"[:80]


def _remove_exposures(written: HeaderOnlyNight, kind: str, keep: int) -> None:
    for number in range(keep, len(written.obsids[kind])):
        for level in _kind_levels(kind):
            written.path(kind, level, number).unlink()


def _rewrite_all(kind: str, level: str, **cards: float) -> Callable[[HeaderOnlyNight], None]:
    def change(written: HeaderOnlyNight) -> None:
        for number in range(len(written.obsids[kind])):
            written.rewrite(kind, level, number, **cards)

    return change


def _truncate_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4000])


def _remove_products(written: HeaderOnlyNight) -> None:
    for level in KPF.products:
        for path in level_dir(written.root, level, written.night).glob("*.fits"):
            path.unlink()


_FAULT_ACTIONS: dict[NightFault, Callable[[HeaderOnlyNight], None]] = {
    NightFault.FEW_BIASES: lambda night: _remove_exposures(night, "bias", 1),
    NightFault.NOISY_READOUT: _rewrite_all("bias", "2D", RNGREEN1=12.0),
    NightFault.ONE_BAD_READOUT: lambda night: night.rewrite("flat", "2D", 1, GOODREAD=0),
    NightFault.NO_MASTER_BIAS: lambda night: night.master("bias").unlink(),
    NightFault.CUT_MASTER_FLAT: lambda night: _truncate_file(night.master("flat")),
    NightFault.WILD_WAVELENGTHS: _rewrite_all(
        "lfc", "L1", **{f"STDWGS{n:02d}": 0.8 for n in range(35)}
    ),
    NightFault.DRIFT: lambda night: night.rewrite("etalon", "L2", 2, DRFTRV=1200.0),
    NightFault.NOTHING_REDUCED: _remove_products,
    NightFault.ONE_L2_MISSING: lambda night: night.path("star", "L2", 3).unlink(),
    NightFault.FAINT_STARS: _rewrite_all("star", "L1", SNRSC548=30.0),
}
