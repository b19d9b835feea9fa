"""A picture in JupyterLab: zoom and pan, and what is under the mouse.

Headless a picture is a plain figure, and nothing of this is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


# What the plots of results share: an empty one says so, and names are no formulas.

FAINT_COLOUR = "#555555"


def draw_empty_message(axes: Axes, text: str) -> None:
    """Say in an empty plot that there is nothing to show; its ticks would mean nothing."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=FAINT_COLOUR
    )


def escape_mathtext(name: str) -> str:
    """A name from a header or a file as matplotlib shows it: a dollar sign begins no formula."""
    return name.replace("$", r"\$")


HOVER_RADIUS_PIXELS = 8.0
BAR_HALF_WIDTH = 0.4
TOOLTIP_OFFSET_PIXELS = 12
"""The text is so far from the mouse, which would hide it."""

SCREEN_DPI = 80
MAX_WIDTH_PIXELS = 880
"""A notebook's width on a laptop, with room for the buttons beside the picture."""

TOOLBAR_HEIGHT = "200px"
"""Below each other, the buttons beside a picture take so much."""

MAX_NAMES = 4

TooltipFunction = Callable[[Any], str]
"""Takes a mouse event of matplotlib; gives what is under the mouse, '' for nothing."""


@dataclass(frozen=True)
class HoverFigure:
    """A picture, and what the mouse is told over each of its axes."""

    figure: Figure
    tooltips: Mapping[Axes, TooltipFunction] = field(default_factory=dict)


@singledispatch
def _draw(result: object) -> HoverFigure:
    # Until every result has registered its plot
    if hasattr(result, "hover_plot"):
        return result.hover_plot()
    if hasattr(result, "plot"):
        return HoverFigure(result.plot())
    raise TypeError(f"no plot is registered for {type(result).__name__}")


register_plot = _draw.register
"""Decorator: `@register_plot(ReprocessResult)` above the function that draws such a result.

The function stands in the module (or package) `plots` beside the module of the class, so that a
result class does not import its plots.
"""


def hover_plot(result: object) -> HoverFigure:
    """The plot of a result, with the tooltips of its axes; `TypeError` where it has none."""
    for cls in type(result).__mro__:
        package = cls.__module__.rpartition(".")[0]
        if package and importlib.util.find_spec(f"{package}.plots"):
            importlib.import_module(f"{package}.plots")
    return _draw(result)


def plot(result: object) -> Figure:
    """The plot of a result as a plain figure."""
    return hover_plot(result).figure


def area_tooltip(text: Callable[[float, float], str]) -> TooltipFunction:
    """For bars and cells: a function of the place in the data's units."""
    return lambda event: text(event.xdata, event.ydata)


def bar_tooltip(texts: Sequence[str], *, upright: bool = True) -> TooltipFunction:
    """For bars of categories: what each is, in their order.

    upright : they stand side by side; otherwise they lie below each other
    """

    def told(event: Any) -> str:
        place = event.xdata if upright else event.ydata
        number = round(place)
        is_on = 0 <= number < len(texts) and abs(place - number) <= BAR_HALF_WIDTH
        return texts[number] if is_on else ""

    return told


def curve_tooltip(x: NDArray[np.float64], text: Callable[[int], str]) -> TooltipFunction:
    """For a curve: what its point at the mouse is, by its number; x ascends."""

    def told(event: Any) -> str:
        if not len(x) or not x[0] <= event.xdata <= x[-1]:
            return ""
        after = min(int(np.searchsorted(x, event.xdata)), len(x) - 1)
        before = max(after - 1, 0)
        is_before = event.xdata - x[before] < x[after] - event.xdata
        return text(before if is_before else after)

    return told


@dataclass(frozen=True)
class PointTooltip:
    """For points: what the nearest one is, if it is near.

    Attributes
    ----------
    at : their places in the data's units, shape (n, 2)
    text : what a point is, by its number
    """

    positions: NDArray[np.float64]
    text: Callable[[int], str]

    def __call__(self, event: Any) -> str:
        """What is under the mouse."""
        if not len(self.positions):
            return ""
        places = event.inaxes.transData.transform(self.positions)
        distances = np.hypot(*(places - (event.x, event.y)).T)
        one = int(np.argmin(distances))
        return self.text(one) if distances[one] <= HOVER_RADIUS_PIXELS else ""


def join_names(found: Iterable[str]) -> str:
    """Names below each other; of many the first, and how many more there are."""
    every = list(found)
    more = len(every) - MAX_NAMES
    # One more line would tell as much as the name
    shown = every if more <= 1 else [*every[:MAX_NAMES], f"and {more} more"]
    return "\n".join(shown)


def figure_widget(shown: HoverFigure) -> Any:
    """A figure with its tooltips as a widget (ipympl)."""
    from ipympl.backend_nbagg import Canvas, FigureManager

    figure = shown.figure
    figure.set_dpi(min(SCREEN_DPI, MAX_WIDTH_PIXELS / figure.get_figwidth()))
    canvas = Canvas(figure)
    with warnings.catch_warnings():
        # ipympl's own, about how it calls traitlets
        warnings.simplefilter("ignore", DeprecationWarning)
        FigureManager(canvas, 1)
    canvas.header_visible = canvas.footer_visible = False
    # Above the picture they would lie over its legend
    canvas.toolbar_position, canvas.toolbar_visible = "right", "visible"
    canvas.layout.min_height = TOOLBAR_HEIGHT
    if shown.tooltips:
        hover = TooltipDisplay(shown)
        canvas.mpl_connect("motion_notify_event", lambda event: hover.update(event, canvas))
    return canvas


class TooltipDisplay:
    """Tells what is under the mouse."""

    def __init__(self, picture: HoverFigure) -> None:
        from matplotlib.transforms import IdentityTransform

        self._tooltips = picture.tooltips
        self._figure = picture.figure
        self.note = picture.figure.text(
            0,
            0,
            "",
            size=8,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "#666666"},
            transform=IdentityTransform(),
            visible=False,
            zorder=10,
            # A name is no formula, whatever is in it
            parse_math=False,
        )
        self.note.set_in_layout(False)

    def update(self, event: Any, canvas: Any) -> None:
        """Show what is under the mouse, or nothing; drawn again only where that changes."""
        text = self.tooltip_at(event)
        before = self.note.get_text() if self.note.get_visible() else ""
        if text == before:
            return
        self.note.set_visible(bool(text))
        if text:
            self._place_note(event)
            self.note.set_text(text)
        canvas.draw_idle()

    def tooltip_at(self, event: Any) -> str:
        """What is under the mouse; '' where nothing is."""
        told = self._tooltips.get(event.inaxes)
        return told(event) if told else ""

    def _place_note(self, event: Any) -> None:
        """Towards the middle of the picture, so that nothing of it is cut off."""
        width, height = self._figure.bbox.size
        right, high = event.x > width / 2, event.y > height / 2
        x = event.x + (-TOOLTIP_OFFSET_PIXELS if right else TOOLTIP_OFFSET_PIXELS)
        y = event.y + (-TOOLTIP_OFFSET_PIXELS if high else TOOLTIP_OFFSET_PIXELS)
        self.note.set_position((x, y))
        self.note.set_horizontalalignment("right" if right else "left")
        self.note.set_verticalalignment("top" if high else "bottom")
