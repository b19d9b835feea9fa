"""A CCD of a 2D file or a master: the whole, parts of it pixel by pixel, orders, values, a cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PIXELS = 1400
"""Of the picture of a whole CCD, along a side."""

TRACE_SHARE = 0.06
"""How much of the CCD's side a part in the picture of the orders shows."""


def block_for(side: int) -> int:
    """Pixels of the CCD that become one of the picture."""
    return max(1, -(-side // MOST_PIXELS))


def image(figure: Figure, content: Content, extension: str) -> None:
    """The whole CCD."""
    values = content.images[extension]
    block = block_for(values.shape[1])
    small = sheet.block_mean(values, block)
    low, high, gamma = _scale(small)
    axes, bar = sheet.image_axes(figure, (small.shape[0], small.shape[1]))
    extent = (0, values.shape[1], 0, values.shape[0])
    colours = sheet.show_image(axes, small, low, high, gamma=gamma, extent=extent)
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    figure.colorbar(colours, cax=bar, label=_unit(extension))


def zoom(figure: Figure, content: Content, extension: str) -> None:
    """Nine small parts of the CCD, pixel by pixel, where they lie on it."""
    values = content.images[extension]
    low, high, gamma = _scale(sheet.block_mean(values, block_for(values.shape[1])))
    size = min(240, values.shape[0] // 5)
    panels = sheet.panels(figure, 3, 3, gap=(56, 34), bar=True)
    for row, along in enumerate(_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_starts(values.shape[1], size)):
            axes = panels[row, column]
            part = values[along : along + size, across : across + size].astype(np.float32)
            extent = (across, across + size, along, along + size)
            colours = sheet.show_image(axes, part, low, high, gamma=gamma, extent=extent)
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _name_axes(panels)
    figure.colorbar(colours, cax=sheet.bar_axes(figure), label=_unit(extension))


def order_trace(figure: Figure, content: Content, extension: str) -> None:
    """Orders at both sides and in the middle, with the crests that are found in each column."""
    values = content.images[extension]
    size = round(values.shape[0] * TRACE_SHARE)
    panels = sheet.panels(figure, 3, 3, gap=(56, 34))
    for row, along in enumerate(_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_starts(values.shape[1], size)):
            axes = panels[row, column]
            part = values[along : along + size, across : across + size].astype(np.float32)
            high = max(sheet.percentile(part, 99.5), 10.0)
            extent = (across, across + size, along, along + size)
            sheet.show_image(axes, part, 0, high, gamma=0.5, extent=extent, map="gray")
            x, y = crests(part)
            axes.plot(
                across + x, along + y, "o", color=sheet.ORANGE, markersize=3.5, markeredgewidth=0
            )
            axes.set(xlim=extent[:2], ylim=extent[2:])
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _name_axes(panels)


def crests(part: Array, steps: int = 12) -> tuple[Array, Array]:
    """Columns and rows (pixels) of the crests in some columns, each a mean of its neighbours."""
    width = part.shape[1] // steps
    lanes = part[:, : width * steps].reshape(len(part), steps, width).mean(axis=2)
    threshold = 0.15 * np.nanpercentile(lanes, 98, axis=0)
    inner = lanes[1:-1]
    is_crest = (inner > lanes[:-2]) & (inner >= lanes[2:]) & (inner > threshold)
    # Beyond the noise of such a mean
    is_crest &= inner > 5 * np.sqrt(np.maximum(inner, 30) / width)
    rows, lane = np.nonzero(is_crest)
    return (lane + 0.5) * width, rows + 1.5


def histogram(figure: Figure, content: Content, extension: str) -> None:
    """How often each value is, with what sums it up."""
    values = sheet.sample(content.images[extension], 1_000_000)
    low, high = (sheet.percentile(values, percent) for percent in (0.02, 99.98))
    middle, top = sheet.percentile(values, 50), sheet.percentile(values, 99)
    sigma = (sheet.percentile(values, 84.13) - sheet.percentile(values, 15.87)) / 2
    counts, edges = np.histogram(values, bins=240, range=(low, max(high, low + 1)))
    axes = sheet.panels(figure)[0, 0]
    axes.stairs(counts / values.size, edges, fill=True, color=sheet.SKY_BLUE)
    axes.set_yscale("log")
    axes.axvline(middle, color=sheet.INK, linewidth=1.2, label=f"median {middle:.2f}")
    axes.axvline(top, color=sheet.RED, linestyle="--", linewidth=1.2, label=f"99 % below {top:.1f}")
    sheet.dress(axes, _unit(extension), "share of pixels")
    axes.legend(loc="upper right", title=f"half the span of the middle 68 %: {sigma:.2f}")


def column_cut(figure: Figure, content: Content, extension: str) -> None:
    """Down the middle column: all of it, and its middle larger."""
    values = content.images[extension]
    rows, columns = values.shape
    cut = values[:, columns // 2 - 1 : columns // 2 + 2].astype(np.float32).mean(axis=1)
    whole, near = sheet.panels(figure, 2, gap=(0, 60))[:, 0]
    x, y = sheet.envelope(np.arange(rows), cut, 1100)
    whole.plot(x, y, color=sheet.BLUE, linewidth=0.8)
    part = slice(rows // 2 - rows // 30, rows // 2 + rows // 30)
    near.plot(np.arange(rows)[part], cut[part], color=sheet.BLUE, drawstyle="steps-mid")
    sheet.dress(whole, y=_unit(extension), heading=f"column {columns // 2}")
    sheet.dress(near, "row [pixel]", _unit(extension), "its middle")


def _unit(extension: str) -> str:
    return "DN a pixel" if extension.endswith("_BIAS") else "electrons a pixel"


def _name_axes(panels: Array) -> None:
    for axes in panels[-1]:
        axes.set_xlabel("column [pixel]")
    for axes in panels[:, 0]:
        axes.set_ylabel("row [pixel]")


def _starts(side: int, size: int) -> tuple[int, int, int]:
    margin = side // 40
    return margin, (side - size) // 2, side - size - margin


def _scale(small: Array) -> tuple[float, float, float]:
    """Lowest and highest value that is shown, and the stretch: the same for like exposures."""
    some = sheet.sample(small)
    high = sheet.ceiling(sheet.percentile(some, 99.5), least=5)
    # Without light the noise is what matters
    return (-high, high, 1.0) if high <= 50 else (0.0, high, 0.5)
