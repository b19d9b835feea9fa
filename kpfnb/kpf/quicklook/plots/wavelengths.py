"""Wavelength solutions: against the reference, and of the orderlets among each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content
from kpfnb.kpf.quicklook.plots import spectra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT_SPEED = 299792.458
"""km/s"""

SOURCES = {"S": "SCI2", "K": "SKY", "C": "CAL"}
"""Letter in the keywords MEDW.. and STDW.. to orderlet."""


def differences(figure: Figure, content: Content) -> None:
    """By order: from the reference (by the keywords of the DRP), and each orderlet from SCI2."""
    against, among = sheet.panels(figure, 2, gap=(0, 78))[:, 0]
    _against_reference(against, content)
    for camera in spectra.cameras(content):
        waves = {o: content.images[spectra.extension(camera, o, "WAVE")] for o in spectra.NAMES}
        middles = _middle(waves["SCI2"])
        for orderlet in ("SCI1", "SCI3", "SKY", "CAL"):
            shift = (_middle(waves[orderlet]) / middles - 1) * LIGHT_SPEED
            axes_label = orderlet if camera == spectra.cameras(content)[0] else None
            among.plot(
                middles, shift, color=sheet.ORDERLETS[orderlet], label=axes_label,
                marker={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=1,
            )  # fmt: skip
    sheet.dress(
        among, "wavelength in the middle of the order [Å]", "[km/s]",
        "the same pixel, orderlet against SCI2 (Green: dots, Red: squares)",
    )  # fmt: skip
    among.legend(ncols=4, fontsize=9, loc="upper right")


def _against_reference(axes: object, content: Content) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    drawn = False
    offset = 0
    for camera in ("GREEN", "RED"):
        for letter, orderlet in SOURCES.items():
            orders, medians, scatters = _keywords(content, camera[0] + letter)
            if not orders.size:
                continue
            drawn = True
            axes.errorbar(
                offset + orders, medians, scatters, color=sheet.ORDERLETS[orderlet],
                fmt={"GREEN": "o", "RED": "s"}[camera], markersize=3.5, linewidth=0.8,
                label=orderlet if camera == "GREEN" else None,
            )  # fmt: skip
        offset += 35
    axes.axvline(34.5, color=sheet.SOFT, linewidth=0.8)
    sheet.dress(
        axes,
        "order (Green 0 to 34, then Red)",
        "[pixel]",
        "solution minus reference, median and scatter",
    )
    if drawn:
        axes.legend(ncols=3, fontsize=9, loc="upper right")
    else:
        axes.text(0.5, 0.5, "no MEDW keywords", transform=axes.transAxes, ha="center")


def _keywords(content: Content, code: str) -> tuple[Array, Array, Array]:
    rows = [
        (order, median, content.number(f"STDW{code}{order:02d}") or 0.0)
        for order in range(40)
        if (median := content.number(f"MEDW{code}{order:02d}")) is not None
    ]
    orders, medians, scatters = np.array(rows, float).reshape(-1, 3).T
    return orders, medians, scatters


def _middle(waves: Array) -> Array:
    middle: Array = waves[:, waves.shape[1] // 2].astype(float)
    return middle


def dispersion(figure: Figure, content: Content, names: dict[str, str]) -> None:
    """A master's wavelengths: what each order covers, and km/s a pixel along it."""
    covers, steps = sheet.panels(figure, 2, gap=(0, 56))[:, 0]
    for camera, name in names.items():
        if name not in content.images:
            continue
        waves = content.images[name].astype(float)
        for order, row in enumerate(waves):
            covers.plot(row[[0, -1]], [order, order], color=sheet.CAMERAS[camera], linewidth=2)
        pixels = np.linspace(0, waves.shape[1] - 2, 60).astype(int)
        step = (waves[:, pixels + 1] / waves[:, pixels] - 1) * LIGHT_SPEED
        for row, speeds in zip(waves[:, pixels], step, strict=True):
            steps.plot(row, speeds, color=sheet.CAMERAS[camera], linewidth=0.8)
    sheet.dress(covers, y="order of the camera", heading="from end to end of each order")
    sheet.dress(steps, "wavelength [Å]", "km/s a pixel", "dispersion along each order")
