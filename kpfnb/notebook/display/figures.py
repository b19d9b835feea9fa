"""Plots of results: the registry of plot functions, and the tooltips and links of figures.

A result class does not know its plot. The module `plots` beside it registers the function that
draws it; `plot` gives the plain figure, `figure_widget.FigureWidget` is what JupyterLab shows.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any

from kpfnb.core import palette

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

HOVER_RADIUS_PIXELS = 8.0
BAR_HALF_WIDTH = 0.4

MAX_NAMES = 4


class LinkedText(str):
    """The text of a tooltip whose point, bar or cell leads to a page: a click opens it.

    Attributes
    ----------
    url : of the page, from `kpfnb.notebook.links`; '' for none (as outside of JupyterLab)
    """

    url: str

    def __new__(cls, text: str, url: str) -> LinkedText:
        """A text with its link."""
        linked = super().__new__(cls, text)
        linked.url = url
        return linked


TooltipFunction = Callable[[Any], str]
"""Takes a mouse event of matplotlib; returns the text of the tooltip, '' for none.

A `LinkedText` is a link, too.
"""


@dataclass(frozen=True)
class HoverFigure:
    """A figure, and the tooltip function of each of its axes.

    A text that is a `LinkedText` makes its point, bar or cell a link.
    """

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
    if isinstance(result, HoverFigure):
        return result
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
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=palette.SOFT_INK
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
        # A point without a value has no distance
        nearest = int(np.argmin(np.nan_to_num(distances, nan=np.inf)))
        return self.text(nearest) if distances[nearest] <= HOVER_RADIUS_PIXELS else ""
