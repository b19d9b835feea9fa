"""The products of coadding: read without PypeIt, and evaluated by their pixels and spectra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction, spectra
from kpfnb.core.fits import cards, headers, tables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_STANDARD = "no reduced standard star of its configuration: counts, not fluxes"
"""Why a spectrum is not calibrated if nothing can be done about it."""
SPECTRUM_TABLE = "SPECTRUM"
STACK_FOLDER = "Science_coadd"
"""PypeIt's folder of the products of a stack."""
DETECTOR_EXTENSIONS = ("SCIIMG", "SKYMODEL", "BPMMASK", "SLITS", "DETECTOR")
"""Extensions that each detector of a spec2d has; PypeIt writes the last one last."""


class CoaddKind(StrEnum):
    """What is coadded."""

    SPECTRA = "1d"
    IMAGES = "2d"

    @property
    def folder(self) -> str:
        """The folder of its products."""
        return "1D_Coadd" if self is CoaddKind.SPECTRA else "2D_Coadd"

    @property
    def input_kind(self) -> str:
        """The kind of PypeIt's input file, which is the suffix of its name."""
        return "collate1d" if self is CoaddKind.SPECTRA else "coadd2d"


@dataclass(frozen=True)
class ExposureResult:
    """The result of one exposure that was to be coadded.

    Attributes
    ----------
    file : night and raw file
    flux : what its flux was calibrated with; '' if it was not calibrated
    reason : why it is not in all of its coadds, or not calibrated; '' if it is
    """

    file: str
    kind: str
    target: str
    flux: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CoaddProduct:
    """One coadd, of an object's spectra or of a target's images.

    Attributes
    ----------
    name : of the product
    frames : night and raw file of each exposure
    products : paths below the output: the spectrum, or the spec2d and the spec1d
    snr : signal-to-noise ratio per pixel: the median; for a stack, of its best object
    objects : the number of spectra in the product
    fluxed : whether it is a flux, not counts
    excluded : slits that were left out
    skipped : detectors without a good slit
    reason : why it was not made; '' if it was
    """

    name: str
    target: str
    frames: tuple[str, ...]
    products: tuple[str, ...] = ()
    snr: float | None = None
    objects: int = 0
    fluxed: bool = False
    excluded: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_made(self) -> bool:
        """True if it exists and is good."""
        return not self.reason


@dataclass(frozen=True)
class CoaddSpectrum:
    """The spectrum of a 1D coadd, without bad pixels.

    Attributes
    ----------
    wavelength : Å
    flux, sigma : 1e-17 erg/s/cm²/Å if it is `fluxed`, else counts; and the standard deviation
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]
    fluxed: bool

    @property
    def snr(self) -> float | None:
        """The median signal-to-noise ratio per pixel; None if there is no pixel."""
        import numpy as np

        return float(np.median(self.flux / self.sigma)) if len(self.flux) else None


def read_spectrum(path: Path) -> CoaddSpectrum:
    """The spectrum of a coadd.

    Raises
    ------
    InvalidHeaderError : the file can't be read
    ValueError : there is no spectrum in it
    """
    import numpy as np

    for hdu in headers.iterate_hdus(path):
        if hdu.name != SPECTRUM_TABLE:
            continue
        table = tables.read_table(hdu)
        flux, ivar = (np.asarray(table[name], dtype=float) for name in ("flux", "ivar"))
        wavelength = np.asarray(table["wave"], dtype=float)
        good = (table["mask"] > 0) & (ivar > 0) & (wavelength > 0) & np.isfinite(flux)
        header = cards.values_by_keyword(cards.parse_cards(hdu.header))
        return CoaddSpectrum(
            wavelength[good], flux[good], ivar[good] ** -0.5, header.get("FLUXED") is True
        )
    raise ValueError(f"{path} has no table {SPECTRUM_TABLE}")


def find_spectrum_defect(path: Path) -> str:
    """Why a file has no coadded spectrum, in a few words; '' if it has one."""
    if defect := headers.find_defect(path):
        return defect
    try:
        return "" if len(read_spectrum(path).wavelength) else "without a good pixel"
    except (ValueError, KeyError):
        return "without a spectrum"


def evaluate_stack(
    output: Path, coadd: CoaddProduct, basename: str, detectors: Sequence[str], failure: str
) -> CoaddProduct:
    """The coadd with its products, or with the reason why it was not made.

    It is made if the command did not fail, its spec2d is complete and has good pixels in each
    detector, and its spec1d is complete and has an object with good pixels.

    Parameters
    ----------
    output : the folder of the coadds
    basename : of the products
    detectors : those that were to be stacked
    failure : why the command failed; '' if it did not
    """
    folder = output / STACK_FOLDER
    spec2d, spec1d = (folder / f"{kind}_{basename}.fits" for kind in ("spec2d", "spec1d"))
    if reason := failure or _spec2d_reason(spec2d, detectors) or _spec1d_reason(spec1d):
        return replace(coadd, reason=reason)
    count, ratio = reduction.count_objects(spec1d)
    paths = tuple(str(path.relative_to(output)) for path in (spec2d, spec1d))
    return replace(coadd, products=paths, objects=count, snr=ratio)


def find_stack_defect(path: Path) -> str:
    """Why the spec1d or spec2d of a stack is incomplete, by its headers; '' if it is complete."""
    if path.name.startswith("spec1d_"):
        return reduction.product_defect(path)
    if defect := headers.find_defect(path):
        return defect
    # The number of extensions in its header is that of the first exposure, not of the stack
    names = {hdu.name for hdu in headers.iterate_hdus(path)}
    expected = [f"{name}-{part}" for name in _detector_names(path) for part in DETECTOR_EXTENSIONS]
    missing = [name for name in expected if name not in names]
    return f"cut off: it has no {missing[0]}" if missing else ""


def read_stack_images(spec2d: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The name of each detector of a spec2d file, and its sky-subtracted image.

    Arrays of (spatial, spectral) pixels, counts; masked pixels are NaN.

    Raises
    ------
    OSError : the file can't be read
    KeyError, ValueError : it is not a spec2d, or a part of it is missing
    """
    import numpy as np
    from astropy.io import fits

    with fits.open(spec2d, memmap=False) as hdus:
        for name in [hdu.name for hdu in hdus if hdu.name.endswith("-SCIIMG")]:
            detector = name.removesuffix("-SCIIMG")
            image = np.asarray(hdus[name].data, dtype=float) - hdus[f"{detector}-SKYMODEL"].data
            image[hdus[f"{detector}-BPMMASK"].data != 0] = np.nan
            yield detector, image.T


def split_list(value: Any) -> list[str]:
    """The parts of a value that is a list, as `DET01:175, DET02:20`."""
    parts = (part.strip().strip("[]\"'") for part in str(value).split(","))
    return [part for part in parts if part]


def _spec2d_reason(path: Path, detectors: Sequence[str]) -> str:
    """Why a spec2d does not make a coadd; '' if it does."""
    import numpy as np

    if not path.is_file():
        return "PypeIt wrote no spec2d of it"
    if defect := find_stack_defect(path):
        return f"its spec2d is {defect}"
    if missing := sorted(set(detectors) - set(_detector_names(path))):
        return f"{', '.join(missing)} not in its spec2d"
    try:
        good = {name for name, image in read_stack_images(path) if np.isfinite(image).any()}
    except (OSError, ValueError) as error:
        return f"its spec2d can't be read: {error}"
    if empty := sorted(set(detectors) - good):
        return f"no good pixel in {', '.join(empty)} of its spec2d"
    return ""


def _detector_names(spec2d: Path) -> list[str]:
    return split_list(headers.read_header(spec2d, ["ALLSPEC2D_DETS"]).get("ALLSPEC2D_DETS", ""))


def _spec1d_reason(path: Path) -> str:
    """Why a spec1d does not make a coadd; '' if it does."""
    if not path.is_file():
        return "no spec1d: PypeIt found no object in the stack"
    if defect := find_stack_defect(path):
        return f"its spec1d is {defect}"
    try:
        extracted = spectra.read_spectra(path)
    except OSError as error:
        return f"its spec1d can't be read: {error}"
    if not extracted:
        return "its spec1d has no object"
    is_good = any(spectrum.extractions for spectrum in extracted)
    return "" if is_good else "its spec1d has no object with a good pixel"
