"""What PypeIt made of a stack, judged by what is in it: pixels and spectra, not files alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb import fitsheader
from kpfnb.adap.coadding.coaddverdicts import Coadd
from kpfnb.adap.reducing import products, spectra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "Science_coadd"
"""PypeIt's folder of the products."""
PARTS = ("SCIIMG", "SKYMODEL", "BPMMASK", "SLITS", "DETECTOR")
"""Extensions that each detector of a spec2d has; PypeIt writes the last one last."""


def judge(
    output: Path, coadd: Coadd, basename: str, detectors: Sequence[str], failure: str
) -> Coadd:
    """The coadd with its products, or with the reason why it is none.

    It is one where the command did not fail, its spec2d is whole and has good pixels in each
    detector, and its spec1d is whole and has an object with good pixels.

    Parameters
    ----------
    output : the folder of the coadds
    basename : of the products
    detectors : those that were to be stacked
    failure : why the command failed; '' where it did not
    """
    spec2d, spec1d = (output / FOLDER / f"{kind}_{basename}.fits" for kind in ("spec2d", "spec1d"))
    if reason := failure or _defect_2d(spec2d, detectors) or _defect_1d(spec1d):
        return replace(coadd, reason=reason)
    count, ratio = products.objects(spec1d)
    names = tuple(str(path.relative_to(output)) for path in (spec2d, spec1d))
    return replace(coadd, products=names, objects=count, snr=ratio)


def defect(path: Path) -> str:
    """Why the spec1d or spec2d of a stack is not whole, by its headers; '' where it is."""
    if path.name.startswith("spec1d_"):
        return products.defect(path)
    if wrong := fitsheader.defect(path):
        return wrong
    # How many extensions there are, its header tells of the first exposure, not of the stack
    there = {hdu.name for hdu in fitsheader.hdus(path)}
    parts = [f"{name}-{part}" for name in _detectors(path) for part in PARTS]
    lacking = [part for part in parts if part not in there]
    return f"cut off: it has no {lacking[0]}" if lacking else ""


def images(spec2d: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The name of each detector of a spec2d file, and its sky-subtracted image.

    Arrays of (spatial, spectral) pixels, counts; masked pixels are NaN.

    Raises
    ------
    OSError : the file can't be read
    KeyError, ValueError : it is no spec2d, or a part of it is missing
    """
    import numpy as np
    from astropy.io import fits

    with fits.open(spec2d, memmap=False) as hdus:
        for name in [hdu.name for hdu in hdus if hdu.name.endswith("-SCIIMG")]:
            detector = name.removesuffix("-SCIIMG")
            image = np.asarray(hdus[name].data, dtype=float) - hdus[f"{detector}-SKYMODEL"].data
            image[hdus[f"{detector}-BPMMASK"].data != 0] = np.nan
            yield detector, image.T


def listed(value: Any) -> list[str]:
    """The parts of a value that lists some, as `DET01:175, DET02:20`."""
    return [part for one in str(value).split(",") if (part := one.strip().strip("[]\"'"))]


def _defect_2d(path: Path, detectors: Sequence[str]) -> str:
    import numpy as np

    if not path.is_file():
        return "PypeIt wrote no spec2d of it"
    if wrong := defect(path):
        return f"its spec2d is {wrong}"
    if missing := sorted(set(detectors) - set(_detectors(path))):
        return f"{', '.join(missing)} not in its spec2d"
    try:
        good = {name for name, image in images(path) if np.isfinite(image).any()}
    except (OSError, ValueError) as error:
        return f"its spec2d can't be read: {error}"
    if empty := sorted(set(detectors) - good):
        return f"no good pixel in {', '.join(empty)} of its spec2d"
    return ""


def _detectors(spec2d: Path) -> list[str]:
    return listed(fitsheader.read(spec2d, ["ALLSPEC2D_DETS"]).get("ALLSPEC2D_DETS", ""))


def _defect_1d(path: Path) -> str:
    if not path.is_file():
        return "no spec1d: PypeIt found no object in the stack"
    if wrong := defect(path):
        return f"its spec1d is {wrong}"
    try:
        found = spectra.read(path)
    except OSError as error:
        return f"its spec1d can't be read: {error}"
    if not found:
        return "its spec1d has no object"
    good = any(one.extractions for one in found)
    return "" if good else "its spec1d has no object with a good pixel"
