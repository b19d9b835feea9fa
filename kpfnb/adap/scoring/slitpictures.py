"""PypeIt's QA pictures of one slit, found by their names: of its calibration and its exposure."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from kpfnb.adap.reducing import gallery, qatar
from kpfnb.adap.reducing.products import SCIENCE
from kpfnb.adap.scoring.scoreslits import ScoredSlit

CALIBRATIONS = ("Arc_1dfit", "Arc_tilts_2d")
"""Those that show why a slit is bad, of the calibrations' many."""


def find(slits: Iterable[tuple[Path, ScoredSlit]]) -> list[list[Path]]:
    """The pictures of each slit, by name; none where there is neither QA nor its archive.

    PypeIt ends their names with DET01_S0175 and a word, and begins those of an exposure as its
    products. An archive that can't be read is named in their place.

    slits : the folder of the reduction, and the slit
    """
    # An archive is read to its end to be listed: once for all of its slits
    listed = cache(gallery.pictures)
    return [_of_slit(folder, scored, listed) for folder, scored in slits]


def _of_slit(
    reduce_folder: Path, scored: ScoredSlit, listed: Callable[[Path], list[Path]]
) -> list[Path]:
    detector, _, number = scored.slit.name.partition(":")
    slit = f"{detector}_S{int(number):04}"
    exposure = scored.spec2d.removeprefix("spec2d_").removesuffix(".fits")
    found = []
    for spec2d in reduce_folder.glob(f"*/{SCIENCE}/{glob.escape(scored.spec2d)}"):
        for path in listed(spec2d.parents[1]):
            is_own = path.name.startswith((*CALIBRATIONS, exposure))
            is_own &= f"{slit}_" in path.name or f"{slit}." in path.name
            if is_own or path.name == qatar.ARCHIVE:
                found.append(path)
    return found
