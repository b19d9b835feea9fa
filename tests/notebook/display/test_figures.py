"""Tooltips of plots in JupyterLab."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import LinkedText, PointTooltip


def at(axes: Any, x: float, y: float) -> SimpleNamespace:
    """The mouse at a place in the data's units."""
    place = axes.transData.transform((x, y))
    return SimpleNamespace(inaxes=axes, x=place[0], y=place[1], xdata=x, ydata=y)


@pytest.fixture
def figure() -> Figure:
    empty_figure = Figure(figsize=(5, 3))
    FigureCanvasAgg(empty_figure)
    empty_figure.add_subplot().set(xlim=(0, 10), ylim=(0, 10))
    return empty_figure


def test_an_area_is_asked_with_the_place_in_the_data(figure: Figure) -> None:
    [axes] = figure.axes
    tooltip = figures.area_tooltip(lambda x, y: f"{x:.0f} {y:.0f}")
    assert tooltip(at(axes, 3, 4)) == "3 4"


def test_the_nearest_point_is_shown_if_it_is_near(figure: Figure) -> None:
    [axes] = figure.axes
    points = PointTooltip(np.array([(1.0, 1.0), (2.0, 1.0)]), lambda number: f"KP.{number}")
    assert points(at(axes, 1.9, 1.0)) == "KP.1"
    assert points(at(axes, 5.0, 5.0)) == ""
    assert PointTooltip(np.empty((0, 2)), str)(at(axes, 1, 1)) == ""


def test_bars_of_categories_have_tooltips_in_both_orientations(figure: Figure) -> None:
    [axes] = figure.axes
    texts = ["first", "second"]
    vertical, horizontal = figures.bar_tooltip(texts), figures.bar_tooltip(texts, upright=False)
    assert [vertical(at(axes, x, 5)) for x in (0, 0.5, 0.7, 1.4, 2)] == [
        "first",
        "",
        *["second"] * 2,
        "",
    ]
    assert [horizontal(at(axes, 5, y)) for y in (0.3, 1)] == texts


def test_a_curve_shows_the_nearest_pixel(figure: Figure) -> None:
    [axes] = figure.axes
    tooltip = figures.curve_tooltip(np.array([1.0, 2.0, 4.0]), lambda n: f"pixel {n}")
    places = (0.9, 1, 1.4, 1.6, 3.5, 4, 4.1)
    assert [tooltip(at(axes, x, 5)) for x in places] == [
        "",
        *(f"pixel {n}" for n in (0, 0, 1, 2, 2)),
        "",
    ]
    assert figures.curve_tooltip(np.empty(0), str)(at(axes, 1, 1)) == ""


def test_the_first_of_many_names_are_shown() -> None:
    assert figures.join_names("abcde") == "a\nb\nc\nd\ne"
    assert figures.join_names("abcdefg") == "a\nb\nc\nd\nand 3 more"
    assert figures.join_names([]) == ""


def test_a_text_can_be_a_link(figure: Figure) -> None:
    [axes] = figure.axes
    points = PointTooltip(np.array([(1.0, 1.0)]), lambda _: LinkedText("KP.1", "/kpfnb/KP.1"))
    text = points(at(axes, 1, 1))
    assert text == "KP.1"
    assert isinstance(text, LinkedText)
    assert text.url == "/kpfnb/KP.1"
