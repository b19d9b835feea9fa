"""The flags of the DRP's quality control: the step that sets each, and for which exposures.

The facts are those of the pipeline's quality control, read in its tags v2.6.0 to v2.12.1. Since
which version a flag is written is in the catalogue of keywords.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from kpfnb.kpf.files.keywords import read_package_table

ALL_SPECTRA = "all"


class QualityFlag(NamedTuple):
    """One flag.

    Attributes
    ----------
    level : L0, 2D, L1 or L2: whose data are judged. No L0 file has a flag: those of the L0 are
        written into the 2D, and are in the L1 and L2 too
    spectra : kinds of exposure that are judged, as the pipeline names them (Bias, Dark, Flat, Wide
        Flat, LFC, Etalon, ThAr, UNe, Sun, Star); or `ALL_SPECTRA`
    products : what the file must have: Green, Red, CaHK, ExpMeter, Guider
    note : what else to know of its values
    """

    name: str
    level: str
    spectra: tuple[str, ...]
    products: tuple[str, ...]
    note: str

    def applies_to(self, spectrum: str) -> bool:
        """Whether the pipeline judges this kind of exposure."""
        return self.spectra == (ALL_SPECTRA,) or spectrum in self.spectra


@cache
def read_quality_flags() -> dict[str, QualityFlag]:
    """All flags by keyword."""
    return {
        row["name"]: QualityFlag(
            row["name"],
            row["level"],
            _split_list(row["spectra"]),
            _split_list(row["products"]),
            row["note"],
        )
        for row in read_package_table("quality_flags.csv")
    }


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in text.split(";"))))
