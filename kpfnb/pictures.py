"""What the plots of results share: an empty one says so, and names are no formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAINT = "#555555"


def nothing(axes: Axes, text: str) -> None:
    """Say in an empty plot that there is nothing to show; its ticks would mean nothing."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=FAINT)


def literal(name: str) -> str:
    """A name from a header or a file as matplotlib shows it: a dollar sign begins no formula."""
    return name.replace("$", r"\$")
