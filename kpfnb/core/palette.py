"""The colours of plots and pages: one place for all, for a light and a dark ground.

Plots name the colours for a light ground. `dark_colour` gives what stands for a colour on a dark
ground: greys are reversed, hues stay, and those too dark to be seen are lightened.
"""

from __future__ import annotations

from functools import lru_cache

BLUE, SKY_BLUE, GREEN = "#0072b2", "#56b4e9", "#009e73"
ORANGE, VERMILION, PURPLE, YELLOW = "#e69f00", "#d55e00", "#cc79a7", "#f0e442"
BROWN, PALE_BLUE = "#8c2d04", "#a6d4f2"
"""Colours of Okabe and Ito, which colour-blind people can tell apart, a brown, a pale blue."""

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, "#444444")
"""The colours of curves that are compared, without the yellow that is invisible on white."""

GROUND, INK, SOFT_INK, FAINT_INK = "#ffffff", "#222222", "#555555", "#666666"
GRID, EDGE = "#d8dde4", "#bbbbbb"
GREY, PALE_GREY, NO_DATA = "#999999", "#cccccc", "#efefef"

GOOD, BAD = BLUE, VERMILION

PASS, WARN, FAIL, NOT_JUDGED = "#3b78ad", "#f0a04b", "#b8510d", "#8a94a3"
"""Verdicts."""

DARK_GROUND, DARK_INK = "#111111", "#e6e6e6"
"""The ground of JupyterLab's dark theme, and what is black on a light ground."""

_MAX_GREY_SPREAD = 0.12
"""Greatest difference between red, green and blue (0 to 1) of a colour that counts as grey."""

MIN_CONTRAST = 3.0
"""WCAG 2.1, success criterion 1.4.11: the contrast of graphical objects to their ground."""

RGB = tuple[float, float, float]


def dark_colour(colour: str) -> str:
    """What stands for a colour (`#rrggbb`) on a dark ground."""
    return format_colour(dark_rgb(parse_colour(colour)))


@lru_cache(maxsize=1024)
def dark_rgb(colour: RGB) -> RGB:
    """What stands for a colour (parts from 0 to 1) on a dark ground."""
    if max(colour) - min(colour) < _MAX_GREY_SPREAD:
        white, black = parse_colour(DARK_GROUND), parse_colour(DARK_INK)
        return _mix(black, white, sum(colour) / 3)
    lightened = colour
    ground = parse_colour(DARK_GROUND)
    while contrast(lightened, ground) < MIN_CONTRAST:
        lightened = _mix(lightened, (1.0, 1.0, 1.0), 0.1)
    return lightened


def contrast(first: RGB, second: RGB) -> float:
    """The contrast of two colours as WCAG 2.1 defines it, 1 to 21."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def parse_colour(colour: str) -> RGB:
    """`#rrggbb` as parts from 0 to 1."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def format_colour(colour: RGB) -> str:
    """Parts from 0 to 1 as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def _luminance(colour: RGB) -> float:
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _mix(first: RGB, second: RGB, share: float) -> RGB:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue
