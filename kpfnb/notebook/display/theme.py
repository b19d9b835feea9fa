"""Figures in JupyterLab's dark theme: their colours are replaced by those for a dark ground."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from kpfnb.core import palette

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

    Array = NDArray[Any]

MAX_LISTED_COLOURS = 32
"""A longer list is a continuous colour map."""

Change = tuple[Callable[[Any], object], Any, Any]
"""A setter, the colour for a light ground, and that for a dark one."""


class FigureTheme:
    """The colours of a figure for a light and a dark ground."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._changes: list[Change] | None = None
        self.is_dark = False

    def set_dark(self, dark: bool) -> None:
        """Set the colours for a dark or a light ground; the caller draws the figure."""
        if dark == self.is_dark:
            return
        if self._changes is None:
            self._changes = list(_find_changes(self._figure))
        for setter, light_value, dark_value in self._changes:
            setter(dark_value if dark else light_value)
        self.is_dark = dark
        if dark:
            self._restore_text_contrast()

    def _restore_text_contrast(self) -> None:
        """Texts on cells and bars: dark on light ones, light on dark ones."""
        texts = [text for axes in self._figure.axes for text in _texts_on_data(axes)]
        if not texts:
            return
        import numpy as np

        canvas: Any = self._figure.canvas
        for text in texts:
            text.set_visible(False)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())
        for text in texts:
            text.set_visible(True)
            _set_readable_colour(text, picture)


def darken_figure(figure: Figure) -> None:
    """Give a figure the colours for a dark ground."""
    FigureTheme(figure).set_dark(True)


def _find_changes(figure: Figure) -> Iterator[Change]:
    for axes in figure.axes:
        for axis in axes.xaxis, axes.yaxis:
            yield from _tick_changes(axis)
    for artist in figure.findobj():
        yield from _artist_changes(artist)


def _tick_changes(axis: Axis) -> Iterator[Change]:
    """Ticks that zooming adds take their colours from the parameters of the axis."""
    for which, ticks in ("major", axis.get_major_ticks(1)), ("minor", axis.get_minor_ticks(1)):
        [tick] = ticks[:1]
        parts = {
            "color": tick.tick1line.get_color(),
            "labelcolor": tick.label1.get_color(),
            "grid_color": tick.gridline.get_color(),
        }
        for name, colour in parts.items():
            yield partial(_set_tick_colour, axis, which, name), colour, _darken(colour)


def _set_tick_colour(axis: Axis, which: Any, name: str, colour: Any) -> None:
    axis.set_tick_params(which=which, **{name: colour})


def _artist_changes(artist: Artist) -> Iterator[Change]:
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    thing: Any = artist
    if isinstance(artist, Text):
        yield thing.set_color, thing.get_color(), _darken(thing.get_color())
        if thing.get_bbox_patch():
            yield from _artist_changes(thing.get_bbox_patch())
    elif isinstance(artist, Line2D):
        for name in ("color", "markerfacecolor", "markeredgecolor"):
            colour = getattr(thing, f"get_{name}")()
            yield getattr(thing, f"set_{name}"), colour, _darken(colour)
    elif isinstance(artist, (Patch, Collection)):
        mapped = isinstance(artist, Collection) and artist.get_array() is not None
        if mapped:
            yield from _colormap_change(thing)
            return
        for name in ("edgecolor", "facecolor"):
            colour = getattr(thing, f"get_{name}")()
            yield getattr(thing, f"set_{name}"), colour, _darken(colour)
    elif hasattr(artist, "set_cmap"):
        yield from _colormap_change(thing)


def _colormap_change(mappable: Any) -> Iterator[Change]:
    """Colour maps that are lists of a few colours; the continuous ones fit both grounds."""
    from matplotlib.colors import ListedColormap

    listed = mappable.get_cmap()
    if isinstance(listed, ListedColormap) and listed.N <= MAX_LISTED_COLOURS:
        yield mappable.set_cmap, listed, ListedColormap(_darken(listed.colors))


def _darken(colour: Any) -> Any:
    """The colour, or each of several, for a dark ground; what is transparent stays."""
    from matplotlib.colors import is_color_like, to_rgba, to_rgba_array

    if isinstance(colour, str) and colour in ("none", "auto"):
        return colour
    if is_color_like(colour):
        return _darken_rgba(to_rgba(colour))
    return [_darken_rgba(one) for one in to_rgba_array(colour)]


def _darken_rgba(colour: Iterable[float]) -> tuple[float, float, float, float]:
    red, green, blue, alpha = map(float, colour)
    return (*palette.dark_rgb((red, green, blue)), alpha)


def _texts_on_data(axes: Axes) -> Iterator[Text]:
    return (text for text in axes.texts if text.get_visible() and text.get_text())


def _set_readable_colour(text: Text, picture: Array) -> None:
    """Change the colour of a text only if it can't be read on what the picture has there."""
    from matplotlib.colors import to_rgb

    box = text.get_window_extent()
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    height, width, _ = picture.shape
    if not (0 <= x < width and 0 <= y < height):
        return
    red, green, blue = (float(part) / 255 for part in picture[height - 1 - int(y), int(x)][:3])
    ground = (red, green, blue)
    if palette.contrast(to_rgb(text.get_color()), ground) < palette.MIN_CONTRAST:
        inks = map(palette.parse_colour, (palette.DARK_INK, palette.DARK_GROUND))
        text.set_color(max(inks, key=lambda ink: palette.contrast(ink, ground)))
