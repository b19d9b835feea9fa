"""Plots of results: the registry of plot functions, and figures with tooltips in JupyterLab.

A result class does not know its plot. The module `plots` beside it registers the function that
draws it; `plot` gives the plain figure, `figure_widget` the widget to zoom and pan.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

FAINT_COLOUR = "#555555"

HOVER_RADIUS_PIXELS = 8.0
BAR_HALF_WIDTH = 0.4
TOOLTIP_OFFSET_PIXELS = 12
"""Distance of the tooltip from the mouse pointer, which would hide it."""

SCREEN_DPI = 80
MAX_WIDTH_PIXELS = 880
"""The width of a notebook on a laptop, minus the toolbar beside the figure."""
TOOLBAR_HEIGHT = "200px"
"""Height of the toolbar's buttons, which are in one column."""

MAX_NAMES = 4

TooltipFunction = Callable[[Any], str]
"""Takes a mouse event of matplotlib; returns the text of the tooltip, '' for none."""


@dataclass(frozen=True)
class HoverFigure:
    """A figure, and the tooltip function of each of its axes."""

    figure: Figure
    tooltips: Mapping[Axes, TooltipFunction] = field(default_factory=dict)


@singledispatch
def _draw(result: object) -> HoverFigure:
    raise TypeError(f"no plot is registered for {type(result).__name__}")


register_plot = _draw.register
"""Decorator: `@register_plot(ReprocessResult)` above the function that draws such a result.

The function is in the module (or package) `plots` beside the module of the class, so that a
result class does not import its plots.
"""


def register_formatter(shell: Any) -> None:
    """Let IPython show a matplotlib Figure as an image, without importing pyplot."""
    from IPython.core.pylabtools import print_figure

    png = shell.display_formatter.formatters["image/png"]
    png.for_type_by_name("matplotlib.figure", "Figure", partial(print_figure, base64=True))


def hover_plot(result: object) -> HoverFigure:
    """The plot of a result, with the tooltips of its axes; `TypeError` if it has none."""
    for cls in type(result).__mro__:
        package = cls.__module__.rpartition(".")[0]
        if package and importlib.util.find_spec(f"{package}.plots"):
            importlib.import_module(f"{package}.plots")
    return _draw(result)


def plot(result: object) -> Figure:
    """The plot of a result as a plain figure."""
    return hover_plot(result).figure


def draw_empty_message(axes: Axes, text: str) -> None:
    """Write into empty axes that there is no data, and hide the ticks, which mean nothing."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=FAINT_COLOUR
    )


def escape_mathtext(name: str) -> str:
    """A name from a header or a file for matplotlib: its dollar signs start no formula."""
    return name.replace("$", r"\$")


def join_names(names: Iterable[str]) -> str:
    """Names on a line each; of a long list the first few and how many more there are."""
    lines = list(names)
    hidden = len(lines) - MAX_NAMES
    # Instead of "and 1 more" the last name fits, too
    return "\n".join(lines if hidden <= 1 else [*lines[:MAX_NAMES], f"and {hidden} more"])


def area_tooltip(text: Callable[[float, float], str]) -> TooltipFunction:
    """The tooltip of bars and cells: a function of x and y in data units."""
    return lambda event: text(event.xdata, event.ydata)


def bar_tooltip(texts: Sequence[str], *, upright: bool = True) -> TooltipFunction:
    """The tooltip of categorical bars: a text for each bar, in their order.

    upright : True for vertical bars (positions along x), False for horizontal ones (along y)
    """

    def tooltip(event: Any) -> str:
        position = event.xdata if upright else event.ydata
        number = round(position)
        is_on_bar = 0 <= number < len(texts) and abs(position - number) <= BAR_HALF_WIDTH
        return texts[number] if is_on_bar else ""

    return tooltip


def curve_tooltip(x: NDArray[np.float64], text: Callable[[int], str]) -> TooltipFunction:
    """The tooltip of a curve: the text of the point nearest in x, by its index.

    x : in data units, ascending
    """
    import numpy as np

    def tooltip(event: Any) -> str:
        if not len(x) or not x[0] <= event.xdata <= x[-1]:
            return ""
        after = min(int(np.searchsorted(x, event.xdata)), len(x) - 1)
        before = max(after - 1, 0)
        is_before = event.xdata - x[before] < x[after] - event.xdata
        return text(before if is_before else after)

    return tooltip


@dataclass(frozen=True)
class PointTooltip:
    """The tooltip of points: the text of the nearest one within `HOVER_RADIUS_PIXELS`.

    Attributes
    ----------
    positions : in data units, shape (n, 2)
    text : the text of a point, by its index
    """

    positions: NDArray[np.float64]
    text: Callable[[int], str]

    def __call__(self, event: Any) -> str:
        """The text at the mouse pointer."""
        import numpy as np

        if not len(self.positions):
            return ""
        pixels = event.inaxes.transData.transform(self.positions)
        distances = np.hypot(*(pixels - (event.x, event.y)).T)
        nearest = int(np.argmin(distances))
        return self.text(nearest) if distances[nearest] <= HOVER_RADIUS_PIXELS else ""


def figure_widget(hover_figure: HoverFigure) -> Any:
    """A figure with its tooltips as a widget (ipympl)."""
    from ipympl.backend_nbagg import Canvas, FigureManager

    figure = hover_figure.figure
    figure.set_dpi(min(SCREEN_DPI, MAX_WIDTH_PIXELS / figure.get_figwidth()))
    canvas = Canvas(figure)
    with warnings.catch_warnings():
        # A warning within ipympl, about how it calls traitlets
        warnings.simplefilter("ignore", DeprecationWarning)
        FigureManager(canvas, 1)
    canvas.header_visible = canvas.footer_visible = False
    # Above the figure the buttons would cover its legend
    canvas.toolbar_position, canvas.toolbar_visible = "right", "visible"
    canvas.layout.min_height = TOOLBAR_HEIGHT
    if hover_figure.tooltips:
        display = TooltipDisplay(hover_figure)
        canvas.mpl_connect("motion_notify_event", lambda event: display.update(event, canvas))
    return canvas


class TooltipDisplay:
    """Writes the tooltip at the mouse pointer into the figure.

    One function serves all bars, cells or points of an axes. mplcursors asks each artist: each
    movement of the mouse costs 9 ms of CPU time over 470 points, 50 ms over 470 bars and 890 ms
    over 10,000 bars; here it costs less than 0.2 ms (mplcursors 0.7, matplotlib 3.11).
    """

    def __init__(self, hover_figure: HoverFigure) -> None:
        from matplotlib.transforms import IdentityTransform

        self._tooltips = hover_figure.tooltips
        self._figure = hover_figure.figure
        self.note = hover_figure.figure.text(
            0,
            0,
            "",
            size=8,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "#666666"},
            transform=IdentityTransform(),
            visible=False,
            zorder=10,
            # Names with dollar signs are not formulas
            parse_math=False,
        )
        self.note.set_in_layout(False)

    def update(self, event: Any, canvas: Any) -> None:
        """Show the tooltip at the mouse pointer, or hide it; redraw only if the text changed."""
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
        """The text at the mouse pointer; '' if there is none."""
        tooltip = self._tooltips.get(event.inaxes)
        return tooltip(event) if tooltip else ""

    def _place_note(self, event: Any) -> None:
        """Towards the middle of the figure, so that its text is not cut off."""
        width, height = self._figure.bbox.size
        is_right, is_upper = event.x > width / 2, event.y > height / 2
        x = event.x + (-TOOLTIP_OFFSET_PIXELS if is_right else TOOLTIP_OFFSET_PIXELS)
        y = event.y + (-TOOLTIP_OFFSET_PIXELS if is_upper else TOOLTIP_OFFSET_PIXELS)
        self.note.set_position((x, y))
        self.note.set_horizontalalignment("right" if is_right else "left")
        self.note.set_verticalalignment("top" if is_upper else "bottom")
