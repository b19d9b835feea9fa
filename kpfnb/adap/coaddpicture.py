"""Pictures of coadds: the spectra, and the stacked images of each detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap import coaddspectra, spectra
from kpfnb.adap.coaddspectra import CoaddedSpectrum
from kpfnb.adap.coaddtask import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.adap.coadded import Coadd, Coadded

MOST = 12
"""Panels in one picture."""
PANEL_INCHES = (10.0, 2.6)
FLUX, COUNTS = r"flux ($10^{-17}$ erg/s/cm²/Å)", "counts"
MOST_PIXELS = 1000
"""Of an image along its wavelengths: a screen shows no more."""


def figure(coadded: Coadded) -> Figure:
    """A panel for each coadd; of many, those of the best signal. What there is none of is said."""
    made = [one for one in coadded.coadds if one.products]
    best = sorted(made, key=lambda one: -(one.snr or 0))[:MOST]
    shown = [one for one in made if one in best]
    panels = [panel for one in shown for panel in _panels(coadded, one)][:MOST]
    picture = _empty(len(panels))
    if not panels:
        said = "a dry run: nothing is coadded" if coadded.dry_run else "there is no coadd"
        picture.text(0.5, 0.5, said, ha="center", va="center")
        return picture
    for axes, (title, content) in zip(
        picture.subplots(len(panels), squeeze=False).flat, panels, strict=True
    ):
        _draw(axes, content)
        # Names come from headers: a dollar sign in one is no formula
        axes.set_title(title.replace("$", r"\$"), fontsize="medium", loc="left")
    if len(shown) < len(made):
        picture.suptitle(f"{len(shown)} of {len(made)} coadds: those of best signal")
    return picture


def images(spec2d: Path) -> dict[str, Any]:
    """The sky-subtracted image of each detector of a spec2d file, wavelength along the last axis.

    Array of (spatial, spectral) pixels, counts; masked pixels are NaN.
    """
    import numpy as np
    from astropy.io import fits

    found = {}
    with fits.open(spec2d, memmap=False) as hdus:
        for name in [hdu.name for hdu in hdus if hdu.name.endswith("-SCIIMG")]:
            detector = name.removesuffix("-SCIIMG")
            image = np.asarray(hdus[name].data, dtype=float) - hdus[f"{detector}-SKYMODEL"].data
            image[hdus[f"{detector}-BPMMASK"].data != 0] = np.nan
            found[detector] = image.T
    return found


def _panels(coadded: Coadded, one: Coadd) -> list[tuple[str, Any]]:
    signal = f", S/N {one.snr:.1f}" if one.snr is not None else ""
    title = f"{one.target}: {len(one.frames)} exposures"
    path = coadded.output / one.products[0]
    if coadded.kind is Kind.SPECTRA:
        return [(f"{title}, {one.name}{signal}", coaddspectra.read(path))]
    return [(f"{title}, {name}{signal}", image) for name, image in images(path).items()]


def _empty(panels: int) -> Figure:
    from matplotlib.figure import Figure

    size = (PANEL_INCHES[0], PANEL_INCHES[1] * max(panels, 1))
    return Figure(figsize=size, layout="constrained")


def _draw(axes: Axes, content: Any) -> None:
    if isinstance(content, CoaddedSpectrum):
        _draw_spectrum(axes, content)
    else:
        _draw_image(axes, content)


def _draw_spectrum(axes: Axes, one: CoaddedSpectrum) -> None:
    axes.fill_between(
        one.wavelength,
        one.flux - one.sigma,
        one.flux + one.sigma,
        color=spectra.COLOURS["band"],
        lw=0,
        label="± 1 σ",
    )
    axes.plot(one.wavelength, one.flux, color=spectra.COLOURS["optimal"], lw=0.6, label="coadd")
    axes.set_ylim(*_limits(one.flux, (0.5, 99.5), (0.1, 0.3)))
    axes.margins(x=0.01)
    axes.set_xlabel("wavelength (Å)")
    axes.set_ylabel(FLUX if one.fluxed else COUNTS)
    axes.legend(fontsize="small", loc="upper right", ncols=2, frameon=False)


def _draw_image(axes: Axes, image: Any) -> None:
    step = max(image.shape[1] // MOST_PIXELS, 1)
    shown = image[:, ::step]
    low, high = _limits(shown, (2, 98), (0, 0))
    drawn = axes.imshow(
        shown,
        origin="lower",
        aspect="auto",
        cmap="cividis",
        vmin=low,
        vmax=high,
        extent=(0, image.shape[1], 0, image.shape[0]),
        interpolation="nearest",
    )
    axes.set_xlabel("spectral pixel")
    axes.set_ylabel("spatial pixel")
    bar = axes.figure.colorbar(drawn, ax=axes, pad=0.01)
    bar.set_label("counts")


def _limits(
    values: Any, percentiles: Sequence[float], room: Sequence[float]
) -> tuple[float, float]:
    """Limits that a few bad pixels do not set, with room below and above."""
    import numpy as np

    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0, 1.0
    low, high = np.percentile(good, percentiles)
    height = (high - low) or 1.0
    return float(low - room[0] * height), float(high + room[1] * height)
