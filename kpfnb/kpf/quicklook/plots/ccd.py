"""A CCD of a 2D file or a master: the whole, parts of it pixel by pixel, orders, values, a cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.plots import figures
from kpfnb.kpf.quicklook.plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SIDE_PIXELS = 1400
"""Of the picture of a whole CCD, along a side."""

TRACE_SHARE = 0.06
"""How much of the CCD's side a part in the picture of the orders shows."""


def block_size(side: int) -> int:
    """Pixels of the CCD that become one of the picture."""
    return max(1, -(-side // MAX_SIDE_PIXELS))


def draw_image(figure: Figure, content: FitsContent, extension: str) -> None:
    """The whole CCD."""
    values = content.images[extension]
    block = block_size(values.shape[1])
    small = figures.block_mean(values, block)
    low, high, gamma = _value_range(small)
    axes, bar = figures.add_image_axes(figure, (small.shape[0], small.shape[1]))
    extent = (0, values.shape[1], 0, values.shape[0])
    colours = figures.show_image(axes, small, low, high, gamma=gamma, extent=extent)
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    figure.colorbar(colours, cax=bar, label=_value_unit(extension))


def draw_zoom(figure: Figure, content: FitsContent, extension: str) -> None:
    """Nine small parts of the CCD, pixel by pixel, where they lie on it."""
    values = content.images[extension]
    low, high, gamma = _value_range(figures.block_mean(values, block_size(values.shape[1])))
    size = min(240, values.shape[0] // 5)
    panels = figures.add_panels(figure, 3, 3, gap=(56, 34), bar=True)
    for row, along in enumerate(_cutout_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_cutout_starts(values.shape[1], size)):
            axes = panels[row, column]
            part = values[along : along + size, across : across + size].astype(np.float32)
            extent = (across, across + size, along, along + size)
            colours = figures.show_image(axes, part, low, high, gamma=gamma, extent=extent)
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _label_outer_axes(panels)
    figure.colorbar(colours, cax=figures.add_colour_bar_axes(figure), label=_value_unit(extension))


def draw_order_traces(figure: Figure, content: FitsContent, extension: str) -> None:
    """Orders at both sides and in the middle, with the crests that are found in each column."""
    values = content.images[extension]
    size = round(values.shape[0] * TRACE_SHARE)
    panels = figures.add_panels(figure, 3, 3, gap=(56, 34))
    for row, along in enumerate(_cutout_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_cutout_starts(values.shape[1], size)):
            axes = panels[row, column]
            part = values[along : along + size, across : across + size].astype(np.float32)
            high = max(figures.finite_percentile(part, 99.5), 10.0)
            extent = (across, across + size, along, along + size)
            figures.show_image(axes, part, 0, high, gamma=0.5, extent=extent, map="gray")
            x, y = find_order_crests(part)
            axes.plot(
                across + x, along + y, "o", color=figures.ORANGE, markersize=3.5, markeredgewidth=0
            )
            axes.set(xlim=extent[:2], ylim=extent[2:])
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _label_outer_axes(panels)


def find_order_crests(part: Array, steps: int = 12) -> tuple[Array, Array]:
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


def draw_histogram(figure: Figure, content: FitsContent, extension: str) -> None:
    """How often each value is, with what sums it up."""
    values = figures.finite_sample(content.images[extension], 1_000_000)
    low, high = (figures.finite_percentile(values, percent) for percent in (0.02, 99.98))
    middle, top = figures.finite_percentile(values, 50), figures.finite_percentile(values, 99)
    sigma = (
        figures.finite_percentile(values, 84.13) - figures.finite_percentile(values, 15.87)
    ) / 2
    counts, edges = np.histogram(values, bins=240, range=(low, max(high, low + 1)))
    axes = figures.add_panels(figure)[0, 0]
    axes.stairs(counts / values.size, edges, fill=True, color=figures.SKY_BLUE)
    axes.set_yscale("log")
    axes.axvline(middle, color=figures.INK, linewidth=1.2, label=f"median {middle:.2f}")
    axes.axvline(
        top, color=figures.RED, linestyle="--", linewidth=1.2, label=f"99 % below {top:.1f}"
    )
    figures.label_axes(axes, _value_unit(extension), "share of pixels")
    axes.legend(loc="upper right", title=f"half the span of the middle 68 %: {sigma:.2f}")


def draw_column_cut(figure: Figure, content: FitsContent, extension: str) -> None:
    """Down the middle column: all of it, and its middle larger."""
    values = content.images[extension]
    rows, columns = values.shape
    cut = values[:, columns // 2 - 1 : columns // 2 + 2].astype(np.float32).mean(axis=1)
    whole, near = figures.add_panels(figure, 2, gap=(0, 60))[:, 0]
    x, y = figures.min_max_envelope(np.arange(rows), cut, 1100)
    whole.plot(x, y, color=figures.BLUE, linewidth=0.8)
    part = slice(rows // 2 - rows // 30, rows // 2 + rows // 30)
    near.plot(np.arange(rows)[part], cut[part], color=figures.BLUE, drawstyle="steps-mid")
    figures.label_axes(whole, y=_value_unit(extension), heading=f"column {columns // 2}")
    figures.label_axes(near, "row [pixel]", _value_unit(extension), "its middle")


def _value_unit(extension: str) -> str:
    return "DN a pixel" if extension.endswith("_BIAS") else "electrons a pixel"


def _label_outer_axes(panels: Array) -> None:
    for axes in panels[-1]:
        axes.set_xlabel("column [pixel]")
    for axes in panels[:, 0]:
        axes.set_ylabel("row [pixel]")


def _cutout_starts(side: int, size: int) -> tuple[int, int, int]:
    margin = side // 40
    return margin, (side - size) // 2, side - size - margin


def _value_range(small: Array) -> tuple[float, float, float]:
    """Lowest and highest value that is shown, and the stretch: the same for like exposures."""
    some = figures.finite_sample(small)
    high = figures.nice_ceiling(figures.finite_percentile(some, 99.5), least=5)
    # Without light the noise is what matters
    return (-high, high, 1.0) if high <= 50 else (0.0, high, 0.5)


# A CCD as its amplifiers wrote it, put together.

PEDESTAL_PERCENT = 5


def list_amplifiers(content: FitsContent, camera: str) -> list[str]:
    """The extensions of a camera's amplifiers that are there."""
    names = (f"{camera}_AMP{number}" for number in range(1, 5))
    return [name for name in names if name in content.images]


def draw_stitched(figure: Figure, content: FitsContent, camera: str) -> None:
    """Two or four amplifiers side by side, overscan included, each above its own pedestal."""
    names = list_amplifiers(content, camera)
    image, block = _stitch_amplifiers([content.images[name] for name in names])
    high = figures.nice_ceiling(
        figures.finite_percentile(figures.finite_sample(image), 99.5), least=20
    )
    axes, bar = figures.add_image_axes(figure, (image.shape[0], image.shape[1]))
    rows, columns = (size * block for size in image.shape)
    scale = figures.show_image(axes, image, 0, high, gamma=0.5, extent=(0, columns, 0, rows))
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    figure.colorbar(
        scale, cax=bar, label=f"DN above each amplifier's {PEDESTAL_PERCENT}th percentile"
    )
    halves = (len(names) + 1) // 2
    for number, name in enumerate(names):
        place = (0.01 + number % 2 * 0.5, 0.985 - (1 - number // 2) * (halves - 1) * 0.5)
        axes.text(
            *place, name, transform=axes.transAxes, va="top", color="white", weight="bold",
            bbox={"facecolor": "#000000a0", "edgecolor": "none", "pad": 3},
        )  # fmt: skip


def _stitch_amplifiers(parts: list[Array]) -> tuple[Array, int]:
    """Block means of the whole CCD, and the block's size; the first two amplifiers are below."""
    wide = len(parts) > 1
    block = block_size(parts[0].shape[1] * (2 if wide else 1))
    small = []
    for part in parts:
        pedestal = figures.finite_percentile(figures.finite_sample(part), PEDESTAL_PERCENT)
        small.append(figures.block_mean(part, block) - np.float32(pedestal))
    if len(parts) == 4:
        return np.vstack([np.hstack(small[:2]), np.hstack(small[2:])]), block
    return np.hstack(small), block
