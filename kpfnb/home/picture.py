"""Runs by day and outcome, as bars."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kpfnb.outcomes import Outcome
from kpfnb.runs.view import RUNNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by everybody
COLOURS: dict[str, str] = {
    Outcome.SUCCEEDED: "#009E73",
    RUNNING: "#56B4E9",
    Outcome.PARTIAL: "#E69F00",
    Outcome.FAILED: "#D55E00",
    Outcome.CRASHED: "#8c2d04",
    Outcome.REJECTED: "#CC79A7",
    Outcome.SKIPPED: "#999999",
}
DAYS_LABELLED = 15


def draw(counts: Counter[tuple[str, str]], days: int, today: date) -> Figure:
    """One bar a day (UTC), the newest to the right."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = [str(today - timedelta(days=back)) for back in range(days, -1, -1)]
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    below = [0] * len(shown)
    for word, colour in COLOURS.items():
        heights = [counts[day, word] for day in shown]
        if any(heights):
            axes.bar(range(len(shown)), heights, bottom=below, color=colour, label=word)
            below = [low + height for low, height in zip(below, heights, strict=True)]
    step = 1 + len(shown) // DAYS_LABELLED
    axes.set_xticks(range(0, len(shown), step), [day[5:] for day in shown[::step]], size=8)
    axes.set(xlabel="day (UTC)", ylabel="runs", xlim=(-0.6, len(shown) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if any(below):
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    else:
        axes.text(0.5, 0.5, "no runs", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
    return figure
