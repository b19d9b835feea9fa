"""The objects of a spec1d file, by their headers: how each was extracted, not its spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import fitscards, fitsheader

if TYPE_CHECKING:
    from kpfnb.fitscards import RawHeader, Value

KEYWORDS = ("DMODCLS", "TFIELDS", "NAME", "WAVE_RMS", "FLEX_SHIFT_TOTAL", "MASKDEF_EXTRACT")


@dataclass(frozen=True)
class Extracted:
    """One object.

    Attributes
    ----------
    name : PypeIt's, as SPAT0176-SLIT0175-DET01
    rms : of the wavelength solution, in pixels; None where it is not told
    flexure : spectral, in pixels; None where it is not told
    optimal, box : whether there is a spectrum extracted so
    by_mask : whether it was extracted where the mask's design has it, without being found
    """

    name: str
    rms: float | None
    flexure: float | None
    optimal: bool
    box: bool
    by_mask: bool


def read(path: Path) -> list[Extracted]:
    """The objects of a spec1d file, in its order. `BadInput` where it can't be read."""
    found = [_object(hdu.header) for hdu in fitsheader.hdus(path)]
    return [one for one in found if one]


def _object(header: RawHeader) -> Extracted | None:
    told = fitscards.pick(header, KEYWORDS)
    if told.get("DMODCLS") != "SpecObj":
        return None
    titles = [f"TTYPE{number}" for number in range(1, int(str(told["TFIELDS"])) + 1)]
    columns = set(fitscards.pick(header, titles).values())
    return Extracted(
        name=str(told.get("NAME", "")),
        rms=_number(told.get("WAVE_RMS")),
        flexure=_number(told.get("FLEX_SHIFT_TOTAL")),
        optimal="OPT_COUNTS" in columns,
        box="BOX_COUNTS" in columns,
        by_mask=told.get("MASKDEF_EXTRACT") is True,
    )


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
