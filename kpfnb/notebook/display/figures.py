"""A picture in JupyterLab: zoom and pan, and what is under the mouse.

Headless a picture is a plain figure, and nothing of this is imported.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from kpfnb.result import Plotted

NEAR_PIXELS = 8.0
HALF_BAR = 0.4
AWAY_PIXELS = 12
"""The text is so far from the mouse, which would hide it."""

SCREEN_DPI = 80
MOST_PIXELS = 880
"""A notebook's width on a laptop, with room for the buttons beside the picture."""

BUTTONS_HEIGHT = "200px"
"""Below each other, the buttons beside a picture take so much."""

NAMES_SHOWN = 4

Told = Callable[[Any], str]
"""Takes a mouse event of matplotlib; gives what is under the mouse, '' for nothing."""


@dataclass(frozen=True)
class Hovered:
    """A picture, and what the mouse is told over each of its axes."""

    figure: Figure
    told: Mapping[Axes, Told] = field(default_factory=dict)


@runtime_checkable
class Hovering(Protocol):
    """A result that tells more of its plot than is written in it."""

    def hovered(self) -> Hovered:
        """Its plot, and what is under the mouse."""


def area(text: Callable[[float, float], str]) -> Told:
    """For bars and cells: a function of the place in the data's units."""
    return lambda event: text(event.xdata, event.ydata)


def bars(texts: Sequence[str], *, upright: bool = True) -> Told:
    """For bars of categories: what each is, in their order.

    upright : they stand side by side; otherwise they lie below each other
    """

    def told(event: Any) -> str:
        place = event.xdata if upright else event.ydata
        number = round(place)
        is_on = 0 <= number < len(texts) and abs(place - number) <= HALF_BAR
        return texts[number] if is_on else ""

    return told


def curve(x: NDArray[np.float64], text: Callable[[int], str]) -> Told:
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
class Points:
    """For points: what the nearest one is, if it is near.

    Attributes
    ----------
    at : their places in the data's units, shape (n, 2)
    text : what a point is, by its number
    """

    at: NDArray[np.float64]
    text: Callable[[int], str]

    def __call__(self, event: Any) -> str:
        """What is under the mouse."""
        if not len(self.at):
            return ""
        places = event.inaxes.transData.transform(self.at)
        distances = np.hypot(*(places - (event.x, event.y)).T)
        one = int(np.argmin(distances))
        return self.text(one) if distances[one] <= NEAR_PIXELS else ""


def names(found: Iterable[str]) -> str:
    """Names below each other; of many the first, and how many more there are."""
    every = list(found)
    more = len(every) - NAMES_SHOWN
    # One more line would tell as much as the name
    shown = every if more <= 1 else [*every[:NAMES_SHOWN], f"and {more} more"]
    return "\n".join(shown)


def widget(shown: Plotted | Figure) -> Any:
    """The plot of a result, or a figure, as a widget (ipympl)."""
    from ipympl.backend_nbagg import Canvas, FigureManager
    from matplotlib.figure import Figure

    if isinstance(shown, Figure):
        picture = Hovered(shown)
    else:
        picture = shown.hovered() if isinstance(shown, Hovering) else Hovered(shown.plot())
    figure = picture.figure
    figure.set_dpi(min(SCREEN_DPI, MOST_PIXELS / figure.get_figwidth()))
    canvas = Canvas(figure)
    with warnings.catch_warnings():
        # ipympl's own, about how it calls traitlets
        warnings.simplefilter("ignore", DeprecationWarning)
        FigureManager(canvas, 1)
    canvas.header_visible = canvas.footer_visible = False
    # Above the picture they would lie over its legend
    canvas.toolbar_position, canvas.toolbar_visible = "right", "visible"
    canvas.layout.min_height = BUTTONS_HEIGHT
    if picture.told:
        hover = Hover(picture)
        canvas.mpl_connect("motion_notify_event", lambda event: hover.move(event, canvas))
    return canvas


class Hover:
    """Tells what is under the mouse."""

    def __init__(self, picture: Hovered) -> None:
        from matplotlib.transforms import IdentityTransform

        self._told = picture.told
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

    def move(self, event: Any, canvas: Any) -> None:
        """Show what is under the mouse, or nothing; drawn again only where that changes."""
        text = self.under(event)
        before = self.note.get_text() if self.note.get_visible() else ""
        if text == before:
            return
        self.note.set_visible(bool(text))
        if text:
            self._place(event)
            self.note.set_text(text)
        canvas.draw_idle()

    def under(self, event: Any) -> str:
        """What is under the mouse; '' where nothing is."""
        told = self._told.get(event.inaxes)
        return told(event) if told else ""

    def _place(self, event: Any) -> None:
        """Towards the middle of the picture, so that nothing of it is cut off."""
        width, height = self._figure.bbox.size
        right, high = event.x > width / 2, event.y > height / 2
        x = event.x + (-AWAY_PIXELS if right else AWAY_PIXELS)
        y = event.y + (-AWAY_PIXELS if high else AWAY_PIXELS)
        self.note.set_position((x, y))
        self.note.set_horizontalalignment("right" if right else "left")
        self.note.set_verticalalignment("top" if high else "bottom")
