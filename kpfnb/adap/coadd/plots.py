"""Pictures of coadds: the spectra, and the stacked images of each detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd import products
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.task import CoaddKind
from kpfnb.adap.products import spectra
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kpfnb.adap.coadd.products import CoaddProduct
    from kpfnb.adap.coadd.result import CoaddResult

MAX_PANELS = 12
"""Panels in one picture."""
PANEL_INCHES = (10.0, 2.6)
FLUX, COUNTS = r"flux ($10^{-17}$ erg/s/cm²/Å)", "counts"
MAX_PIXELS = 1000
"""Of an image along its wavelengths: a screen shows no more."""
LINE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
"""Okabe and Ito's colours, told apart by all eyes."""


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


def hover_plot(coadded: Sequence[CoaddResult]) -> HoverFigure:
    """A panel for each coadd; of many, those of the best signal. What there is none of is said.

    At the mouse is the coadd or exposure, and the values of the pixel.
    """
    from matplotlib.figure import Figure

    panels = [panel for one in coadded for panel in _panels(one, MAX_PANELS // len(coadded))]
    size = (PANEL_INCHES[0], PANEL_INCHES[1] * max(len(panels), 1))
    picture = Figure(figsize=size, layout="constrained")
    if not panels:
        picture.text(0.5, 0.5, "there is no coadd", ha="center", va="center")
        return HoverFigure(picture)
    told: dict[Axes, TooltipFunction] = {}
    for axes, panel in zip(picture.subplots(len(panels), squeeze=False).flat, panels, strict=True):
        told[axes] = _hover_text(panel)
        if panel.image is None:
            _draw_lines(axes, panel)
        else:
            _draw_image(axes, panel.image)
        # Names come from headers: a dollar sign in one is no formula
        axes.set_title(panel.title.replace("$", r"\$"), fontsize="medium", loc="left")
    return HoverFigure(picture, told)


def _hover_text(panel: CoaddPanel) -> TooltipFunction:
    if panel.image is None:
        curves = [
            figures.curve_tooltip(one.wavelength, partial(_pixel_text, one)) for one in panel.lines
        ]
        return lambda event: "\n".join(filter(None, (told(event) for told in curves)))

    def text(x: float, y: float) -> str:
        row, column = int(y), int(x)
        rows, columns = panel.image.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return ""
        value = panel.image[row, column]
        told = "masked" if value != value else f"{value:.4g} counts"
        return f"{panel.title}\nspectral pixel {column}, spatial pixel {row}: {told}"

    return figures.area_tooltip(text)


def _pixel_text(line: SpectrumLine, number: int) -> str:
    flux, sigma = line.flux[number], line.sigma[number]
    return f"{line.label}: {line.wavelength[number]:.1f} Å: {flux:.4g} ± {sigma:.2g}"


def _panels(coadded: CoaddResult, most: int) -> list[CoaddPanel]:
    """At most so many panels, in the order of the coadds."""
    if coadded.dry_run:
        panels = list(_planned_panels(coadded))
        return panels[:most]
    made = [one for one in coadded.coadds if one.products]
    best = sorted(made, key=lambda one: -(one.snr or 0))[:most]
    panels = [panel for one in made if one in best for panel in _product_panels(coadded, one)]
    return panels[:most]


def _product_panels(coadded: CoaddResult, one: CoaddProduct) -> Iterator[CoaddPanel]:
    signal = f", S/N {one.snr:.1f}" if one.snr is not None else ""
    title = f"{one.target}: {len(one.frames)} exposures"
    path = coadded.output / one.products[0]
    if coadded.kind is CoaddKind.IMAGES:
        for name, image in products.read_stack_images(path):
            yield CoaddPanel(f"{title}, {name}{signal}", image=image)
        return
    found = products.read_spectrum(path)
    line = SpectrumLine("coadd", found.wavelength, found.flux, found.sigma)
    unit = FLUX if found.fluxed else COUNTS
    yield CoaddPanel(f"{title}, {one.name}{signal}", (line,), unit=unit)


def _planned_panels(coadded: CoaddResult) -> Iterator[CoaddPanel]:
    """What would be coadded: the best spectrum of each exposure, or the first image."""
    by_name = {one.name: one for one in coadded.exposures}
    for one in coadded.coadds:
        exposures = [by_name[name] for name in one.frames]
        title = f"{one.target}: {len(exposures)} exposures, not coadded"
        if coadded.kind is CoaddKind.IMAGES:
            for name, image in products.read_stack_images(exposures[0].spec2d):
                if name in one.skipped:
                    continue
                yield CoaddPanel(f"{title}, {name} of {exposures[0].file}", image=image)
        else:
            yield CoaddPanel(title, tuple(filter(None, map(_best_spectrum, exposures))))


def _best_spectrum(exposure: ReducedExposure) -> SpectrumLine | None:
    """The spectrum of the best signal in an exposure."""
    found = [one for one in spectra.read_spectra(exposure.spec1d) if one.extractions]
    if not found:
        return None
    best = max(found, key=lambda one: one.snr or 0)
    first = next(iter(best.extractions.values()))
    return SpectrumLine(exposure.file, first.wavelength, first.flux, first.sigma)


def _draw_lines(axes: Axes, panel: CoaddPanel) -> None:
    import numpy as np

    for number, line in enumerate(panel.lines):
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        low, high = line.flux - line.sigma, line.flux + line.sigma
        axes.fill_between(line.wavelength, low, high, color=colour, alpha=0.3, lw=0)
        axes.plot(line.wavelength, line.flux, color=colour, lw=0.6, label=line.label)
    if panel.lines:
        axes.set_ylim(
            *_axis_limits(np.concatenate([one.flux for one in panel.lines]), (0.5, 99.5), 0.3)
        )
    if len(panel.lines) > 1:
        # Beside the spectra it hides nothing of them
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.margins(x=0.01)
    axes.set_xlabel("wavelength (Å)")
    axes.set_ylabel(f"{panel.unit}, ± 1 σ")


def _draw_image(axes: Axes, image: NDArray[np.float64]) -> None:
    shown = image[:, :: max(image.shape[1] // MAX_PIXELS, 1)]
    low, high = _axis_limits(shown, (2, 98), 0)
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
    axes.figure.colorbar(drawn, ax=axes, pad=0.01).set_label("counts")


def _axis_limits(
    values: NDArray[np.float64], percentiles: Sequence[float], room: float
) -> tuple[float, float]:
    """Limits that a few bad pixels do not set, with room below and above."""
    import numpy as np

    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0, 1.0
    low, high = np.percentile(good, percentiles)
    height = (high - low) or 1.0
    return float(low - room / 3 * height), float(high + room * height)
