"""Extracted spectra: read from PypeIt's spec1d files without PypeIt, and their plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import palette
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PANEL_INCHES = (10.0, 2.6)

# The palette of Okabe and Ito, which colour-blind people can distinguish
LINE_COLOURS = {"optimal": palette.BLUE, "box": palette.ORANGE, "band": palette.PALE_BLUE}

_COLUMN_PREFIXES = {"optimal": "OPT", "box": "BOX"}


@dataclass(frozen=True)
class Extraction:
    """One extraction of one object, without bad pixels.

    Attributes
    ----------
    wavelength : Å, in vacuum and heliocentric with PypeIt's default parameters
    flux, sigma : counts (electrons) per pixel, and their standard deviation
    """

    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectSpectrum:
    """The spectrum of one object in one exposure.

    Attributes
    ----------
    name : PypeIt's name of the object, for example SPAT0176-SLIT0175-DET01
    file : the raw file
    snr : signal-to-noise ratio per pixel (PypeIt's median); None if unknown
    extractions : "optimal" and "box", if present
    """

    name: str
    file: str
    target: str
    snr: float | None
    extractions: dict[str, Extraction]


def read_spectra(path: Path) -> list[ObjectSpectrum]:
    """The spectra of a spec1d file, in its order. OSError if it can't be read."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        header = hdus[0].header
        tables = [hdu for hdu in hdus[1:] if hdu.header.get("DMODCLS") == "SpecObj"]
        return [_parse_spectrum(table, header) for table in tables]


def plot_spectra(spectra: Sequence[ObjectSpectrum], max_count: int = 12) -> Figure:
    """A panel for each spectrum, with its error band; at most `max_count`, the best."""
    return hover_plot_spectra(spectra, max_count).figure


def hover_plot_spectra(spectra: Sequence[ObjectSpectrum], max_count: int = 12) -> HoverFigure:
    """The plot with tooltips: the object, its exposure, and the values of the pixel."""
    from matplotlib.figure import Figure

    drawable = [spectrum for spectrum in spectra if spectrum.extractions]
    shown = _select_best(drawable, max_count)
    figure = Figure(
        figsize=(PANEL_INCHES[0], PANEL_INCHES[1] * max(len(shown), 1)), layout="constrained"
    )
    if not shown:
        figure.text(0.5, 0.5, "no spectrum was extracted", ha="center", va="center")
        return HoverFigure(figure)
    tooltips: dict[Axes, TooltipFunction] = {}
    for axes, spectrum in zip(figure.subplots(len(shown), squeeze=False).flat, shown, strict=True):
        _draw_spectrum(axes, spectrum)
        tooltips[axes] = _spectrum_tooltip(spectrum)
    if len(shown) < len(drawable):
        figure.suptitle(f"{len(shown)} of {len(drawable)} spectra, those with the best signal")
    return HoverFigure(figure, tooltips)


def _spectrum_tooltip(spectrum: ObjectSpectrum) -> TooltipFunction:
    kind, extraction = next(iter(spectrum.extractions.items()))

    def describe_pixel(pixel: int) -> str:
        flux, sigma = extraction.flux[pixel], extraction.sigma[pixel]
        signal = f", S/N {flux / sigma:.1f}" if sigma > 0 else ""
        values = f"{extraction.wavelength[pixel]:.1f} Å: {flux:.4g} ± {sigma:.2g} counts{signal}"
        return f"{spectrum.target} ({spectrum.file})\n{spectrum.name}\n{kind} {values}"

    return figures.curve_tooltip(extraction.wavelength, describe_pixel)


def _parse_spectrum(table: Any, header: Any) -> ObjectSpectrum:
    extractions = {
        kind: _read_extraction(table.data, prefix) for kind, prefix in _COLUMN_PREFIXES.items()
    }
    return ObjectSpectrum(
        name=table.name,
        file=str(header.get("FILENAME", "")),
        target=str(header.get("TARGET", "")),
        snr=float(table.header["S2N"]) if "S2N" in table.header else None,
        extractions={kind: extraction for kind, extraction in extractions.items() if extraction},
    )


def _read_extraction(data: Any, prefix: str) -> Extraction | None:
    """The columns of one extraction; None if they are missing or have no good pixel."""
    import numpy as np

    names = [f"{prefix}_{name}" for name in ("WAVE", "COUNTS", "COUNTS_SIG", "MASK")]
    if not set(names) <= set(data.names):
        return None
    wavelength, flux, sigma, mask = (np.array(data[name]) for name in names)
    # PypeIt sets the wavelength of pixels that it could not calibrate to 0
    good = mask.astype(bool) & (wavelength > 0) & np.isfinite(flux) & np.isfinite(sigma)
    if not good.any():
        return None
    return Extraction(*(np.asarray(a[good], dtype=float) for a in (wavelength, flux, sigma)))


def _select_best(spectra: Sequence[ObjectSpectrum], max_count: int) -> list[ObjectSpectrum]:
    """The spectra with the best signal, in their original order."""
    best = sorted(spectra, key=lambda spectrum: -(spectrum.snr or 0))[:max_count]
    return [spectrum for spectrum in spectra if any(spectrum is chosen for chosen in best)]


def _draw_spectrum(axes: Axes, spectrum: ObjectSpectrum) -> None:
    if optimal := spectrum.extractions.get("optimal"):
        axes.plot(
            optimal.wavelength,
            optimal.flux,
            color=LINE_COLOURS["optimal"],
            lw=0.6,
            zorder=3,
            label="optimal",
        )
        axes.fill_between(
            optimal.wavelength,
            optimal.flux - optimal.sigma,
            optimal.flux + optimal.sigma,
            color=LINE_COLOURS["band"],
            lw=0,
            label="optimal ± 1 σ",
        )
    if box := spectrum.extractions.get("box"):
        axes.plot(
            box.wavelength, box.flux, color=LINE_COLOURS["box"], lw=0.5, zorder=2, label="box"
        )
    axes.set_ylim(*_flux_limits(spectrum.extractions.values()))
    axes.margins(x=0.01)
    signal = f", S/N {spectrum.snr:.1f}" if spectrum.snr is not None else ""
    title = f"{spectrum.target} ({spectrum.file}), {spectrum.name}{signal}"
    axes.set_title(figures.escape_mathtext(title), fontsize="medium", loc="left")
    axes.set_xlabel("wavelength (Å)")
    axes.set_ylabel("counts per pixel")
    axes.legend(fontsize="small", loc="upper right", ncols=3, frameon=False)


def _flux_limits(extractions: Iterable[Extraction]) -> tuple[float, float]:
    """Axis limits that ignore a few cosmic rays, with space above for the legend."""
    import numpy as np

    flux = np.concatenate([extraction.flux for extraction in extractions])
    low, high = np.percentile(flux, [0.5, 99.5])
    height = (high - low) or 1.0
    return float(low - 0.1 * height), float(high + 0.35 * height)
