"""What became of one exposure, and of one coadd."""

from __future__ import annotations

from dataclasses import dataclass

NO_STANDARD = "no reduced standard star of its configuration: counts, not fluxes"
"""Why a spectrum is not calibrated where nothing can be done about it."""


@dataclass(frozen=True)
class Frame:
    """What became of one exposure that was to be coadded.

    Attributes
    ----------
    file : night and raw file
    flux : what its flux was calibrated with; '' where it was not
    reason : why it is not in the coadds as it should be; '' where it is
    """

    file: str
    kind: str
    target: str
    flux: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Coadd:
    """One coadd, of an object's spectra or of a target's images.

    Attributes
    ----------
    name : of the product
    frames : night and raw file of each exposure
    products : below the output: the spectrum, or the spec2d and the spec1d
    snr : signal-to-noise ratio per pixel: the median, of images that of the best object
    objects : how many spectra are in the product
    fluxed : whether it is a flux, not counts
    excluded : slits that were left out
    skipped : detectors without a good slit
    reason : why it was not made; '' where it was
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
    def good(self) -> bool:
        """True where it was made."""
        return not self.reason
