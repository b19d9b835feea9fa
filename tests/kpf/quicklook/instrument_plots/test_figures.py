from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kpfnb.kpf.quicklook import plot_registry
from kpfnb.kpf.quicklook.instrument_plots import figures
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent

TABLES = frozenset({"EXPMETER_SCI", "EXPMETER_SKY", "GUIDER_CUBE_ORIGINS", "TELEMETRY"})


@pytest.mark.parametrize(
    ("value", "scale"), [(0.2, 1), (1, 1), (1.01, 2), (30, 30), (31, 50), (8e4, 1e5), (np.nan, 1)]
)
def test_scales_are_round_so_that_nights_compare(value: float, scale: float) -> None:
    assert figures.nice_ceiling(value) == pytest.approx(scale)


SIZES = st.tuples(st.integers(4, 20), st.integers(4, 20))
VALUES = st.floats(-1e3, 1e3, width=32)


@given(arrays(np.float32, SIZES, elements=VALUES), st.integers(1, 4))
def test_block_means(image: np.ndarray, block: int) -> None:
    rows, columns = (size // block for size in image.shape)
    cut = image[: rows * block, : columns * block].astype(float)
    expected = cut.reshape(rows, block, columns, block).mean(axis=(1, 3))
    np.testing.assert_allclose(figures.block_mean(image, block), expected, rtol=1e-4, atol=1e-2)


def test_block_means_of_the_files_byte_order() -> None:
    image = np.arange(16, dtype=">f4").reshape(4, 4)
    assert figures.block_mean(image, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_no_peak_is_lost_where_a_line_is_thinned() -> None:
    y = np.zeros((2, 4000))
    y[0, 1234], y[1, 77] = 9, -5
    x, thin = figures.min_max_envelope(np.arange(4000.0), y, 100)
    assert thin.shape == (2, 200) == (2, x.size)
    assert thin.max() == 9
    assert thin.min() == -5


def test_what_a_header_says_is_never_mathematics() -> None:
    figure = figures.new_figure(600, 300)
    figures.draw_heading(figure, "title", "HD$_broken{ <b>")
    assert figures.render_image(figure)[0].size == (600, 300)


def test_an_image_is_shown_pixel_for_pixel_below_its_heading() -> None:
    figure = figures.new_figure(10, 10)
    axes, _ = figures.add_image_axes(figure, (200, 300))
    picture, _ = figures.render_image(figure)
    box = axes.get_window_extent()
    assert (round(box.width), round(box.height)) == (300, 200)
    assert picture.height - box.y1 == pytest.approx(figures.HEADING)


@pytest.mark.parametrize("share", [0.01, 1.0])
@pytest.mark.parametrize("level", ["L0", "L1"])
def test_pixels_without_a_value_break_no_picture(level: str, share: float) -> None:
    spectrum = np.linspace(4000, 5000, 6 * 400).reshape(6, 400)
    spectrum[:, : int(400 * share)] = np.nan
    extensions = plot_registry.required_extensions(level)
    content = FitsContent(images={name: spectrum.astype(">f4") for name in extensions - TABLES})
    drawn = [plot for plot in plot_registry.PLOTS[level] if not plot.missing_reason(content)]
    assert drawn
    for plot in drawn:
        figure = figures.new_figure(*plot.size)
        with np.errstate(all="ignore"):
            plot.draw(figure, content)
            figures.render_image(figure)


def test_a_pixel_without_a_value_hides_no_peak() -> None:
    y = np.zeros(100)
    y[3], y[5] = np.nan, 7
    assert np.nanmax(figures.min_max_envelope(np.arange(100), y, 10)[1]) == 7
