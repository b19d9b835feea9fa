"""What all quicklook plots share: sizes, heading, panels, colours, scales, and the image files.

Everything is drawn by the Agg canvas at the size at which it is viewed. Images are averaged to the
pixels of the plot and coloured before matplotlib sees them, which saves most of the time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import atomic
from kpfnb.kpf.quicklook.instrument_plots import thumbnails, ticks
from kpfnb.kpf.quicklook.instrument_plots.fits_content import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI = 100
HEADING = 66
"""Height of the heading at the top, pixels."""

LEFT, BOTTOM, MARGIN, TITLE, COLOUR_BAR = 92, 56, 24, 28, 118
"""Pixels to the left of, below and right of the panels, for a panel's title, for a colour bar."""

X_LABEL = 29
"""Pixels from the panel's lower edge to the label of its x axis."""

MAX_TRUE_COLOUR_PIXELS = 1_800_000
"""Larger plots of images get 256 colours: the noise of a CCD does not compress."""

INK, SOFT_INK = "#1b2430", "#5a6675"

PANEL_ID = "panel"
"""The id of axes whose ticks `ticks.draw_ticks` draws; colour bars do not have it."""

# The colours of Okabe and Ito, distinct for every kind of colour vision
BLUE, GREEN, ORANGE, RED, SKY_BLUE, PURPLE = (
    "#0072b2", "#009e73", "#e69f00", "#d55e00", "#56b4e9", "#cc79a7",
)  # fmt: skip

CAMERA_COLOURS = {"GREEN": GREEN, "RED": RED}
ORDERLET_COLOURS = {"SCI1": SKY_BLUE, "SCI2": BLUE, "SCI3": PURPLE, "SKY": ORANGE, "CAL": RED}


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of this size in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def add_panels(
    figure: Figure, rows: int = 1, columns: int = 1, *,
    gap: tuple[int, int] = (84, 34), bar: bool = False, **options: Any,
) -> Any:  # fmt: skip
    """Add axes below the heading, an array of shape (rows, columns); see `Figure.subplots`.

    Margins are fixed: a layout engine would take as long as the drawing itself.

    Parameters
    ----------
    gap : pixels between columns and between rows
    bar : leave space for `add_colour_bar_axes` at the right
    """
    width, height = _pixel_size(figure)
    right = width - (COLOUR_BAR if bar else MARGIN)
    top, inner = height - HEADING - TITLE, (right - LEFT, height - HEADING - TITLE - BOTTOM)
    figure.subplots_adjust(
        left=LEFT / width, right=right / width, bottom=BOTTOM / height, top=top / height,
        wspace=gap[0] * columns / (inner[0] - gap[0] * (columns - 1)),
        hspace=gap[1] * rows / (inner[1] - gap[1] * (rows - 1)),
    )  # fmt: skip
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for panel in axes.flat:
        _fix_labels(panel)
    return axes


def add_colour_bar_axes(figure: Figure) -> Axes:
    """Add axes for a colour bar at the right."""
    width, height = _pixel_size(figure)
    tall = height - HEADING - TITLE - BOTTOM
    position = ((width - COLOUR_BAR + 16) / width, BOTTOM / height, 20 / width, tall / height)
    return _add_axes(figure, position)


def _pixel_size(figure: Figure) -> tuple[float, float]:
    return figure.get_figwidth() * DPI, figure.get_figheight() * DPI


def draw_heading(figure: Figure, title: str, subtitle: str) -> None:
    """Write title and subtitle at the top; text from headers is not parsed as mathematics."""
    width, height = _pixel_size(figure)
    for text, down, size, colour, weight in (
        (title, 12, 14, INK, "bold"),
        (subtitle, 38, 11, SOFT_INK, "normal"),
    ):
        figure.text(
            16 / width, 1 - down / height, text,
            size=size, color=colour, weight=weight, va="top", parse_math=False,
        )  # fmt: skip


def render_image(figure: Figure) -> tuple[Image, Image]:
    """The figure as an image, with 256 colours if more would not be visible; and its thumbnail."""
    from PIL import Image as images

    panels = [axes for axes in figure.axes if axes.get_gid() == PANEL_ID]
    ticks.draw_ticks(panels)
    canvas: Any = figure.canvas
    canvas.draw()
    size = canvas.get_width_height()
    rgba = images.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    picture = rgba.convert("RGB")
    thumbnail = thumbnails.make_thumbnail(figure, panels, picture)
    if any(axes.images for axes in figure.axes) and size[0] * size[1] <= MAX_TRUE_COLOUR_PIXELS:
        return picture, thumbnail
    few = picture.quantize(256, method=images.Quantize.FASTOCTREE, dither=images.Dither.NONE)
    return few, thumbnail


def save_image(image: Image, path: Path, small: Image, thumbnail: Path) -> None:
    """Write the image and its thumbnail, each atomically."""
    with atomic.replace_atomically(path) as temporary:
        image.save(temporary, "PNG", compress_level=3)
    with atomic.replace_atomically(thumbnail) as temporary:
        small.save(temporary, "JPEG", quality=82)


def label_axes(axes: Axes, x: str = "", y: str = "", heading: str = "") -> None:
    """Set labels and heading, with narrow margins beside the data."""
    axes.margins(x=0.01)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if heading:
        set_title(axes, heading)


def _fix_labels(axes: Axes) -> None:
    """Put title and x label at fixed positions: measuring the ticks would take much time."""
    axes.set_gid(PANEL_ID)
    set_title(axes)
    figure: Any = axes.get_figure(root=True)
    _, height = _pixel_size(figure)
    position = axes.get_position(original=True)
    axes.xaxis.set_label_coords(0.5, -X_LABEL / (position.height * height))


def set_title(axes: Axes, text: str = "") -> None:
    """Set a panel's title; text from headers is not parsed as mathematics."""
    axes.set_title(text, size=10, loc="left", parse_math=False, y=1.0)


def nice_ceiling(value: float, least: float = 1.0) -> float:
    """The next of 1, 2, 3, 5, 7, 10, 20 ...: similar exposures get the same scale every night."""
    if not math.isfinite(value) or value <= least:
        return least
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 3, 5, 7, 10) if value <= step * power * (1 + 1e-9))


def block_mean(image: Array, block: int) -> Array:
    """The means of blocks of `block` by `block` pixels; incomplete blocks are left out."""
    rows, columns = (size // block for size in image.shape)
    cut = image[: rows * block, : columns * block].astype(np.float32)
    if block == 1:
        return cut
    # By strides: numpy's sum along short axes is ten times slower
    down = _add_all(cut[start::block] for start in range(block))
    across = _add_all(down[:, start::block] for start in range(block))
    return across / np.float32(block * block)


def _add_all(parts: Iterable[Array]) -> Array:
    return functools.reduce(np.add, parts)


def subsample(image: Array, most: int = 300_000) -> Array:
    """At most about `most` pixels, evenly spaced."""
    step = max(1, math.isqrt(image.size // most))
    return image[::step, ::step].astype(np.float32).ravel()


def finite_sample(image: Array, most: int = 300_000) -> Array:
    """The finite pixels of a subsample, for percentiles; a single 0 if there is none."""
    pixels = subsample(image, most)
    finite: Array = pixels[np.isfinite(pixels)]
    return finite if finite.size else np.zeros(1, np.float32)


def finite_percentile(values: Array, percent: float) -> float:
    """A percentile of the finite values; 0 if there is none."""
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, percent)) if finite.size else 0.0


def axis_limits(values: Array) -> tuple[float, float]:
    """The limits of an axis for these values; 0 to 1 if none is finite, or all are the same."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1)


def show_image(
    axes: Axes, values: Array, low: float, high: float, *,
    gamma: float = 1.0, extent: tuple[float, float, float, float], map: str = "viridis",
) -> Any:  # fmt: skip
    """Draw an image into the axes, origin at the lower left; pixels that are not finite are grey.

    Returns what a colour bar needs.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize, PowerNorm

    colours = colormaps[map]
    table = np.round(colours(np.arange(257) / 256) * 255).astype(np.uint8)
    table[256] = (150, 150, 150, 255)
    fraction = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    if gamma != 1:
        fraction = fraction**gamma
    with np.errstate(invalid="ignore"):
        index = np.where(np.isfinite(fraction), fraction * 255, 256).astype(np.int16)
    axes.imshow(table[index], origin="lower", interpolation="nearest", aspect="auto", extent=extent)
    norm = Normalize(low, high) if gamma == 1 else PowerNorm(gamma, low, high)
    return ScalarMappable(norm, colours)


def add_image_axes(figure: Figure, shape: tuple[int, int]) -> tuple[Axes, Axes]:
    """Add axes for an image of `shape` (rows, columns) pixels, and for its colour bar.

    The figure is resized to fit.
    """
    rows, columns = shape
    width, height = LEFT + columns + COLOUR_BAR, HEADING + rows + BOTTOM
    figure.set_size_inches(width / DPI, height / DPI)
    position = (LEFT / width, BOTTOM / height, columns / width, rows / height)
    bar = ((LEFT + columns + 16) / width, BOTTOM / height, 20 / width, rows / height)
    axes = figure.add_axes(position)
    _fix_labels(axes)
    return axes, _add_axes(figure, bar)


def _add_axes(figure: Figure, position: tuple[float, float, float, float]) -> Axes:
    axes = figure.add_axes(position)
    set_title(axes)
    return axes


def min_max_envelope(x: Array, y: Array, bins: int) -> tuple[Array, Array]:
    """The lowest and highest y of each bin along the last axis: few points, and every peak."""
    step = x.shape[-1] // bins
    if step < 3:
        return x, y
    size = x.shape[-1] // step * step
    binned = y[..., :size].reshape(*y.shape[:-1], size // step, step)
    # A pixel without a value must not hide the others of its bin
    ends = np.stack([np.fmin.reduce(binned, axis=-1), np.fmax.reduce(binned, axis=-1)], axis=-1)
    return np.repeat(x[..., :size:step], 2, axis=-1), ends.reshape(*y.shape[:-1], -1)
