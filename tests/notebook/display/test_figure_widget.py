"""Figures in JupyterLab: tooltips, clicks on links, and its dark theme."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kpfnb.core import palette
from kpfnb.notebook.display import figure_widget, figures
from kpfnb.notebook.display.figure_widget import (
    FigureLinks,
    FigureWidget,
    LinkClicks,
    TooltipDisplay,
)
from kpfnb.notebook.display.figures import HoverFigure, LinkedText
from kpfnb.notebook.display.theme import FigureTheme, darken_figure
from tests.notebook.display.test_figures import at

HOSTILE = r"$\frac{$ <script>alert(1)</script> =1+1"


class Canvas:
    """Counts how often a picture is drawn again."""

    drawn = 0

    def draw_idle(self) -> None:
        self.drawn += 1


class Links:
    """Remembers the links that were opened."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open_link(self, text: LinkedText) -> None:
        self.opened.append(text.url)


@pytest.fixture
def figure() -> Figure:
    empty_figure = Figure(figsize=(5, 3))
    FigureCanvasAgg(empty_figure)
    empty_figure.add_subplot().set(xlim=(0, 10), ylim=(0, 10))
    return empty_figure


def test_there_is_no_text_outside_of_the_axes(figure: Figure) -> None:
    hover = TooltipDisplay(
        HoverFigure(figure, {figure.axes[0]: figures.area_tooltip(lambda *_: "a")})
    )
    assert hover.tooltip_at(SimpleNamespace(inaxes=None, x=1, y=1)) == ""


def test_it_is_drawn_again_only_where_the_text_changes(figure: Figure) -> None:
    [axes] = figure.axes
    hover = TooltipDisplay(
        HoverFigure(figure, {axes: figures.area_tooltip(lambda x, _: "left" if x < 5 else "")})
    )
    canvas = Canvas()
    for x in (1, 2, 3):
        hover.update(at(axes, x, 5), canvas)
    assert (hover.note.get_text(), hover.note.get_visible(), canvas.drawn) == ("left", True, 1)
    hover.update(at(axes, 8, 5), canvas)
    assert (hover.note.get_visible(), canvas.drawn) == (False, 2)


@pytest.mark.parametrize("x", [0.1, 9.9])
@pytest.mark.parametrize("y", [0.1, 9.9])
def test_the_text_is_within_the_picture(figure: Figure, x: float, y: float) -> None:
    [axes] = figure.axes
    hover = TooltipDisplay(
        HoverFigure(
            figure, {axes: figures.area_tooltip(lambda *_: "KP.20240115.12345.67\nL1 missing")}
        )
    )
    hover.update(at(axes, x, y), Canvas())
    figure.canvas.draw()
    box = hover.note.get_window_extent()
    width, height = figure.bbox.size
    assert box.x0 > 0
    assert box.y0 > 0
    assert box.x1 < width
    assert box.y1 < height


def test_hostile_names_are_text(figure: Figure) -> None:
    [axes] = figure.axes
    hover = TooltipDisplay(HoverFigure(figure, {axes: figures.area_tooltip(lambda *_: HOSTILE)}))
    hover.update(at(axes, 5, 5), Canvas())
    figure.canvas.draw()
    assert hover.note.get_text() == HOSTILE


def test_a_click_opens_the_link_and_a_drag_does_not(figure: Figure) -> None:
    [axes] = figure.axes
    tooltip = figures.area_tooltip(lambda x, _: LinkedText("KP.1", "/a") if x < 5 else "no link")
    links: Any = Links()
    clicks = LinkClicks(TooltipDisplay(HoverFigure(figure, {axes: tooltip})), links)

    def click(start: float, end: float, button: int = 1, *, double: bool = False) -> list[str]:
        links.opened.clear()
        pressed = at(axes, start, 5)
        pressed.button, pressed.dblclick = button, double
        clicks.press(pressed)
        clicks.release(at(axes, end, 5))
        return list(links.opened)

    assert click(2, 2) == ["/a"]
    assert click(2, 3) == []
    assert click(6, 6) == []
    assert click(2, 2, button=3) == []
    assert click(2, 2, double=True) == []
    clicks.release(at(axes, 2, 5))
    assert links.opened == []


def test_a_click_on_the_canvas_of_a_widget_opens_the_link(
    figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(FigureLinks, "open_link", lambda _, text: opened.append(text.url))
    tooltip = figures.area_tooltip(lambda *_: LinkedText("KP.1", "/a"))
    widget = FigureWidget(HoverFigure(figure, {figure.axes[0]: tooltip}))
    # What holds the functions only weakly loses them here
    gc.collect()
    for kind in ("button_press_event", "button_release_event"):
        event = MouseEvent(kind, widget.canvas, 200, 150, button=MouseButton.LEFT)
        widget.canvas.callbacks.process(kind, event)
    assert opened == ["/a"]


def test_outside_of_jupyterlab_a_text_has_no_link(figure: Figure) -> None:
    [axes] = figure.axes
    tooltip = figures.area_tooltip(lambda *_: LinkedText("KP.1", ""))
    links: Any = Links()
    clicks = LinkClicks(TooltipDisplay(HoverFigure(figure, {axes: tooltip})), links)
    pressed = at(axes, 1, 5)
    pressed.button, pressed.dblclick = 1, False
    clicks.press(pressed)
    clicks.release(pressed)
    assert links.opened == []


def test_a_picture_is_a_widget_as_wide_as_a_notebook() -> None:
    wide = Figure(figsize=(16, 4))
    wide.add_subplot()
    widget = FigureWidget(HoverFigure(wide))
    assert wide.bbox.width <= figure_widget.MAX_WIDTH_PIXELS + 1
    assert widget.canvas.toolbar_visible == "visible"


def test_a_figure_follows_the_theme_and_the_stored_picture_is_light(
    figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FigureWidget, "is_theme_dark", False)
    widget = FigureWidget(HoverFigure(figure))
    stored = widget._repr_mimebundle_()["image/png"]
    widget.links.dark = True
    assert ground(figure) == palette.DARK_GROUND
    # The next figure is dark from the start; its stored picture is not
    other = Figure(figsize=(5, 3))
    other.add_subplot().set(xlim=(0, 10), ylim=(0, 10))
    next_widget = FigureWidget(HoverFigure(other))
    assert ground(other) == palette.DARK_GROUND
    assert next_widget._repr_mimebundle_()["image/png"] == stored
    widget.links.dark = False
    assert ground(figure) == palette.GROUND


def ground(figure: Figure) -> str:
    from matplotlib.colors import to_hex

    return to_hex(figure.get_facecolor())


def test_light_to_dark_and_back_gives_the_same_picture(figure: Figure) -> None:
    [axes] = figure.axes
    axes.scatter([1, 2, 3], [1, 2, 3], color=["#0072B2", "#333333", "#D55E00"])
    axes.plot([1, 9], [5, 6], "o-", color="#444444", markerfacecolor="none")
    axes.bar([5, 6], [3, 4], color="#efefef", edgecolor="black")
    axes.errorbar([2], [8], yerr=[1], color="black")
    axes.text(5, 1, "on a bar", color="#333333")
    axes.grid(color="#dddddd")
    axes.set(xlabel="x", title="title")
    axes.legend(["a"])
    light = pixels(figure)
    theme = FigureTheme(figure)
    theme.set_dark(True)
    dark = pixels(figure)
    assert dark[:5, :5].max() < 0x20
    assert np.mean(np.median(dark, axis=(0, 1))) < 0x20
    theme.set_dark(False)
    assert (pixels(figure) == light).all()


def test_new_ticks_after_a_zoom_are_light_on_dark(figure: Figure) -> None:
    [axes] = figure.axes
    darken_figure(figure)
    axes.set_xlim(0, 1e-3)
    axes.minorticks_on()
    figure.canvas.draw()
    for tick in axes.xaxis.get_major_ticks():
        assert palette.contrast(rgb(tick.label1.get_color()), palette.parse_colour("#111111")) > 7


def test_texts_on_cells_stay_readable(figure: Figure) -> None:
    [axes] = figure.axes
    axes.set_axis_off()
    cells = [("#f0a04b", "#333333"), ("#3b78ad", "white"), ("#d9d9d9", "k")]
    for x, (cell, colour) in enumerate(cells, 1):
        axes.bar(x, 9, width=1, color=cell)
        axes.text(x, 4, "12", ha="center", color=colour)
    darken_figure(figure)
    for bar, text in zip(axes.patches, axes.texts, strict=True):
        assert palette.contrast(rgb(text.get_color()), rgb(bar.get_facecolor())) > 3


def rgb(colour: Any) -> palette.RGB:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def pixels(figure: Figure) -> Any:
    canvas: Any = figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
