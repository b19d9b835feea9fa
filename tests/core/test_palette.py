"""The colours of plots on a light and a dark ground."""

from __future__ import annotations

import pytest

from kpfnb.core import palette
from kpfnb.core.palette import contrast, dark_colour, parse_colour


def test_black_and_white_change_places() -> None:
    assert dark_colour("#ffffff") == palette.DARK_GROUND
    assert dark_colour("#000000") == palette.DARK_INK


@pytest.mark.parametrize("name", ["SERIES", "PASS", "WARN", "FAIL", "NOT_JUDGED", "BROWN", "INK"])
def test_colours_can_be_seen_on_both_grounds(name: str) -> None:
    colours = getattr(palette, name)
    for colour in [colours] if isinstance(colours, str) else colours:
        dark, ground = parse_colour(dark_colour(colour)), parse_colour(palette.DARK_GROUND)
        assert contrast(dark, ground) >= palette.MIN_CONTRAST


def test_hues_that_can_be_seen_stay() -> None:
    assert dark_colour(palette.ORANGE) == palette.ORANGE
    assert dark_colour(palette.SKY_BLUE) == palette.SKY_BLUE


def test_the_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    # A known pair: #767676 on white is the darkest grey ratio just above 4.5
    assert contrast(parse_colour("#767676"), (1, 1, 1)) == pytest.approx(4.54, abs=0.01)
