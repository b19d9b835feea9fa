"""Thumbnails of plots, made for their size."""

from __future__ import annotations

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots import figures, thumbnails


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 1), (1, 2), (2, 2), (3, 3)])
def test_panels_lie_inside_the_thumbnail_and_not_on_each_other(rows: int, columns: int) -> None:
    figure = figures.new_figure(1200, 640)
    for axes in figures.add_panels(figure, rows, columns).flat:
        axes.plot([0, 1], [0, 1])
    panels = list(figure.axes)
    _, thumbnail = figures.render_image(figure)
    assert thumbnail.size == (thumbnails.WIDTH, thumbnails.HEIGHT)
    placed = thumbnails._place_panels(panels, 640, has_labels=rows < 3, has_bar=False)
    for number, (_, _, box) in enumerate(placed):
        assert 0 <= box.left < box.right <= thumbnails.WIDTH
        assert 0 <= box.top < box.bottom <= thumbnails.HEIGHT
        for _, _, other in placed[:number]:
            assert box.left >= other.right or box.top >= other.bottom or box.right <= other.left


def test_a_thin_line_is_still_dark_in_the_thumbnail() -> None:
    figure = figures.new_figure(1200, 640)
    [[axes]] = figures.add_panels(figure)
    axes.plot([0, 1], [0.5, 0.5], color="black", linewidth=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _, thumbnail = figures.render_image(figure)
    column = np.asarray(thumbnail.convert("L"))[40:270, 200]
    assert column.min() < 130


def test_labels_that_cannot_be_written_are_left_out() -> None:
    figure = figures.new_figure(600, 300)
    [[axes]] = figures.add_panels(figure)
    axes.plot([1, 1000], [1, 1e6])
    axes.set_yscale("log")
    figures.label_axes(axes, "x" * 300, "$\\frac{a}{b}$")
    _, thumbnail = figures.render_image(figure)
    assert thumbnail.size == (thumbnails.WIDTH, thumbnails.HEIGHT)


@pytest.mark.parametrize(
    ("value", "text"), [(64.21, "64.2"), (11700, "11.7k"), (-1.2e6, "-1.2M"), (0, "0")]
)
def test_numbers_at_a_colour_bar_are_short(value: float, text: str) -> None:
    assert thumbnails._short_number(value) == text
