"""Figures in JupyterLab: to zoom and pan, with tooltips, links, and the colours of its theme."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipympl.backend_nbagg import Canvas, FigureManager
from ipywidgets import VBox

from kpfnb.core import palette
from kpfnb.notebook.display.figures import HoverFigure, LinkedText
from kpfnb.notebook.display.theme import FigureTheme

SCREEN_DPI = 80
MAX_WIDTH_PIXELS = 880
"""The width of a notebook on a laptop, minus the toolbar beside the figure."""
TOOLBAR_HEIGHT = "200px"
"""Height of the toolbar's buttons, which are in one column."""

TOOLTIP_OFFSET_PIXELS = 12
"""Distance of the tooltip from the mouse pointer, which would hide it."""

MAX_CLICK_PIXELS = 3
"""A mouse that moves further between press and release drags."""

LEFT_BUTTON = 1


class FigureLinks(anywidget.AnyWidget):
    """Opens the links of a figure in new tabs, and tells JupyterLab's theme.

    The last link stands below the figure, for the keyboard and for browsers that open no tabs.
    """

    _esm = Path(__file__).with_name("figure_links.js")
    dark = traitlets.Bool(False).tag(sync=True)
    """Whether JupyterLab's theme is dark."""

    def open_link(self, text: LinkedText) -> None:
        """Open the link of a point in a new tab."""
        self.send({"url": text.url, "text": text.partition("\n")[0]})


class FigureWidget(VBox):
    """A figure with its tooltips and links."""

    is_theme_dark = False
    """The theme that the last figure was told: most often that of the next one."""

    def __init__(self, hover_figure: HoverFigure) -> None:
        figure = hover_figure.figure
        figure.set_dpi(min(SCREEN_DPI, MAX_WIDTH_PIXELS / figure.get_figwidth()))
        self.canvas = create_canvas(figure)
        self.links = FigureLinks(dark=FigureWidget.is_theme_dark)
        if hover_figure.tooltips:
            tooltips = TooltipDisplay(hover_figure)
            self.canvas.mpl_connect(
                "motion_notify_event", lambda event: tooltips.update(event, self.canvas)
            )
            # Kept, since matplotlib holds methods by weak references
            self._clicks = LinkClicks(tooltips, self.links)
            self.canvas.mpl_connect("button_press_event", self._clicks.press)
            self.canvas.mpl_connect("button_release_event", self._clicks.release)
        self._theme = FigureTheme(figure)
        super().__init__([self.canvas, self.links])
        # The picture that is stored in the notebook is for a light ground
        self._stored_picture = self.canvas._repr_mimebundle_()
        self._follow_theme()
        self.links.observe(lambda _: self._follow_theme(), "dark")

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget and, for readers without a kernel, the picture."""
        return {**self._stored_picture, **super()._repr_mimebundle_(**options)}

    def _follow_theme(self) -> None:
        FigureWidget.is_theme_dark = self.links.dark
        if self._theme.is_dark != self.links.dark:
            self._theme.set_dark(self.links.dark)
            self.canvas.draw_idle()


def create_canvas(figure: Any) -> Canvas:
    """The canvas of a figure (ipympl), with its toolbar on the right."""
    canvas = Canvas(figure)
    with warnings.catch_warnings():
        # A warning within ipympl, about how it calls traitlets
        warnings.simplefilter("ignore", DeprecationWarning)
        FigureManager(canvas, 1)
    canvas.header_visible = canvas.footer_visible = False
    # Above the figure the buttons would cover its legend
    canvas.toolbar_position, canvas.toolbar_visible = "right", "visible"
    canvas.layout.min_height = TOOLBAR_HEIGHT
    return canvas


class LinkClicks:
    """Opens the link at the mouse pointer when it is clicked, not when it drags."""

    def __init__(self, tooltips: TooltipDisplay, links: FigureLinks) -> None:
        self._tooltips, self._links = tooltips, links
        self._pressed_at: tuple[float, float] | None = None

    def press(self, event: Any) -> None:
        """Remember where the button was pressed."""
        is_click = event.button == LEFT_BUTTON and not event.dblclick
        self._pressed_at = (event.x, event.y) if is_click else None

    def release(self, event: Any) -> None:
        """Open the link if the mouse did not move in between."""
        start, self._pressed_at = self._pressed_at, None
        if (
            start is None
            or max(abs(event.x - start[0]), abs(event.y - start[1])) > MAX_CLICK_PIXELS
        ):
            return
        text = self._tooltips.tooltip_at(event)
        if isinstance(text, LinkedText) and text.url:
            self._links.open_link(text)


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
            color=palette.INK,
            bbox={
                "boxstyle": "round",
                "facecolor": palette.GROUND,
                "edgecolor": palette.FAINT_INK,
            },
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
