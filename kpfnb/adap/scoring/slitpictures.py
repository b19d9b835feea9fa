"""PypeIt's QA pictures of one slit, found by their names: of its calibration and its exposure."""

from __future__ import annotations

import glob
from pathlib import Path

from kpfnb.adap.reducing import gallery
from kpfnb.adap.reducing.products import SCIENCE
from kpfnb.adap.scoring.scoreslits import ScoredSlit

CALIBRATIONS = ("Arc_1dfit", "Arc_tilts_2d")
"""Those that show why a slit is bad, of the calibrations' many."""


def find(reduce_folder: Path, scored: ScoredSlit) -> list[Path]:
    """The pictures of a slit, by name; none where the folder QA is packed or was not brought.

    PypeIt ends their names with DET01_S0175 and a word, and begins those of an exposure as its
    products.
    """
    detector, _, number = scored.slit.name.partition(":")
    slit = f"{detector}_S{int(number):04}"
    exposure = scored.spec2d.removeprefix("spec2d_").removesuffix(".fits")
    found = []
    for spec2d in reduce_folder.glob(f"*/{SCIENCE}/{glob.escape(scored.spec2d)}"):
        for path in gallery.pictures(spec2d.parents[1]):
            is_own = path.name.startswith((*CALIBRATIONS, exposure))
            if is_own and (f"{slit}_" in path.name or f"{slit}." in path.name):
                found.append(path)
    return found
