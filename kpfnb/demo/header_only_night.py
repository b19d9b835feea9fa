"""A simulated night of files with only headers: it passes every criterion of a verdict.

Faults can be added. Names, levels and header sizes are real; without images 500 observations take
seconds.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kpfnb.demo.header_only_files import CardValues, header_bytes, image_bytes, table_bytes
from kpfnb.demo.tree import CARD_COUNTS, PROCESSING_SECONDS
from kpfnb.kpf.files.obsid import KPF, ObsID, level_dir

DAY_SECONDS = 86_400
DRP_VERSION = "v2.12.1"
SENSORS = ("kpfgreen.STA_CCD_T", "kpfred.STA_CCD_T")
DEFAULT_COUNTS = {
    "bias": 12,
    "dark": 5,
    "flat": 12,
    "lfc": 6,
    "etalon": 10,
    "thar": 9,
    "star": 10,
    "sun": 4,
}
MASTER_NAMES = {
    "bias": "master_bias_autocal-bias.fits",
    "dark": "master_dark_autocal-dark.fits",
    "flat": "master_flat.fits",
    "WLS": "master_WLS_autocal-lfc-all-morn_L1.fits",
    "smooth lamp": "smooth_lamp.fits",
    "trace GREEN": "master_flat_GREEN_CCD.csv",
    "trace RED": "master_flat_RED_CCD.csv",
}
"""What a master is to the end of its name, after `kpf_<night>_`."""
STACKS = ("bias", "dark", "flat")

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

_FLAGS: dict[str, dict[str, tuple[str, ...]]] = {
    "2D": {
        "": ("NOTJUNK", "TIMCHKL0", "DATAPR2D", "GOODREAD", "OLDBIAS", "OLDDARK", "OLDFLAT"),
        "bias": ("LOWBIAS",),
        "dark": ("LOWDARK",),
        "lfc": ("LFC2DFOK",),
    },
    "L1": {
        "": (
            *("DATAPRL1", "MONOTWLS", "WLSL1", "OLDTRAC", "OLDLAMP", "OLDWLS", "OLDWLS2"),
            *("WILDWSCI", "WILDWSKY", "WILDWCAL"),
        ),
        "flat": ("FLATSNR",),
        "lfc": ("LFCSAT", "LFCLINES"),
        "etalon": ("ETALINES",),
    },
    "L2": {"": ("DATAPRL2", "TIMCHKL2")},
}
"""The QC keywords that each level adds: for all exposures (''), and for those of a kind."""


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
    """The velocity of one etalon exposure is off by 1.2 km/s."""
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

    def rewrite(self, kind: str, level: str, number: int, **cards: str | float | None) -> None:
        """Write a file again with changed cards (None removes one), one second newer."""
        obsid, path = self.obsids[kind][number], self.path(kind, level, number)
        modified = path.stat().st_mtime + 1
        changed = {**_level_cards(kind, level, number), **cards}
        present = {name: value for name, value in changed.items() if value is not None}
        _write_file(self.root, obsid, level, present, self.sizes[level])
        os.utime(path, (modified, modified))

    def master(self, kind: str) -> Path:
        """The master of a kind, one of `MASTER_NAMES`."""
        name = f"kpf_{self.night}_{MASTER_NAMES[kind]}"
        return self.root / "masters" / self.night / name


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
    for kind in MASTER_NAMES:
        _write_master(written.master(kind), kind)
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
    }
    if level == KPF.raw:
        return cards
    cards["DRPTAG"] = DRP_VERSION
    for flags_level, flags in _FLAGS.items():
        if KPF.products.index(flags_level) <= KPF.products.index(level):
            cards |= dict.fromkeys((*flags.get("", ()), *flags.get(kind, ())), 1)
    cards |= {f"RN{camera}{amp}": 4.0 for camera in ("GREEN", "RED") for amp in (1, 2)}
    if level == "2D":
        return cards
    cards["SNRSC548"] = 200.0 + number
    cards |= {f"STDWGS{order:02d}": 0.03 for order in range(35)}
    cards |= {f"STDWRS{order:02d}": 0.02 for order in range(32)}
    return cards if level == "L1" else cards | _velocity_cards(kind, number)


def _velocity_cards(kind: str, number: int) -> dict[str, str | int | float]:
    """The velocities (km/s) of an exposure; the DRP writes 0 where there is no line."""
    velocity = {"etalon": 0.001 + 0.005 * (number % 5), "flat": 0.0}.get(kind, 10 + 0.001 * number)
    return {"CCFRV": velocity, "CCFERV": 0.0009, "CCFRVC": 0.001, "CCFERVC": 0.0009}


def _write_file(root: Path, obsid: str, level: str, cards: CardValues, size: int) -> None:
    path = ObsID(obsid).path(root, level)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = header_bytes({"OFNAME": f"{obsid}.fits", **cards}, size)
    path.write_bytes(header + _extensions(obsid, level, cards))
    after = list(KPF.levels).index(level) * PROCESSING_SECONDS
    moment = ObsID(obsid).time.timestamp() + after
    os.utime(path, (moment, moment))


def _extensions(obsid: str, level: str, cards: CardValues) -> bytes:
    """The extensions that a verdict reads: the CCD temperatures of an L0, the velocity of an L2."""
    if level == KPF.raw:
        # All values in TELEMETRY are text
        temperature = f"{-100 + 0.001 * (int(obsid[-1]) % 3):.3f}"
        width = max(map(len, SENSORS))
        row = "".join(f"{sensor:<{width}}{temperature:<8}" for sensor in SENSORS).encode()
        columns = {"keyword": f"{width}A", "average": "8A"}
        return table_bytes("TELEMETRY", columns, row, rows=len(SENSORS))
    if level != "L2":
        return b""
    images = b"".join(image_bytes(f"{camera}_CCF", {}) for camera in ("GREEN", "RED"))
    value = cards.get("CCFRV")
    velocity = struct.pack(">d", value if isinstance(value, float) else 0.0)
    return images + table_bytes("RV", {"RV": "1D"}, velocity, rows=1)


def _write_master(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_text("Coeff0,Coeff1\n1,0\n", encoding="utf-8")
        return
    content = header_bytes({"IMTYPE": kind}, 100)
    if kind in STACKS:
        for camera in ("GREEN", "RED"):
            content += image_bytes(f"{camera}_CCD", {"NFRAMES": 12})
            content += b"".join(image_bytes(f"{camera}_CCD_{part}", {}) for part in ("UNC", "CNT"))
    path.write_bytes(content)


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
    NightFault.DRIFT: lambda night: night.rewrite("etalon", "L2", 2, CCFRV=1.2),
    NightFault.NOTHING_REDUCED: _remove_products,
    NightFault.ONE_L2_MISSING: lambda night: night.path("star", "L2", 3).unlink(),
    NightFault.FAINT_STARS: _rewrite_all("star", "L1", SNRSC548=30.0),
}
