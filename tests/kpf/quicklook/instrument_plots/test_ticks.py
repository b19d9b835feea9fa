"""Ticks and grid equal those of matplotlib, for all kinds of axes."""

from __future__ import annotations

from typing import Any

import pytest

from kpfnb.kpf.quicklook.instrument_plots import figures


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def draw(figure: Any) -> None:
    figures.render_image(figure)


def test_labels_are_those_of_matplotlib() -> None:
    figure = figures.new_figure(800, 500)
    axes = figures.add_panels(figure)[0, 0]
    axes.set(xlim=(0, 10), ylim=(-2, 2))
    figures.label_axes(axes, "x", "y")
    expected = {
        text.get_text()
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.get_ticklabels()
        if text.get_text()
    }
    draw(figure)
    assert "10" in expected
    assert set(texts(axes)) <= expected
    assert {"0", "10", "−2.0", "2.0"} <= set(texts(axes))
    assert not axes.xaxis.get_ticklabels()


def test_inner_panels_have_ticks_without_labels() -> None:
    figure = figures.new_figure(800, 500)
    upper, lower = figures.add_panels(figure, 2, sharex=True)[:, 0]
    for axes in (upper, lower):
        axes.set(xlim=(100, 200), ylim=(0, 1))
        figures.label_axes(axes)
    draw(figure)
    assert "100" in texts(lower)
    assert "100" not in texts(upper)


def test_reversed_axes_have_their_labels() -> None:
    figure = figures.new_figure(800, 500)
    axes = figures.add_panels(figure)[0, 0]
    axes.set(xlim=(10, 0), ylim=(0, 1))
    draw(figure)
    assert {"0", "10"} <= set(texts(axes))


@pytest.mark.parametrize("limits", [(1e8, 1.0001e8), (1e-9, 2e-9)])
def test_an_offset_is_not_lost(limits: tuple[float, float]) -> None:
    figure = figures.new_figure(800, 500)
    axes = figures.add_panels(figure)[0, 0]
    axes.set_ylim(*limits)
    draw(figure)
    assert axes.yaxis.get_offset_text().get_text()


def test_a_logarithmic_axis_keeps_its_ticks() -> None:
    figure = figures.new_figure(800, 500)
    axes = figures.add_panels(figure)[0, 0]
    axes.set_yscale("log")
    axes.set_ylim(1, 1e4)
    draw(figure)
    assert len(axes.yaxis.get_ticklabels()) >= 4
