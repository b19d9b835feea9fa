"""The slits of a spec2d file: how well each was calibrated. Read without PypeIt.

PypeIt writes a group of extensions for each detector or mosaic, as DET01-SLITS; only the tables of
the slits and their measures are read, no image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kpfnb import fitscards, fitsheader, fitstable
from kpfnb.errors import BadInput
from kpfnb.fitscards import RawHeader
from kpfnb.fitstable import Columns

if TYPE_CHECKING:
    import numpy as np

    from kpfnb.fitscards import Value
    from kpfnb.fitsheader import Hdu

KEYWORDS = ("ALLSPEC2D_DETS", "DATE-RDX", "VERSPYP")
TABLES = ("SLITS", "WAVESOL", "SCI_SPEC_FLEXURE")
IMAGES = ("MED_CHIS", "STD_CHIS")
MOST_BITS = 64
_FLOATS = {-32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Slit:
    """One slit, or order, of one detector or mosaic.

    Attributes
    ----------
    name : as DET01:175, with PypeIt's number of the slit
    rms : of the wavelength solution, in pixels; None where there is none
    coverage : part of the spectral range between identified arc lines, in %; None likewise
    std_chi : standard deviation of the residuals over their noise; None where it was not measured
    flexure : spectral, in pixels; None where it was not measured
    flags : what PypeIt says of it, as BADWVCALIB
    """

    name: str
    rms: float | None = None
    coverage: float | None = None
    std_chi: float | None = None
    flexure: float | None = None
    flags: frozenset[str] = frozenset()

    @property
    def detector(self) -> str:
        """As DET01 or MSC02."""
        return self.name.partition(":")[0]


@dataclass(frozen=True)
class Exposure:
    """What a spec2d file tells.

    Attributes
    ----------
    detectors : their names
    reduced : the day of the reduction, as 2026-01-31; '' where it is not told
    version : PypeIt's; '' where it is not told
    """

    detectors: tuple[str, ...] = ()
    slits: tuple[Slit, ...] = ()
    reduced: str = ""
    version: str = ""


NONE = Exposure()


def read(path: Path) -> Exposure:
    """The slits of a spec2d file. `BadInput` where it is none, or damaged."""
    header: dict[str, Value] = {}
    parts: dict[str, dict[str, _Part]] = {}
    try:
        for number, hdu in enumerate(fitsheader.hdus(path)):
            if not number:
                header = fitscards.pick(hdu.header, KEYWORDS)
            detector, _, part = hdu.name.partition("-")
            if part in TABLES:
                parts.setdefault(detector, {})[part] = _Part(hdu.header, fitstable.read(hdu))
            elif part in IMAGES:
                parts.setdefault(detector, {})[part] = _Part(hdu.header, {part: _image(hdu)})
        detectors = tuple(name for name in str(header.get("ALLSPEC2D_DETS", "")).split(",") if name)
        slits = [one for name in detectors for one in _slits(name, parts.get(name, {}))]
    except (KeyError, ValueError) as error:
        raise BadInput(
            f"{path} is no spec2d of PypeIt: {error}", "reduce its frame again"
        ) from error
    told = (str(header.get(name) or "") for name in ("DATE-RDX", "VERSPYP"))
    return Exposure(detectors, tuple(slits), *told)


class _Part(NamedTuple):
    """One extension: its header and its values by column."""

    header: RawHeader
    values: Columns


def _slits(detector: str, parts: dict[str, _Part]) -> list[Slit]:
    if "SLITS" not in parts:
        raise ValueError(f"{detector} has no slits")
    bits = _bits(parts["SLITS"].header)
    table = parts["SLITS"].values
    numbers = _numbers(table)
    solution = _solution(parts.get("WAVESOL"))
    # Rows of the other measures are in the order of the slits
    flexure, median, spread = (
        _measure(parts.get(part), name, len(numbers))
        for part, name in (
            ("SCI_SPEC_FLEXURE", "sci_spec_flexure"),
            ("MED_CHIS", "MED_CHIS"),
            ("STD_CHIS", "STD_CHIS"),
        )
    )
    found = []
    for row, number in enumerate(numbers):
        rms, coverage = solution.get(number, (0.0, None))
        measured = spread[row] is not None and (spread[row] or median[row])
        found.append(
            Slit(
                f"{detector}:{number}",
                rms=rms or None,
                coverage=coverage if rms else None,
                std_chi=spread[row] if measured else None,
                flexure=flexure[row],
                flags=frozenset(name for bit, name in bits if int(table["mask"][row]) >> bit & 1),
            )
        )
    return found


def _bits(header: RawHeader) -> list[tuple[int, str]]:
    """The number and name of each bit of the mask: the file's own, whatever PypeIt's version."""
    told = fitscards.pick(header, [f"BIT{bit:02}" for bit in range(MOST_BITS)])
    return [(int(key[3:]), str(name)) for key, name in told.items()]


def _numbers(table: Columns) -> list[int]:
    """By order where there are orders (echelle), as PypeIt does, else by place along the slit."""
    name = "ech_order" if "ech_order" in table else "spat_id"
    return [int(one) for one in table[name]]


def _solution(part: _Part | None) -> dict[int, tuple[float, float]]:
    """RMS and coverage by the number of the slit."""
    if part is None:
        return {}
    table = part.values
    # It was SpatID in earlier versions of PypeIt
    numbers = table["SpatOrderID" if "SpatOrderID" in table else "SpatID"].tolist()
    measures = (table[name].tolist() for name in ("RMS", "IDs_Wave_cov(%)"))
    return {number: (rms, cover) for number, rms, cover in zip(numbers, *measures, strict=True)}


def _measure(part: _Part | None, name: str, count: int) -> list[float | None]:
    if part is None:
        return [None] * count
    values = part.values[name]
    if len(values) != count:
        raise ValueError(f"{len(values)} values of {name} for {count} slits")
    # By way of text: 1.6 as a single is no more than the limit 1.6, as numpy compares them
    return [float(str(value)) for value in values]


def _image(hdu: Hdu) -> np.ndarray:
    import numpy as np

    kind = fitscards.pick(hdu.header, ["BITPIX"])["BITPIX"]
    return np.frombuffer(hdu.read(), dtype=_FLOATS[int(str(kind))])
