"""The spectra of an L1: signal, flux, one order, ratios of orderlets."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAMERAS = ("GREEN", "RED")
NAMES = {
    "SCI1": "SCI_{}1",
    "SCI2": "SCI_{}2",
    "SCI3": "SCI_{}3",
    "SKY": "SKY_{}",
    "CAL": "CAL_{}",
}
"""Orderlet to the name of its extensions, after the camera's."""

KINDS = ("FLUX", "VAR", "WAVE")
SNR_PERCENT = 95


class Spectrum(NamedTuple):
    """One orderlet of one camera: (orders, pixels); wavelengths in Å."""

    flux: Array
    variance: Array
    wavelength: Array


@cache
def extension(camera: str, orderlet: str, kind: str) -> str:
    """The name of an extension: GREEN_SCI_FLUX1."""
    return f"{camera}_{NAMES[orderlet].format(kind)}"


def extensions(orderlets: tuple[str, ...] = tuple(NAMES)) -> tuple[str, ...]:
    """All of both cameras."""
    return tuple(extension(c, o, k) for c in CAMERAS for o in orderlets for k in KINDS)


def cameras(content: Content) -> list[str]:
    """The cameras whose spectra are there."""
    return [
        camera
        for camera in CAMERAS
        if all(extension(camera, o, k) in content.images for o in NAMES for k in KINDS)
    ]


def spectrum(content: Content, camera: str, orderlet: str) -> Spectrum:
    """An orderlet in the machine's own numbers."""
    parts = (content.images[extension(camera, orderlet, kind)] for kind in KINDS)
    return Spectrum(*(np.ascontiguousarray(p, p.dtype.newbyteorder("=")) for p in parts))


def signal_to_noise(content: Content, camera: str, orderlets: tuple[str, ...]) -> Array:
    """The 95th percentile along each order of the S/N of the sum of some orderlets."""
    parts = [spectrum(content, camera, orderlet) for orderlet in orderlets]
    some = slice(None, None, 2)
    flux = np.sum([part.flux[:, some] for part in parts], axis=0)
    variance = np.sum([part.variance[:, some] for part in parts], axis=0)
    ratio = flux / np.sqrt(np.maximum(variance, 1e-9))
    ratio = np.nan_to_num(ratio, nan=0, posinf=0, neginf=0)
    found: Array = np.percentile(ratio, SNR_PERCENT, axis=1)
    return found


def snr(figure: Figure, content: Content) -> None:
    """S/N by order for SCI (all three together), SKY and CAL."""
    panels = sheet.panels(figure, 3, sharex=True)[:, 0]
    groups = {"SCI": ("SCI1", "SCI2", "SCI3"), "SKY": ("SKY",), "CAL": ("CAL",)}
    for axes, (name, orderlets) in zip(panels, groups.items(), strict=True):
        highest = 1.0
        for camera in cameras(content):
            values = signal_to_noise(content, camera, orderlets)
            middles = _middles(spectrum(content, camera, orderlets[0]).wavelength)
            axes.plot(
                middles, values, color=sheet.CAMERAS[camera], label=camera.capitalize(),
                marker={"GREEN": "o", "RED": "s"}[camera], markersize=4, linewidth=1,
            )  # fmt: skip
            highest = max(highest, float(values.max()))
        sheet.dress(axes, y=f"S/N of {name}")
        axes.set_ylim(0, sheet.ceiling(highest, least=10))
    panels[0].legend(ncols=2, loc="lower center")
    panels[-1].set_xlabel("wavelength in the middle of the order [Å]")


def whole(figure: Figure, content: Content, orderlet: str) -> None:
    """One orderlet, all orders, each camera in a panel; orders in turns dark and bright."""
    found = cameras(content)
    panels = sheet.panels(figure, len(found), gap=(0, 56))[:, 0]
    for axes, camera in zip(panels, found, strict=True):
        part = spectrum(content, camera, orderlet)
        x, y = sheet.envelope(part.wavelength, part.flux, 64)
        _orders(axes, x, y, sheet.CAMERAS[camera])
        sheet.dress(axes, y="electrons a pixel", heading=camera.capitalize())
        axes.set_xlim(*sheet.reach(x))
        axes.set_ylim(*_limits(part.flux))
    panels[-1].set_xlabel("wavelength [Å]")


def one_order(figure: Figure, content: Content) -> None:
    """The middle order of each camera, orderlet by orderlet, every pixel."""
    found = cameras(content)
    panels = sheet.panels(figure, len(NAMES), len(found), sharex="col")
    for column, camera in enumerate(found):
        for axes, orderlet in zip(panels[:, column], NAMES, strict=True):
            part = spectrum(content, camera, orderlet)
            order = len(part.flux) // 2
            wave, flux = part.wavelength[order], part.flux[order]
            axes.plot(wave, flux, color=sheet.ORDERLETS[orderlet], linewidth=0.7)
            sheet.dress(axes, y=f"{orderlet} [e-]")
            axes.set_ylim(*_limits(flux))
            axes.set_xlim(*sheet.reach(wave))
        sheet.title(panels[0, column], f"{camera.capitalize()}, order {order}")
        panels[-1, column].set_xlabel("wavelength [Å]")


def flux_ratios(figure: Figure, content: Content) -> None:
    """Each orderlet against SCI2, by order: median, and the middle 68 %."""
    panels = sheet.panels(figure, 2, 2, sharex=True).ravel()
    for axes, orderlet in zip(panels, ("SCI1", "SCI3", "SKY", "CAL"), strict=True):
        tops = [0.0]
        for camera in cameras(content):
            part, reference = (spectrum(content, camera, name) for name in (orderlet, "SCI2"))
            middle = slice(part.flux.shape[1] // 3, 2 * part.flux.shape[1] // 3, 2)
            ratio = part.flux[:, middle] / np.where(
                reference.flux[:, middle] > 0, reference.flux[:, middle], np.nan
            )
            low, median, high = _spread(ratio)
            x = _middles(part.wavelength)
            axes.fill_between(x, low, high, color=sheet.CAMERAS[camera], alpha=0.25, linewidth=0)
            axes.plot(x, median, ".-", color=sheet.CAMERAS[camera], label=camera.capitalize())
            tops.append(sheet.percentile(high, 90))
        sheet.dress(axes, y=f"{orderlet} / SCI2")
        axes.set_ylim(0, sheet.ceiling(1.1 * max(tops), least=0.1))
    panels[0].legend(ncols=2, loc="lower center")
    for axes in panels[2:]:
        axes.set_xlabel("wavelength [Å]")


def _spread(ratio: Array) -> tuple[Array, Array, Array]:
    """16th, 50th and 84th percentile of each row; 0 where it has no value."""
    known = np.nan_to_num(np.sort(ratio, axis=1), nan=0.0)
    counts = np.isfinite(ratio).sum(axis=1)
    rows = np.arange(len(ratio))
    low, median, high = (
        known[rows, np.minimum((counts * share).astype(int), ratio.shape[1] - 1)]
        for share in (0.16, 0.5, 0.84)
    )
    return low, median, high


def _middles(wavelength: Array) -> Array:
    return wavelength[:, wavelength.shape[1] // 2]


def _orders(axes: Axes, x: Array, y: Array, colour: str) -> None:
    from matplotlib.collections import LineCollection

    lines = np.stack([x, y], axis=-1)
    colours = [(colour, sheet.INK)[number % 2] for number in range(len(lines))]
    axes.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.6))


def _limits(flux: Array) -> tuple[float, float]:
    some = flux[..., ::3]
    high = sheet.ceiling(1.1 * sheet.percentile(some, 99.8), least=10)
    return min(-0.03 * high, max(sheet.percentile(some, 0.2), -high / 4)), high
