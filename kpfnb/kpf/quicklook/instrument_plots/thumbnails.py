"""Small pictures of plots, made for their size: the panels alone, with few labels in large type.

The panels are cut out of the drawn plot, so that nothing is drawn twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 480, 330
FONT_PIXELS = 15
LEFT, RIGHT, TOP, BOTTOM, BAR = 62, 10, 24, 42, 74
"""Margins with labels; the space for a colour bar and its labels."""

PLAIN_MARGIN = 6
MAX_LABELLED = 4
"""Plots of more panels have no labels: there is no room."""

MAX_TICKS = 3
MIN_LABEL_GAP = 45
"""A panel this far right of another one has labels of its own."""

INK, SOFT_INK = "#1b2430", "#5a6675"


class Box(NamedTuple):
    """A rectangle in pixels, from the upper left."""

    left: float
    top: float
    right: float
    bottom: float


class Placed(NamedTuple):
    """A panel: where it is in the plot, and where in the thumbnail."""

    axes: Axes
    source: Box
    target: Box


def make_thumbnail(figure: Figure, panels: Sequence[Axes], image: Image) -> Image:
    """The thumbnail of a figure that is drawn as an image; `panels` have data, others are bars."""
    from PIL import Image as images
    from PIL import ImageDraw

    if not panels:
        return image.resize((WIDTH, HEIGHT), images.Resampling.BOX)
    thumbnail = images.new("RGB", (WIDTH, HEIGHT), "white")
    drawing = ImageDraw.Draw(thumbnail)
    bars = [axes for axes in figure.axes if axes not in panels and axes.get_visible()]
    has_labels = len(panels) <= MAX_LABELLED
    placed = _place_panels(panels, image.height, has_labels=has_labels, has_bar=len(bars) == 1)
    for panel in placed:
        _paste(thumbnail, image, panel.source, panel.target, thicken=not panel.axes.images)
        drawing.rectangle(panel.target, outline=SOFT_INK)
    if has_labels:
        for panel in placed:
            _label_panel(drawing, panel, placed, image.height)
        if len(bars) == 1:
            _draw_bar(thumbnail, drawing, image, bars[0])
    return thumbnail


def _place_panels(
    panels: Sequence[Axes], height: int, *, has_labels: bool, has_bar: bool
) -> list[Placed]:
    """The panels in the thumbnail, as they lie in the plot."""
    boxes = [_panel_box(axes, height) for axes in panels]
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    width = max(box.right for box in boxes) - left
    tall = max(box.bottom for box in boxes) - top
    margins = (
        Box(LEFT, TOP, BAR if has_bar else RIGHT, BOTTOM)
        if has_labels
        else Box(*4 * [PLAIN_MARGIN])
    )
    across = (WIDTH - margins.left - margins.right) / width
    down = (HEIGHT - margins.top - margins.bottom) / tall

    def move(box: Box) -> Box:
        x, y = margins.left - left * across, margins.top - top * down
        return Box(
            round(x + box.left * across), round(y + box.top * down),
            round(x + box.right * across), round(y + box.bottom * down),
        )  # fmt: skip

    placed = [Placed(axes, box, move(box)) for axes, box in zip(panels, boxes, strict=True)]
    return [_make_room(panel, placed) for panel in placed] if has_labels else placed


def _make_room(panel: Placed, placed: Sequence[Placed]) -> Placed:
    """The panel with space above it for its title."""
    box = panel.target
    above = [other.target.bottom for other in placed if other.target.bottom <= box.top]
    return panel._replace(target=box._replace(top=max([box.top, *(end + TOP for end in above)])))


def _panel_box(axes: Axes, height: int) -> Box:
    box = axes.get_window_extent()
    return Box(round(box.x0), round(height - box.y1), round(box.x1), round(height - box.y0))


def _paste(thumbnail: Image, image: Image, source: Box, target: Box, *, thicken: bool) -> None:
    """Copy a part of the plot, smaller; lines are thickened first, or they would fade."""
    from PIL import Image as images

    size = (int(target.right - target.left), int(target.bottom - target.top))
    part = image.crop(source)
    if thicken:
        pixels = np.asarray(part)
        pixels = np.minimum(pixels[1:], pixels[:-1])
        part = images.fromarray(np.minimum(pixels[:, 1:], pixels[:, :-1]))
    small = part.resize(size, images.Resampling.BOX)
    thumbnail.paste(small, (int(target.left), int(target.top)))


def _label_panel(drawing: ImageDraw, panel: Placed, placed: Sequence[Placed], height: int) -> None:
    """Write few ticks, the quantities and the title."""
    axes, target, font = panel.axes, panel.target, _load_font()
    before = [other.target.right for other in placed if other.target.right <= target.left]
    if not before or target.left - max(before) >= MIN_LABEL_GAP:
        for value, y in _list_ticks(panel, height, vertical=True):
            place = (target.left - 5, min(max(y, target.top + 6), target.bottom - 6))
            drawing.text(place, f"{value:g}", INK, font, anchor="rm")
    parts = (axes.get_title(loc="left"), axes.get_ylabel())
    # Mathematics can't be written here
    text = " · ".join(part for part in parts if part and "$" not in part)
    start = target.left if before else 4
    text = _shorten(text, target.right - start)
    drawing.text((start, target.top - 4), text, SOFT_INK, font, anchor="lb")
    if target.bottom < max(other.target.bottom for other in placed) - 2:
        return
    for value, x in _list_ticks(panel, height, vertical=False):
        words = f"{value:g}"
        half = font.getlength(words) / 2
        drawing.text((min(x, WIDTH - 1 - half), target.bottom + 4), words, INK, font, anchor="mt")
    if "$" not in (label := axes.get_xlabel()):
        middle = (target.left + target.right) / 2
        text = _shorten(label, target.right - target.left)
        drawing.text((middle, HEIGHT - 3), text, SOFT_INK, font, anchor="mb")


def _list_ticks(panel: Placed, height: int, *, vertical: bool) -> list[tuple[float, float]]:
    """A few round values of an axis, and where they are in the thumbnail."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    axes, (_, source, target) = panel.axes, panel
    axis = axes.yaxis if vertical else axes.xaxis
    low, high = sorted(axis.get_view_interval())
    locator = (
        LogLocator(numticks=MAX_TICKS) if axis.get_scale() == "log" else MaxNLocator(MAX_TICKS)
    )
    values = [float(v) for v in locator.tick_values(low, high) if low <= v <= high]
    points: Any = axes.transData.transform(
        [(low, v) if vertical else (v, low) for v in values] or np.zeros((0, 2))
    )
    if vertical:
        scale = (target.bottom - target.top) / (source.bottom - source.top)
        return [
            (v, target.top + (height - p[1] - source.top) * scale)
            for v, p in zip(values, points, strict=True)
        ]
    scale = (target.right - target.left) / (source.right - source.left)
    return [
        (v, target.left + (p[0] - source.left) * scale) for v, p in zip(values, points, strict=True)
    ]


def _draw_bar(thumbnail: Image, drawing: ImageDraw, image: Image, bar: Axes) -> None:
    """The colour bar, with the lowest and the highest value."""
    target = Box(WIDTH - BAR + 8, TOP, WIDTH - BAR + 18, HEIGHT - BOTTOM)
    _paste(thumbnail, image, _panel_box(bar, image.height), target, thicken=False)
    low, high = bar.get_ylim()
    for value, y, anchor in ((high, target.top, "lt"), (low, target.bottom, "lb")):
        drawing.text((target.right + 3, y), _short_number(value), INK, _load_font(), anchor=anchor)


def _short_number(value: float) -> str:
    """A number with three digits: 64.2, 11.7k, 1.2M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}"


def _shorten(text: str, width: float) -> str:
    """A text that fits into a width."""
    font = _load_font()
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


@lru_cache(maxsize=1)
def _load_font() -> FreeTypeFont:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT_PIXELS
    )
