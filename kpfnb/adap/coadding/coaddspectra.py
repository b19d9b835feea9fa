"""Coadded spectra: read from PypeIt's files of one spectrum, without PypeIt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import fitscards, fitsheader, fitstable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE = "SPECTRUM"


@dataclass(frozen=True)
class CoaddedSpectrum:
    """One coadd; bad pixels are left out.

    Attributes
    ----------
    wavelength : Å
    flux, sigma : 1e-17 erg/s/cm²/Å where it is `fluxed`, else counts, and the standard deviation
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]
    fluxed: bool

    @property
    def snr(self) -> float | None:
        """The median signal-to-noise ratio per pixel; None where there is no pixel."""
        import numpy as np

        return float(np.median(self.flux / self.sigma)) if len(self.flux) else None


def defect(path: Path) -> str:
    """Why there is no coadded spectrum in a file, in a few words; '' where there is one."""
    if wrong := fitsheader.defect(path):
        return wrong
    try:
        return "" if len(read(path).wavelength) else "without a good pixel"
    except (ValueError, KeyError):
        return "without a spectrum"


def read(path: Path) -> CoaddedSpectrum:
    """The spectrum of a coadd.

    Raises
    ------
    BadHeader : the file can't be read
    ValueError : there is no spectrum in it
    """
    import numpy as np

    for hdu in fitsheader.hdus(path):
        if hdu.name != TABLE:
            continue
        table = fitstable.read(hdu)
        flux, ivar = (np.asarray(table[name], dtype=float) for name in ("flux", "ivar"))
        wavelength = np.asarray(table["wave"], dtype=float)
        good = (table["mask"] > 0) & (ivar > 0) & (wavelength > 0) & np.isfinite(flux)
        header = fitscards.values(fitscards.parse(hdu.header))
        return CoaddedSpectrum(
            wavelength[good], flux[good], ivar[good] ** -0.5, header.get("FLUXED") is True
        )
    raise ValueError(f"{path} has no table {TABLE}")
