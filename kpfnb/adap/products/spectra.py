"""Extracted spectra: read from PypeIt's spec1d files without PypeIt, and drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PANEL_INCHES = (10.0, 2.6)

# Okabe and Ito's colours, told apart by all eyes
LINE_COLOURS = {"optimal": "#0072B2", "box": "#E69F00", "band": "#A6D4F2"}


@dataclass(frozen=True)
class Extraction:
    """One way of extracting one object; bad pixels are left out.

    Attributes
    ----------
    wavelength : Å, in vacuum and heliocentric where PypeIt was told so (its default)
    flux, sigma : counts (electrons) per pixel, and their standard deviation
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectSpectrum:
    """One object of one exposure.

    Attributes
    ----------
    name : PypeIt's name of the object, as SPAT0176-SLIT0175-DET01
    file : the raw file
    snr : signal-to-noise ratio per pixel (PypeIt's median); None where it is not known
    extractions : "optimal" and "box", those that there are
    """

    name: str
    file: str
    target: str
    snr: float | None
    extractions: dict[str, Extraction]


def read_spectra(path: Path) -> list[ObjectSpectrum]:
    """The spectra of a spec1d file, in its order. OSError where it can't be read."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        header = hdus[0].header
        tables = [hdu for hdu in hdus[1:] if hdu.header.get("DMODCLS") == "SpecObj"]
        return [_parse_spectrum(table, header) for table in tables]


def plot_spectra(spectra: Sequence[ObjectSpectrum], most: int = 12) -> Figure:
    """A panel for each spectrum, with its error band; of more than `most` those of best signal."""
    return hover_plot_spectra(spectra, most).figure


def hover_plot_spectra(spectra: Sequence[ObjectSpectrum], most: int = 12) -> HoverFigure:
    """The same, and what is at the mouse: the object, its exposure, and the pixel's values."""
    from matplotlib.figure import Figure

    drawable = [spectrum for spectrum in spectra if spectrum.extractions]
    shown = _select_best(drawable, most)
    picture = Figure(
        figsize=(PANEL_INCHES[0], PANEL_INCHES[1] * max(len(shown), 1)), layout="constrained"
    )
    if not shown:
        picture.text(0.5, 0.5, "no spectrum was extracted", ha="center", va="center")
        return HoverFigure(picture)
    told: dict[Axes, TooltipFunction] = {}
    for axes, spectrum in zip(picture.subplots(len(shown), squeeze=False).flat, shown, strict=True):
        _draw_spectrum(axes, spectrum)
        told[axes] = _spectrum_tooltip(spectrum)
    if len(shown) < len(drawable):
        picture.suptitle(f"{len(shown)} of {len(drawable)} spectra: those of best signal")
    return HoverFigure(picture, told)


def _spectrum_tooltip(spectrum: ObjectSpectrum) -> TooltipFunction:
    kind, best = next(iter(spectrum.extractions.items()))

    def text(pixel: int) -> str:
        flux, sigma = best.flux[pixel], best.sigma[pixel]
        signal = f", S/N {flux / sigma:.1f}" if sigma > 0 else ""
        values = f"{best.wavelength[pixel]:.1f} Å: {flux:.4g} ± {sigma:.2g} counts{signal}"
        return f"{spectrum.target} ({spectrum.file})\n{spectrum.name}\n{kind} {values}"

    return figures.curve_tooltip(best.wavelength, text)


def _parse_spectrum(table: Any, header: Any) -> ObjectSpectrum:
    found = {
        kind: _read_extraction(table.data, prefix) for kind, prefix in _COLUMN_PREFIXES.items()
    }
    return ObjectSpectrum(
        name=table.name,
        file=str(header.get("FILENAME", "")),
        target=str(header.get("TARGET", "")),
        snr=float(table.header["S2N"]) if "S2N" in table.header else None,
        extractions={kind: extraction for kind, extraction in found.items() if extraction},
    )


_COLUMN_PREFIXES = {"optimal": "OPT", "box": "BOX"}


def _read_extraction(data: Any, prefix: str) -> Extraction | None:
    """The columns of one extraction; None where it is not there or has no good pixel."""
    import numpy as np

    names = [f"{prefix}_{name}" for name in ("WAVE", "COUNTS", "COUNTS_SIG", "MASK")]
    if not set(names) <= set(data.names):
        return None
    wavelength, flux, sigma, mask = (np.array(data[name]) for name in names)
    # PypeIt gives pixels that it could not calibrate the wavelength 0
    good = mask.astype(bool) & (wavelength > 0) & np.isfinite(flux) & np.isfinite(sigma)
    if not good.any():
        return None
    return Extraction(*(np.asarray(a[good], dtype=float) for a in (wavelength, flux, sigma)))


def _select_best(spectra: Sequence[ObjectSpectrum], most: int) -> list[ObjectSpectrum]:
    """At most so many, those of best signal, in the order in which they were given."""
    best = sorted(spectra, key=lambda spectrum: -(spectrum.snr or 0))[:most]
    return [spectrum for spectrum in spectra if any(spectrum is chosen for chosen in best)]


def _draw_spectrum(axes: Axes, spectrum: ObjectSpectrum) -> None:
    found = spectrum.extractions
    if "optimal" in found:
        best = found["optimal"]
        axes.plot(
            best.wavelength,
            best.flux,
            color=LINE_COLOURS["optimal"],
            lw=0.6,
            zorder=3,
            label="optimal",
        )
        axes.fill_between(
            best.wavelength,
            best.flux - best.sigma,
            best.flux + best.sigma,
            color=LINE_COLOURS["band"],
            lw=0,
            label="optimal ± 1 σ",
        )
    if "box" in found:
        box = found["box"]
        axes.plot(
            box.wavelength, box.flux, color=LINE_COLOURS["box"], lw=0.5, zorder=2, label="box"
        )
    axes.set_ylim(*_flux_limits(spectrum.extractions.values()))
    axes.margins(x=0.01)
    signal = f", S/N {spectrum.snr:.1f}" if spectrum.snr is not None else ""
    # Names come from headers: a dollar sign in one is no formula
    title = f"{spectrum.target} ({spectrum.file}), {spectrum.name}{signal}"
    axes.set_title(title.replace("$", r"\$"), fontsize="medium", loc="left")
    axes.set_xlabel("wavelength (Å)")
    axes.set_ylabel("counts per pixel")
    axes.legend(fontsize="small", loc="upper right", ncols=3, frameon=False)


def _flux_limits(extractions: Iterable[Extraction]) -> tuple[float, float]:
    """Limits that a few cosmic rays do not set; room above for the legend."""
    import numpy as np

    flux = np.concatenate([extraction.flux for extraction in extractions])
    low, high = np.percentile(flux, [0.5, 99.5])
    height = (high - low) or 1.0
    return float(low - 0.1 * height), float(high + 0.35 * height)
