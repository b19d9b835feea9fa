"""The slits of a spec2d file: how well each was calibrated. Read without PypeIt.

PypeIt writes a group of extensions for each detector or mosaic, as DET01-SLITS; only the tables of
the slits and their measures are read, no image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers, tables
from kpfnb.core.fits.cards import RawHeader
from kpfnb.core.fits.tables import TableColumns

if TYPE_CHECKING:
    import numpy as np

    from kpfnb.core.fits.cards import HeaderValue, RawHeader
    from kpfnb.core.fits.headers import HDU


# The objects of a spec1d file, by their headers: how each was extracted, not its spectrum.

OBJECT_KEYWORDS = ("DMODCLS", "TFIELDS", "NAME", "WAVE_RMS", "FLEX_SHIFT_TOTAL", "MASKDEF_EXTRACT")


@dataclass(frozen=True)
class ExtractedObject:
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
    from_mask: bool


def read_objects(path: Path) -> list[ExtractedObject]:
    """The objects of a spec1d file, in its order. `InvalidInputError` where it can't be read."""
    found = [_parse_object(hdu.header) for hdu in headers.iterate_hdus(path)]
    return [one for one in found if one]


def _parse_object(header: RawHeader) -> ExtractedObject | None:
    told = cards.select_values(header, OBJECT_KEYWORDS)
    if told.get("DMODCLS") != "SpecObj":
        return None
    titles = [f"TTYPE{number}" for number in range(1, int(str(told["TFIELDS"])) + 1)]
    columns = set(cards.select_values(header, titles).values())
    return ExtractedObject(
        name=str(told.get("NAME", "")),
        rms=_as_float(told.get("WAVE_RMS")),
        flexure=_as_float(told.get("FLEX_SHIFT_TOTAL")),
        optimal="OPT_COUNTS" in columns,
        box="BOX_COUNTS" in columns,
        from_mask=told.get("MASKDEF_EXTRACT") is True,
    )


def _as_float(value: HeaderValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None


SPEC2D_KEYWORDS = ("ALLSPEC2D_DETS", "DATE-RDX", "VERSPYP")
SLIT_TABLES = ("SLITS", "WAVESOL", "SCI_SPEC_FLEXURE")
SLIT_IMAGES = ("MED_CHIS", "STD_CHIS")
MAX_BITS = 64
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
class Spec2dSummary:
    """What a spec2d file tells.

    Attributes
    ----------
    detectors : their names
    reduced : the day of the reduction, as 2026-01-31; '' where it is not told
    version : PypeIt's; '' where it is not told
    """

    detectors: tuple[str, ...] = ()
    slits: tuple[Slit, ...] = ()
    reduction_date: str = ""
    version: str = ""


EMPTY_SUMMARY = Spec2dSummary()


def read_slits(path: Path) -> Spec2dSummary:
    """The slits of a spec2d file. `InvalidInputError` where it is none, or damaged."""
    header: dict[str, HeaderValue] = {}
    parts: dict[str, dict[str, _Extension]] = {}
    try:
        for number, hdu in enumerate(headers.iterate_hdus(path)):
            if not number:
                header = cards.select_values(hdu.header, SPEC2D_KEYWORDS)
            detector, _, part = hdu.name.partition("-")
            if part in SLIT_TABLES:
                parts.setdefault(detector, {})[part] = _Extension(
                    hdu.header, tables.read_table(hdu)
                )
            elif part in SLIT_IMAGES:
                parts.setdefault(detector, {})[part] = _Extension(
                    hdu.header, {part: _read_image(hdu)}
                )
        detectors = tuple(name for name in str(header.get("ALLSPEC2D_DETS", "")).split(",") if name)
        slits = [one for name in detectors for one in _measure_slits(name, parts.get(name, {}))]
    except (KeyError, ValueError) as error:
        raise InvalidInputError(
            f"{path} is no spec2d of PypeIt: {error}", "reduce its frame again"
        ) from error
    told = (str(header.get(name) or "") for name in ("DATE-RDX", "VERSPYP"))
    return Spec2dSummary(detectors, tuple(slits), *told)


class _Extension(NamedTuple):
    """One extension: its header and its values by column."""

    header: RawHeader
    values: TableColumns


def _measure_slits(detector: str, parts: dict[str, _Extension]) -> list[Slit]:
    if "SLITS" not in parts:
        raise ValueError(f"{detector} has no slits")
    bits = _mask_bits(parts["SLITS"].header)
    table = parts["SLITS"].values
    numbers = _slit_numbers(table)
    solution = _wavelength_solutions(parts.get("WAVESOL"))
    # Rows of the other measures are in the order of the slits
    flexure, median, spread = (
        _column_values(parts.get(part), name, len(numbers))
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


def _mask_bits(header: RawHeader) -> list[tuple[int, str]]:
    """The number and name of each bit of the mask: the file's own, whatever PypeIt's version."""
    told = cards.select_values(header, [f"BIT{bit:02}" for bit in range(MAX_BITS)])
    return [(int(key[3:]), str(name)) for key, name in told.items()]


def _slit_numbers(table: TableColumns) -> list[int]:
    """By order where there are orders (echelle), as PypeIt does, else by place along the slit."""
    name = "ech_order" if "ech_order" in table else "spat_id"
    return [int(one) for one in table[name]]


def _wavelength_solutions(part: _Extension | None) -> dict[int, tuple[float, float]]:
    """RMS and coverage by the number of the slit."""
    if part is None:
        return {}
    table = part.values
    # It was SpatID in earlier versions of PypeIt
    numbers = table["SpatOrderID" if "SpatOrderID" in table else "SpatID"].tolist()
    measures = (table[name].tolist() for name in ("RMS", "IDs_Wave_cov(%)"))
    return {number: (rms, cover) for number, rms, cover in zip(numbers, *measures, strict=True)}


def _column_values(part: _Extension | None, name: str, count: int) -> list[float | None]:
    if part is None:
        return [None] * count
    values = part.values[name]
    if len(values) != count:
        raise ValueError(f"{len(values)} values of {name} for {count} slits")
    # By way of text: 1.6 as a single is no more than the limit 1.6, as numpy compares them
    return [float(str(value)) for value in values]


def _read_image(hdu: HDU) -> np.ndarray:
    import numpy as np

    kind = cards.select_values(hdu.header, ["BITPIX"])["BITPIX"]
    return np.frombuffer(hdu.read_data(), dtype=_FLOATS[int(str(kind))])
