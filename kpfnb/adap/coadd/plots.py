"""Plots of coadds: the spectra, and the stacked images of each detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd import products
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.products import CoaddKind, CoaddProduct
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.run import CombinedCoaddResult
from kpfnb.adap.products import spectra
from kpfnb.core import palette
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction, register_plot

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MAX_PANELS = 12
"""The most panels in one figure."""
PANEL_INCHES = (10.0, 2.6)
FLUX, COUNTS = r"flux ($10^{-17}$ erg/s/cm²/Å)", "counts"
MAX_PIXELS = 1000
"""The most pixels of an image along the wavelength axis: a screen shows no more."""
LINE_COLOURS = (palette.BLUE, palette.ORANGE, palette.GREEN, palette.PURPLE)
"""The palette of Okabe and Ito, which colour-blind people can distinguish."""


@dataclass(frozen=True)
class SpectrumLine:
    """A spectrum in a panel: wavelength (Å), flux and its standard deviation."""

    label: str
    wavelength: NDArray[np.float64]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]


@dataclass(frozen=True)
class CoaddPanel:
    """One panel: spectra, or an image of (spatial, spectral) pixels."""

    title: str
    lines: tuple[SpectrumLine, ...] = ()
    image: Any = None
    unit: str = COUNTS


@register_plot(CoaddResult)
def plot_coadds(result: CoaddResult) -> HoverFigure:
    """The coadds of one kind; in a dry run, what would be coadded."""
    return _plot_parts([result])


@register_plot(CombinedCoaddResult)
def plot_combined_coadds(result: CombinedCoaddResult) -> HoverFigure:
    """The coadds of both kinds, spectra first; in a dry run, what would be coadded."""
    return _plot_parts(result.parts)


def _plot_parts(results: Sequence[CoaddResult]) -> HoverFigure:
    """A panel for each coadd, up to `MAX_PANELS`: those with the best signal-to-noise ratio.

    The mouse shows the coadd or exposure, and the values of the pixel that it is at.
    """
    from matplotlib.figure import Figure

    most = MAX_PANELS // len(results)
    panels = [panel for result in results for panel in _choose_panels(result, most)]
    size = (PANEL_INCHES[0], PANEL_INCHES[1] * max(len(panels), 1))
    figure = Figure(figsize=size, layout="constrained")
    if not panels:
        figure.text(0.5, 0.5, "there is no coadd", ha="center", va="center")
        return HoverFigure(figure)
    tooltips: dict[Axes, TooltipFunction] = {}
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False).flat, panels, strict=True):
        tooltips[axes] = _panel_tooltip(panel)
        if panel.image is None:
            _draw_lines(axes, panel)
        else:
            _draw_image(axes, panel.image)
        axes.set_title(figures.escape_mathtext(panel.title), fontsize="medium", loc="left")
    return HoverFigure(figure, tooltips)


def _panel_tooltip(panel: CoaddPanel) -> TooltipFunction:
    if panel.image is None:
        curves = [
            figures.curve_tooltip(line.wavelength, partial(_pixel_text, line))
            for line in panel.lines
        ]
        return lambda event: "\n".join(filter(None, (curve(event) for curve in curves)))

    def pixel_value(x: float, y: float) -> str:
        row, column = int(y), int(x)
        rows, columns = panel.image.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return ""
        value = panel.image[row, column]
        text = "masked" if value != value else f"{value:.4g} counts"
        return f"{panel.title}\nspectral pixel {column}, spatial pixel {row}: {text}"

    return figures.area_tooltip(pixel_value)


def _pixel_text(line: SpectrumLine, number: int) -> str:
    flux, sigma = line.flux[number], line.sigma[number]
    return f"{line.label}: {line.wavelength[number]:.1f} Å: {flux:.4g} ± {sigma:.2g}"


def _choose_panels(result: CoaddResult, most: int) -> list[CoaddPanel]:
    """At most `most` panels, in the order of the coadds."""
    if result.dry_run:
        return list(_planned_panels(result))[:most]
    shown = [product for product in result.coadds if product.products]
    best = sorted(shown, key=lambda product: -(product.snr or 0))[:most]
    panels = [
        panel for product in shown if product in best for panel in _product_panels(result, product)
    ]
    return panels[:most]


def _product_panels(result: CoaddResult, product: CoaddProduct) -> Iterator[CoaddPanel]:
    signal = f", S/N {product.snr:.1f}" if product.snr is not None else ""
    title = f"{product.target}: {len(product.frames)} exposures"
    path = result.output / product.products[0]
    if result.kind is CoaddKind.IMAGES:
        for detector, image in products.read_stack_images(path):
            yield CoaddPanel(f"{title}, {detector}{signal}", image=image)
        return
    spectrum = products.read_spectrum(path)
    line = SpectrumLine("coadd", spectrum.wavelength, spectrum.flux, spectrum.sigma)
    unit = FLUX if spectrum.fluxed else COUNTS
    yield CoaddPanel(f"{title}, {product.name}{signal}", (line,), unit=unit)


def _planned_panels(result: CoaddResult) -> Iterator[CoaddPanel]:
    """What would be coadded: the best spectrum of each exposure, or the first image."""
    by_name = {exposure.name: exposure for exposure in result.exposures}
    for product in result.coadds:
        exposures = [by_name[name] for name in product.frames]
        title = f"{product.target}: {len(exposures)} exposures, not coadded"
        if result.kind is CoaddKind.IMAGES:
            for detector, image in products.read_stack_images(exposures[0].spec2d):
                if detector in product.skipped:
                    continue
                yield CoaddPanel(f"{title}, {detector} of {exposures[0].file}", image=image)
        else:
            yield CoaddPanel(title, tuple(filter(None, map(_best_spectrum, exposures))))


def _best_spectrum(exposure: ReducedExposure) -> SpectrumLine | None:
    """The spectrum with the best signal-to-noise ratio of an exposure."""
    extracted = [s for s in spectra.read_spectra(exposure.spec1d) if s.extractions]
    if not extracted:
        return None
    best = max(extracted, key=lambda spectrum: spectrum.snr or 0)
    extraction = next(iter(best.extractions.values()))
    return SpectrumLine(exposure.file, extraction.wavelength, extraction.flux, extraction.sigma)


def _draw_lines(axes: Axes, panel: CoaddPanel) -> None:
    import numpy as np

    for number, line in enumerate(panel.lines):
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        low, high = line.flux - line.sigma, line.flux + line.sigma
        axes.fill_between(line.wavelength, low, high, color=colour, alpha=0.3, lw=0)
        axes.plot(line.wavelength, line.flux, color=colour, lw=0.6, label=line.label)
    if panel.lines:
        axes.set_ylim(
            *_axis_limits(np.concatenate([line.flux for line in panel.lines]), (0.5, 99.5), 0.3)
        )
    if len(panel.lines) > 1:
        # Beside the spectra it covers none of them
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.margins(x=0.01)
    axes.set_xlabel("wavelength (Å)")
    axes.set_ylabel(f"{panel.unit}, ± 1 σ")


def _draw_image(axes: Axes, image: NDArray[np.float64]) -> None:
    shown = image[:, :: max(image.shape[1] // MAX_PIXELS, 1)]
    low, high = _axis_limits(shown, (2, 98), 0)
    artist = axes.imshow(
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
    axes.figure.colorbar(artist, ax=axes, pad=0.01).set_label("counts")


def _axis_limits(
    values: NDArray[np.float64], percentiles: Sequence[float], margin: float
) -> tuple[float, float]:
    """Limits that a few bad pixels do not set; `margin` is a fraction of the range."""
    import numpy as np

    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0, 1.0
    low, high = np.percentile(good, percentiles)
    height = (high - low) or 1.0
    return float(low - margin / 3 * height), float(high + margin * height)
