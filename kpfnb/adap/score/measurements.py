"""What PypeIt measured of slits and objects, read from its spec2d and spec1d without PypeIt.

A spec2d has a group of extensions for each detector or mosaic, as DET01-SLITS. Only the tables of
the slits and their measures are read, no image. Of a spec1d only the headers are read.
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

    from kpfnb.core.fits.cards import HeaderValue
    from kpfnb.core.fits.headers import HDU

SPEC2D_KEYWORDS = ("ALLSPEC2D_DETS", "DATE-RDX", "VERSPYP")
SLIT_TABLES = ("SLITS", "WAVESOL", "SCI_SPEC_FLEXURE")
SLIT_IMAGES = ("MED_CHIS", "STD_CHIS")
MAX_BITS = 64
OBJECT_KEYWORDS = ("DMODCLS", "TFIELDS", "NAME", "WAVE_RMS", "FLEX_SHIFT_TOTAL", "MASKDEF_EXTRACT")
_FLOATS = {-32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Slit:
    """One slit, or order, of one detector or mosaic.

    Attributes
    ----------
    name : as DET01:175, with PypeIt's number of the slit
    rms : of the wavelength solution, in pixels; None without a solution
    coverage : part of the spectral range covered by arc lines, in %; None without a solution
    std_chi : standard deviation of the residuals over their noise; None if not measured
    flexure : spectral, in pixels; None if not measured
    flags : PypeIt's flags, for example BADWVCALIB
    """

    name: str
    rms: float | None = None
    coverage: float | None = None
    std_chi: float | None = None
    flexure: float | None = None
    flags: frozenset[str] = frozenset()

    @property
    def detector(self) -> str:
        """DET01 or MSC02, for example."""
        return self.name.partition(":")[0]


@dataclass(frozen=True)
class Spec2dSummary:
    """The slits of a spec2d, and how it was reduced.

    Attributes
    ----------
    detectors : their names
    reduction_date : as 2026-01-31; '' if unknown
    version : of PypeIt; '' if unknown
    """

    detectors: tuple[str, ...] = ()
    slits: tuple[Slit, ...] = ()
    reduction_date: str = ""
    version: str = ""


EMPTY_SUMMARY = Spec2dSummary()


def read_slits(path: Path) -> Spec2dSummary:
    """The slits of a spec2d. `InvalidInputError` if it is not one, or damaged."""
    header: dict[str, HeaderValue] = {}
    extensions: dict[str, dict[str, _Extension]] = {}
    try:
        for number, hdu in enumerate(headers.iterate_hdus(path)):
            if not number:
                header = cards.select_values(hdu.header, SPEC2D_KEYWORDS)
            detector, _, name = hdu.name.partition("-")
            if name in SLIT_TABLES:
                values = tables.read_table(hdu)
            elif name in SLIT_IMAGES:
                values = {name: _read_image(hdu)}
            else:
                continue
            extensions.setdefault(detector, {})[name] = _Extension(hdu.header, values)
        detectors = tuple(name for name in str(header.get("ALLSPEC2D_DETS", "")).split(",") if name)
        slits = [
            slit for name in detectors for slit in _measure_slits(name, extensions.get(name, {}))
        ]
    except (KeyError, ValueError) as error:
        raise InvalidInputError(
            f"{path} is not a spec2d of PypeIt: {error}", "reduce its frame again"
        ) from error
    date, version = (str(header.get(name) or "") for name in ("DATE-RDX", "VERSPYP"))
    return Spec2dSummary(detectors, tuple(slits), date, version)


class _Extension(NamedTuple):
    """One extension: its header and its values by column."""

    header: RawHeader
    values: TableColumns


def _measure_slits(detector: str, extensions: dict[str, _Extension]) -> list[Slit]:
    if "SLITS" not in extensions:
        raise ValueError(f"{detector} has no slits")
    bits = _mask_bits(extensions["SLITS"].header)
    table = extensions["SLITS"].values
    numbers = _slit_numbers(table)
    solutions = _wavelength_solutions(extensions.get("WAVESOL"))
    # Rows of the other measures are in the order of the slits
    flexure, median, spread = (
        _column_values(extensions.get(extension), column, len(numbers))
        for extension, column in (
            ("SCI_SPEC_FLEXURE", "sci_spec_flexure"),
            ("MED_CHIS", "MED_CHIS"),
            ("STD_CHIS", "STD_CHIS"),
        )
    )
    slits = []
    for row, number in enumerate(numbers):
        rms, coverage = solutions.get(number, (0.0, None))
        has_chi = spread[row] is not None and (spread[row] or median[row])
        slits.append(
            Slit(
                f"{detector}:{number}",
                rms=rms or None,
                coverage=coverage if rms else None,
                std_chi=spread[row] if has_chi else None,
                flexure=flexure[row],
                flags=frozenset(name for bit, name in bits if int(table["mask"][row]) >> bit & 1),
            )
        )
    return slits


def _mask_bits(header: RawHeader) -> list[tuple[int, str]]:
    """The number and name of each bit of the mask, by the file itself for any PypeIt version."""
    values = cards.select_values(header, [f"BIT{bit:02}" for bit in range(MAX_BITS)])
    return [(int(key[3:]), str(name)) for key, name in values.items()]


def _slit_numbers(table: TableColumns) -> list[int]:
    """PypeIt's numbers: the order for an echelle spectrograph, else the position of the slit."""
    column = "ech_order" if "ech_order" in table else "spat_id"
    return [int(number) for number in table[column]]


def _wavelength_solutions(extension: _Extension | None) -> dict[int, tuple[float, float]]:
    """RMS and coverage by the number of the slit."""
    if extension is None:
        return {}
    table = extension.values
    # Earlier versions of PypeIt name the column SpatID
    numbers = table["SpatOrderID" if "SpatOrderID" in table else "SpatID"].tolist()
    measures = (table[name].tolist() for name in ("RMS", "IDs_Wave_cov(%)"))
    return {number: (rms, cover) for number, rms, cover in zip(numbers, *measures, strict=True)}


def _column_values(extension: _Extension | None, name: str, count: int) -> list[float | None]:
    if extension is None:
        return [None] * count
    values = extension.values[name]
    if len(values) != count:
        raise ValueError(f"{len(values)} values of {name} for {count} slits")
    # Converted by way of text: a single-precision 1.6 must not exceed the limit 1.6
    return [float(str(value)) for value in values]


def _read_image(hdu: HDU) -> np.ndarray:
    import numpy as np

    bits = cards.select_values(hdu.header, ["BITPIX"])["BITPIX"]
    return np.frombuffer(hdu.read_data(), dtype=_FLOATS[int(str(bits))])


@dataclass(frozen=True)
class ExtractedObject:
    """How one object was extracted.

    Attributes
    ----------
    name : PypeIt's, as SPAT0176-SLIT0175-DET01
    rms : of the wavelength solution, in pixels; None if unknown
    flexure : spectral, in pixels; None if unknown
    optimal, box : whether there is such an extraction
    from_mask : whether it was extracted at the position of the mask's design, without detection
    """

    name: str
    rms: float | None
    flexure: float | None
    optimal: bool
    box: bool
    from_mask: bool


def read_objects(path: Path) -> list[ExtractedObject]:
    """The objects of a spec1d, in its order. `InvalidInputError` if it can't be read."""
    objects = [_parse_object(hdu.header) for hdu in headers.iterate_hdus(path)]
    return [entry for entry in objects if entry]


def _parse_object(header: RawHeader) -> ExtractedObject | None:
    values = cards.select_values(header, OBJECT_KEYWORDS)
    if values.get("DMODCLS") != "SpecObj":
        return None
    titles = [f"TTYPE{number}" for number in range(1, int(str(values["TFIELDS"])) + 1)]
    columns = set(cards.select_values(header, titles).values())
    return ExtractedObject(
        name=str(values.get("NAME", "")),
        rms=_as_float(values.get("WAVE_RMS")),
        flexure=_as_float(values.get("FLEX_SHIFT_TOTAL")),
        optimal="OPT_COUNTS" in columns,
        box="BOX_COUNTS" in columns,
        from_mask=values.get("MASKDEF_EXTRACT") is True,
    )


def _as_float(value: HeaderValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None
