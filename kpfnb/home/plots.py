"""Runs by day and outcome, as bars."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kpfnb import pictures
from kpfnb.outcomes import Outcome
from kpfnb.runs.view import RUNNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kpfnb.home.overview import Home
    from kpfnb.hovering import Hovered

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
MOST_LETTERS = 90
"""Of a reason, beside the mouse."""


def draw(counts: Counter[tuple[str, str]], days: int, today: date) -> Figure:
    """One bar a day (UTC), the newest to the right."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = _days(days, today)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    below = [0] * len(shown)
    if not any(counts[day, word] for day in shown for word in COLOURS):
        pictures.nothing(axes, f"no runs in {days} days")
        return figure
    for word, colour in COLOURS.items():
        heights = [counts[day, word] for day in shown]
        if any(heights):
            axes.bar(range(len(shown)), heights, bottom=below, color=colour, label=word)
            below = [low + height for low, height in zip(below, heights, strict=True)]
    step = 1 + len(shown) // DAYS_LABELLED
    axes.set_xticks(range(0, len(shown), step), [day[5:] for day in shown[::step]], size=8)
    axes.set(xlabel="day (UTC)", ylabel="runs", xlim=(-0.6, len(shown) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def hovered(home: Home, today: date) -> Hovered:
    """The picture; over a day how many runs had which outcome, and which did not end well."""
    from kpfnb.hovering import Hovered, area

    shown = _days(home.days, today)

    def text(x: float, _: float) -> str:
        column = round(x)
        return about(home, shown[column]) if 0 <= column < len(shown) else ""

    figure = draw(home.counts, home.days, today)
    return Hovered(figure, {figure.axes[0]: area(text)})


def about(home: Home, day: str) -> str:
    """The runs that began on a day (UTC)."""
    from kpfnb import hovering

    told = [f"{home.counts[day, word]} {word}" for word in COLOURS if home.counts[day, word]]
    failed = [f"{one.notebook}: {one.reason}" for one in home.failed if one.started[:10] == day]
    head = f"{day}: {', '.join(told) or 'no runs'}"
    return "\n".join(filter(None, [head, hovering.names(line[:MOST_LETTERS] for line in failed)]))


def _days(days: int, today: date) -> list[str]:
    return [str(today - timedelta(days=back)) for back in range(days, -1, -1)]
