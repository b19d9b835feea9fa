"""Plots of the main CCDs: raw amplifiers, whole image, cut-outs, order traces, histogram, cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots import figures
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array, FitsContent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SIDE_PIXELS = 1400
"""The longest side of the plot of a whole CCD."""

TRACE_SHARE = 0.06
"""The share of the CCD's side that a cut-out with order traces shows."""

RAW_SCALE = 2**16
SCALED_ABOVE_DN = 200

FILES_OF_READ_MODE = {"GREEN": "GRACFFLN", "RED": "RDACFFLN"}
"""Keywords of the file that controls the readout: regular-read-green.acf, fast-read-green.acf."""

PEDESTAL_PERCENT = 5
"""The percentile of an amplifier's pixels that is taken as its pedestal."""


def block_size(side: int) -> int:
    """The side of the block of CCD pixels that becomes one pixel of the plot."""
    return max(1, -(-side // MAX_SIDE_PIXELS))


def draw_image(figure: Figure, content: FitsContent, extension: str) -> None:
    """Draw the whole CCD."""
    values = content.images[extension]
    block = block_size(values.shape[1])
    small = figures.block_mean(values, block)
    low, high, gamma = _value_range(small)
    axes, bar = figures.add_image_axes(figure, (small.shape[0], small.shape[1]))
    extent = (0, values.shape[1], 0, values.shape[0])
    colours = figures.show_image(axes, small, low, high, gamma=gamma, extent=extent)
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    figure.colorbar(colours, cax=bar, label=_value_unit(content, extension))


def draw_zoom(figure: Figure, content: FitsContent, extension: str) -> None:
    """Draw nine cut-outs of the CCD at full resolution, arranged as on the CCD."""
    values = content.images[extension]
    low, high, gamma = _value_range(figures.block_mean(values, block_size(values.shape[1])))
    size = min(240, values.shape[0] // 5)
    panels = figures.add_panels(figure, 3, 3, gap=(56, 34), bar=True)
    for row, along in enumerate(_cutout_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_cutout_starts(values.shape[1], size)):
            axes = panels[row, column]
            cutout = values[along : along + size, across : across + size].astype(np.float32)
            extent = (across, across + size, along, along + size)
            colours = figures.show_image(axes, cutout, low, high, gamma=gamma, extent=extent)
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _label_outer_axes(panels)
    figure.colorbar(
        colours, cax=figures.add_colour_bar_axes(figure), label=_value_unit(content, extension)
    )


def draw_order_traces(figure: Figure, content: FitsContent, extension: str) -> None:
    """Draw nine cut-outs with the centres of the order traces that are found in some columns."""
    values = content.images[extension]
    size = round(values.shape[0] * TRACE_SHARE)
    panels = figures.add_panels(figure, 3, 3, gap=(56, 34))
    for row, along in enumerate(_cutout_starts(values.shape[0], size)[::-1]):
        for column, across in enumerate(_cutout_starts(values.shape[1], size)):
            axes = panels[row, column]
            cutout = values[along : along + size, across : across + size].astype(np.float32)
            high = max(figures.finite_percentile(cutout, 99.5), 10.0)
            extent = (across, across + size, along, along + size)
            figures.show_image(axes, cutout, 0, high, gamma=0.5, extent=extent, map="gray")
            x, y = find_order_crests(cutout)
            axes.plot(
                across + x, along + y, "o", color=figures.ORANGE, markersize=3.5, markeredgewidth=0
            )
            axes.set(xlim=extent[:2], ylim=extent[2:])
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=3)
    _label_outer_axes(panels)


def find_order_crests(image: Array, steps: int = 12) -> tuple[Array, Array]:
    """Columns and rows (pixels) of trace centres, in `steps` means of adjacent columns."""
    width = image.shape[1] // steps
    means = image[:, : width * steps].reshape(len(image), steps, width).mean(axis=2)
    threshold = 0.15 * np.nanpercentile(means, 98, axis=0)
    inner = means[1:-1]
    is_peak = (inner > means[:-2]) & (inner >= means[2:]) & (inner > threshold)
    # Above five times the noise of such a mean
    is_peak &= inner > 5 * np.sqrt(np.maximum(inner, 30) / width)
    rows, step = np.nonzero(is_peak)
    return (step + 0.5) * width, rows + 1.5


def draw_histogram(figure: Figure, content: FitsContent, extension: str) -> None:
    """Draw the histogram of the pixel values, with median, 99th percentile and width."""
    values = figures.finite_sample(content.images[extension], 1_000_000)
    low, high = (figures.finite_percentile(values, percent) for percent in (0.02, 99.98))
    median, top = figures.finite_percentile(values, 50), figures.finite_percentile(values, 99)
    sigma = (
        figures.finite_percentile(values, 84.13) - figures.finite_percentile(values, 15.87)
    ) / 2
    counts, edges = np.histogram(values, bins=240, range=(low, max(high, low + 1)))
    axes = figures.add_panels(figure)[0, 0]
    axes.stairs(counts / values.size, edges, fill=True, color=figures.SKY_BLUE)
    axes.set_yscale("log")
    axes.axvline(median, color=figures.INK, linewidth=1.2, label=f"median {median:.2f}")
    axes.axvline(
        top, color=figures.RED, linestyle="--", linewidth=1.2, label=f"99th percentile {top:.1f}"
    )
    figures.label_axes(axes, _value_unit(content, extension), "share of pixels")
    axes.legend(loc="upper right", title=f"half width of the central 68 %: {sigma:.2f}")


def draw_column_cut(figure: Figure, content: FitsContent, extension: str) -> None:
    """Draw the values along the middle column: the whole column, and its middle enlarged."""
    values = content.images[extension]
    rows, columns = values.shape
    cut = values[:, columns // 2 - 1 : columns // 2 + 2].astype(np.float32).mean(axis=1)
    whole, near = figures.add_panels(figure, 2, gap=(0, 60))[:, 0]
    x, y = figures.min_max_envelope(np.arange(rows), cut, 1100)
    whole.plot(x, y, color=figures.BLUE, linewidth=0.8)
    middle = slice(rows // 2 - rows // 30, rows // 2 + rows // 30)
    near.plot(np.arange(rows)[middle], cut[middle], color=figures.BLUE, drawstyle="steps-mid")
    figures.label_axes(whole, y=_value_unit(content, extension), heading=f"column {columns // 2}")
    figures.label_axes(near, "row [pixel]", _value_unit(content, extension), "middle, enlarged")


def _value_unit(content: FitsContent, extension: str) -> str:
    unit = content.headers.get(extension, {}).get("BUNIT")
    return f"{str(unit).strip() or 'electrons'} per pixel" if unit else "electrons per pixel"


def _label_outer_axes(panels: Array) -> None:
    for axes in panels[-1]:
        axes.set_xlabel("column [pixel]")
    for axes in panels[:, 0]:
        axes.set_ylabel("row [pixel]")


def _cutout_starts(side: int, size: int) -> tuple[int, int, int]:
    margin = side // 40
    return margin, (side - size) // 2, side - size - margin


def _value_range(small: Array) -> tuple[float, float, float]:
    """Lowest and highest value shown, and the gamma: the same for similar exposures."""
    high = figures.nice_ceiling(
        figures.finite_percentile(figures.finite_sample(small), 99.5), least=5
    )
    # Without light the plot is to show the noise
    return (-high, high, 1.0) if high <= 50 else (0.0, high, 0.5)


def to_dn(image: Array) -> Array:
    """The pixels of a raw amplifier in DN."""
    scale = raw_scale(image)
    return image if scale == 1 else image / np.float32(scale)


def raw_scale(image: Array) -> int:
    """What the pixels of a raw amplifier are to be divided by, to be in DN.

    KPF's L0 files hold DN x 2**16. The quicklook of the DRP (v2.12) divides where the median is
    above 200 x 2**16, so plain DN are read as well.
    """
    median = float(np.median(figures.finite_sample(image)))
    return RAW_SCALE if median > SCALED_ABOVE_DN * RAW_SCALE else 1


def list_missing_amplifiers(content: FitsContent, camera: str) -> list[str]:
    """The amplifiers that the file should have beside those that it has.

    A CCD is read by two amplifiers, in the fast mode by four.
    """
    present = list_amplifiers(content, camera)
    is_fast = "fast" in content.text(FILES_OF_READ_MODE[camera]).lower()
    count = 4 if is_fast or any(name.endswith(("3", "4")) for name in present) else 2
    names = [f"{camera}_AMP{number}" for number in range(1, count + 1)]
    return [name for name in names if name not in present]


def list_amplifiers(content: FitsContent, camera: str) -> list[str]:
    """The extensions of a camera's amplifiers that the file has."""
    names = (f"{camera}_AMP{number}" for number in range(1, 5))
    return [name for name in names if name in content.images]


def draw_stitched(figure: Figure, content: FitsContent, camera: str) -> None:
    """Draw two or four amplifiers side by side, with overscan, each above its own pedestal."""
    missing = list_missing_amplifiers(content, camera)
    names = sorted([*list_amplifiers(content, camera), *missing])
    image, block = _stitch_amplifiers([content.images.get(name) for name in names])
    if camera == "GREEN" and len(names) == 2:
        # Rows are stored the other way round than in the 2D image
        image = np.flipud(image)
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
        position = (0.01 + number % 2 * 0.5, 0.985 - (1 - number // 2) * (halves - 1) * 0.5)
        label = f"{name} is not in the file" if name in missing else name
        axes.text(
            *position, label, transform=axes.transAxes, va="top", color="white", weight="bold",
            bbox={"facecolor": "#000000a0", "edgecolor": "none", "pad": 3},
        )  # fmt: skip


def _stitch_amplifiers(amplifiers: list[Array | None]) -> tuple[Array, int]:
    """Block means of the whole CCD [DN], and the block's size in pixels; NaN where one is missing.

    The first two amplifiers are the lower ones.
    """
    shape = next(amplifier.shape for amplifier in amplifiers if amplifier is not None)
    block = block_size(shape[1] * 2)
    small = []
    for amplifier in amplifiers:
        raw = np.full(shape, np.nan, np.float32) if amplifier is None else amplifier
        values = to_dn(raw)
        pedestal = figures.finite_percentile(figures.finite_sample(values), PEDESTAL_PERCENT)
        small.append(figures.block_mean(values, block) - np.float32(pedestal))
    if len(amplifiers) == 4:
        return np.vstack([np.hstack(small[:2]), np.hstack(small[2:])]), block
    return np.hstack(small), block
