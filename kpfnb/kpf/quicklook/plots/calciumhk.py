"""The Ca H&K spectrometer: its image, a cut through it, and the spectra that the DRP extracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Content

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGE = "CA_HK"
SPECTRA = ("CA_HK_SCI", "CA_HK_SKY")
WAVES = ("CA_HK_SCI_WAVE", "CA_HK_SKY_WAVE")
LINES = {"K": 3934.78, "H": 3969.59}
"""In vacuum, Å."""


def image(figure: Figure, content: Content) -> None:
    """The image above its pedestal."""
    values = content.images[IMAGE].astype(np.float32)
    some = sheet.sample(values)
    pedestal = sheet.percentile(some, 5)
    high = sheet.ceiling(sheet.percentile(some, 99.8) - pedestal, least=20)
    axes = sheet.panels(figure, bar=True)[0, 0]
    extent = (0, values.shape[1], 0, values.shape[0])
    scale = sheet.show_image(axes, values - pedestal, 0, high, gamma=0.5, extent=extent)
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    label = f"DN above the pedestal of {pedestal:.0f}"
    figure.colorbar(scale, cax=sheet.bar_axes(figure), label=label)


def column_cut(figure: Figure, content: Content) -> None:
    """The mean of the columns in the middle, over the rows: the orders of both fibres."""
    values = content.images[IMAGE]
    middle = values.shape[1] // 2
    reach = max(1, values.shape[1] // 200)
    cut = values[:, middle - reach : middle + reach + 1].astype(np.float32).mean(axis=1)
    axes = sheet.panels(figure)[0, 0]
    axes.plot(np.arange(cut.size), cut, color=sheet.BLUE, drawstyle="steps-mid", linewidth=1)
    sheet.dress(axes, "row [pixel]", f"mean of columns {middle - reach} to {middle + reach} [DN]")


def spectra(figure: Figure, content: Content) -> None:
    """Science and sky, order by order; the cores of K and H are marked."""
    science, sky = (content.images[name].astype(float) for name in SPECTRA)
    waves, sky_waves = (content.images[name].astype(float) for name in WAVES)
    panels = sheet.panels(figure, len(science))[:, 0]
    for order, axes in enumerate(panels):
        axes.plot(waves[order], science[order], color=sheet.BLUE, linewidth=0.9, label="science")
        axes.plot(sky_waves[order], sky[order], color=sheet.ORANGE, linewidth=0.9, label="sky")
        sheet.dress(axes, y="DN")
        low, high = sheet.reach(waves[order])
        axes.set_xlim(low, high)
        for name, angstroms in LINES.items():
            if low < angstroms < high:
                axes.axvline(angstroms, color=sheet.INK, linestyle=":", linewidth=1)
                axes.annotate(
                    name, (angstroms, 0.97), xycoords=("data", "axes fraction"),
                    xytext=(4, 0), textcoords="offset points", va="top", weight="bold",
                )  # fmt: skip
    panels[0].legend(loc="upper right", ncols=2, fontsize=8)
    panels[-1].set_xlabel("wavelength in vacuum [Å]")
