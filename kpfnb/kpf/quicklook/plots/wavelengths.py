"""Wavelength solutions: against the reference, and of the orderlets among each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.plots import figures, spectra
from kpfnb.kpf.quicklook.plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT_SPEED = 299792.458
"""km/s"""

KEYWORD_ORDERLETS = {"S": "SCI2", "K": "SKY", "C": "CAL"}
"""Letter in the keywords MEDW.. and STDW.. to orderlet."""


def draw_differences(figure: Figure, content: FitsContent) -> None:
    """By order: from the reference (by the keywords of the DRP), and each orderlet from SCI2."""
    against, among = figures.add_panels(figure, 2, gap=(0, 78))[:, 0]
    _draw_reference_differences(against, content)
    for camera in spectra.list_cameras(content):
        waves = {
            o: content.images[spectra.extension_name(camera, o, "WAVE")]
            for o in spectra.ORDERLET_EXTENSIONS
        }
        middles = _middle_pixels(waves["SCI2"])
        for orderlet in ("SCI1", "SCI3", "SKY", "CAL"):
            shift = (_middle_pixels(waves[orderlet]) / middles - 1) * LIGHT_SPEED
            axes_label = orderlet if camera == spectra.list_cameras(content)[0] else None
            among.plot(
                middles, shift, color=figures.ORDERLET_COLOURS[orderlet], label=axes_label,
                marker={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=1,
            )  # fmt: skip
    figures.label_axes(
        among, "wavelength in the middle of the order [Å]", "[km/s]",
        "the same pixel, orderlet against SCI2 (Green: dots, Red: squares)",
    )  # fmt: skip
    among.legend(ncols=4, fontsize=9, loc="upper right")


def _draw_reference_differences(axes: object, content: FitsContent) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    drawn = False
    offset = 0
    for camera in ("GREEN", "RED"):
        for letter, orderlet in KEYWORD_ORDERLETS.items():
            orders, medians, scatters = _read_keywords(content, camera[0] + letter)
            if not orders.size:
                continue
            drawn = True
            axes.errorbar(
                offset + orders, medians, scatters, color=figures.ORDERLET_COLOURS[orderlet],
                fmt={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=0.8,
                label=orderlet if camera == "GREEN" else None,
            )  # fmt: skip
        offset += 35
    axes.axvline(34.5, color=figures.SOFT_INK, linewidth=0.8)
    figures.label_axes(
        axes,
        "order (Green 0 to 34, then Red)",
        "[pixel]",
        "solution minus reference, median and scatter",
    )
    if drawn:
        axes.legend(ncols=3, fontsize=9, loc="upper right")
    else:
        axes.text(0.5, 0.5, "no MEDW keywords", transform=axes.transAxes, ha="center")


def _read_keywords(content: FitsContent, code: str) -> tuple[Array, Array, Array]:
    rows = [
        (order, median, content.number(f"STDW{code}{order:02d}") or 0.0)
        for order in range(40)
        if (median := content.number(f"MEDW{code}{order:02d}")) is not None
    ]
    orders, medians, scatters = np.array(rows, float).reshape(-1, 3).T
    return orders, medians, scatters


def _middle_pixels(waves: Array) -> Array:
    middle: Array = waves[:, waves.shape[1] // 2].astype(float)
    return middle


def draw_dispersion(figure: Figure, content: FitsContent, names: dict[str, str]) -> None:
    """A master's wavelengths: what each order covers, and km/s a pixel along it."""
    covers, steps = figures.add_panels(figure, 2, gap=(0, 56))[:, 0]
    for camera, name in names.items():
        if name not in content.images:
            continue
        waves = content.images[name].astype(float)
        for order, row in enumerate(waves):
            covers.plot(
                row[[0, -1]], [order, order], color=figures.CAMERA_COLOURS[camera], linewidth=2
            )
        pixels = np.linspace(0, waves.shape[1] - 2, 60).astype(int)
        step = (waves[:, pixels + 1] / waves[:, pixels] - 1) * LIGHT_SPEED
        for row, speeds in zip(waves[:, pixels], step, strict=True):
            steps.plot(row, speeds, color=figures.CAMERA_COLOURS[camera], linewidth=0.8)
    figures.label_axes(covers, y="order of the camera", heading="from end to end of each order")
    figures.label_axes(steps, "wavelength [Å]", "km/s a pixel", "dispersion along each order")
