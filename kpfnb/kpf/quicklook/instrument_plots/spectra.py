"""Plots of L1 spectra: signal-to-noise, flux, one order, ratios of orderlets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots import figures, orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SNR_PERCENT = 95
MAX_FAULTS = 4
"""Orders that a heading names."""


def order_snr(content: FitsContent, camera: str, members: tuple[str, ...]) -> Array:
    """The S/N of the sum of some orderlets: its 95th percentile along each order."""
    spectra = [orderlets.read_spectrum(content, camera, orderlet) for orderlet in members]
    every_second = slice(None, None, 2)
    flux = np.sum([spectrum.flux[:, every_second] for spectrum in spectra], axis=0)
    variance = np.sum([spectrum.variance[:, every_second] for spectrum in spectra], axis=0)
    snr = flux / np.sqrt(np.maximum(variance, 1e-9))
    snr = np.nan_to_num(snr, nan=0, posinf=0, neginf=0)
    by_order: Array = np.percentile(snr, SNR_PERCENT, axis=1)
    return by_order


def draw_snr(figure: Figure, content: FitsContent) -> None:
    """Draw S/N by order for SCI (all three together), SKY and CAL."""
    panels = figures.add_panels(figure, 3, sharex=True)[:, 0]
    groups = {"SCI": ("SCI1", "SCI2", "SCI3"), "SKY": ("SKY",), "CAL": ("CAL",)}
    for axes, (name, members) in zip(panels, groups.items(), strict=True):
        highest = 1.0
        for camera in orderlets.list_cameras(content):
            values = order_snr(content, camera, members)
            middles = _middle_wavelengths(content, camera)
            axes.plot(
                middles, values, color=figures.CAMERA_COLOURS[camera], label=camera.capitalize(),
                marker={"GREEN": "o", "RED": "s"}[camera], markersize=4, linewidth=1,
            )  # fmt: skip
            highest = max(highest, float(values.max()))
        figures.label_axes(axes, y=f"S/N of {name}")
        axes.set_ylim(0, figures.nice_ceiling(highest, least=10))
    panels[0].legend(ncols=2, loc="lower center")
    panels[-1].set_xlabel("wavelength in the middle of the order [Å]")


def draw_all_orders(figure: Figure, content: FitsContent, orderlet: str) -> None:
    """Draw all orders of an orderlet, a panel per camera, in alternating colours."""
    cameras = orderlets.list_cameras(content)
    panels = figures.add_panels(figure, len(cameras), gap=(0, 56))[:, 0]
    for axes, camera in zip(panels, cameras, strict=True):
        spectrum = orderlets.read_spectrum(content, camera, orderlet)
        x, y = figures.min_max_envelope(spectrum.wavelength, spectrum.flux, 64)
        _draw_orders(axes, x, y, figures.CAMERA_COLOURS[camera])
        heading = camera.capitalize() + _describe_faults(spectrum.faults)
        figures.label_axes(axes, y="electrons per pixel", heading=heading)
        axes.set_xlim(*figures.axis_limits(x))
        axes.set_ylim(*_flux_limits(spectrum.flux))
    panels[-1].set_xlabel("wavelength [Å]")


def draw_one_order(figure: Figure, content: FitsContent) -> None:
    """Draw the middle order of each camera, orderlet by orderlet, at full resolution."""
    cameras = orderlets.list_cameras(content)
    panels = figures.add_panels(
        figure, len(orderlets.ORDERLET_EXTENSIONS), len(cameras), sharex="col"
    )
    for column, camera in enumerate(cameras):
        for axes, orderlet in zip(panels[:, column], orderlets.ORDERLET_EXTENSIONS, strict=True):
            spectrum = orderlets.read_spectrum(content, camera, orderlet)
            order = len(spectrum.flux) // 2
            wavelength, flux = spectrum.wavelength[order], spectrum.flux[order]
            axes.plot(wavelength, flux, color=figures.ORDERLET_COLOURS[orderlet], linewidth=0.7)
            figures.label_axes(axes, y=f"{orderlet} [e-]")
            axes.set_ylim(*_flux_limits(flux))
            axes.set_xlim(*figures.axis_limits(wavelength))
        figures.set_title(panels[0, column], f"{camera.capitalize()}, order {order}")
        panels[-1, column].set_xlabel("wavelength [Å]")


def draw_flux_ratios(figure: Figure, content: FitsContent) -> None:
    """Draw the flux of each orderlet divided by SCI2's, by order: median and central 68 %."""
    panels = figures.add_panels(figure, 2, 2, sharex=True).ravel()
    for axes, orderlet in zip(panels, ("SCI1", "SCI3", "SKY", "CAL"), strict=True):
        highest = 0.0
        for camera in orderlets.list_cameras(content):
            spectrum = orderlets.read_spectrum(content, camera, orderlet)
            reference = orderlets.read_spectrum(content, camera, "SCI2")
            pixels = spectrum.flux.shape[1]
            middle = slice(pixels // 3, 2 * pixels // 3, 2)
            ratio = spectrum.flux[:, middle] / np.where(
                reference.flux[:, middle] > 0, reference.flux[:, middle], np.nan
            )
            low, median, high = _ratio_percentiles(ratio)
            x = _middle_wavelengths(content, camera)
            axes.fill_between(
                x, low, high, color=figures.CAMERA_COLOURS[camera], alpha=0.25, linewidth=0
            )
            axes.plot(
                x, median, ".-", color=figures.CAMERA_COLOURS[camera], label=camera.capitalize()
            )
            highest = max(highest, figures.finite_percentile(high, 90))
        figures.label_axes(axes, y=f"{orderlet} / SCI2")
        axes.set_ylim(0, figures.nice_ceiling(1.1 * highest, least=0.1))
    panels[0].legend(ncols=2, loc="lower center")
    for axes in panels[2:]:
        axes.set_xlabel("wavelength [Å]")


def _ratio_percentiles(ratio: Array) -> tuple[Array, Array, Array]:
    """16th, 50th and 84th percentile of each row; 0 for a row without values."""
    ordered = np.nan_to_num(np.sort(ratio, axis=1), nan=0.0)
    counts = np.isfinite(ratio).sum(axis=1)
    rows = np.arange(len(ratio))
    low, median, high = (
        ordered[rows, np.minimum((counts * share).astype(int), ratio.shape[1] - 1)]
        for share in (0.16, 0.5, 0.84)
    )
    return low, median, high


def _middle_wavelengths(content: FitsContent, camera: str) -> Array:
    """Those of SCI2: another orderlet can lack the wavelengths of an order."""
    wavelength, _ = orderlets.true_wavelengths(content, camera, "SCI2")
    middles: Array = wavelength[:, wavelength.shape[1] // 2]
    return middles


def _describe_faults(faults: dict[int, str]) -> str:
    """The orders that are not drawn, for a heading."""
    names = [f"order {order} ({fault})" for order, fault in list(faults.items())[:MAX_FAULTS]]
    more = [f"{len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
    return f"; not drawn: {', '.join(names + more)}" if faults else ""


def _draw_orders(axes: Axes, x: Array, y: Array, colour: str) -> None:
    from matplotlib.collections import LineCollection

    lines = np.stack([x, y], axis=-1)
    colours = [(colour, figures.INK)[number % 2] for number in range(len(lines))]
    axes.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.6))


def _flux_limits(flux: Array) -> tuple[float, float]:
    sample = flux[..., ::3]
    high = figures.nice_ceiling(1.1 * figures.finite_percentile(sample, 99.8), least=10)
    return min(-0.03 * high, max(figures.finite_percentile(sample, 0.2), -high / 4)), high
