"""Runs by day and outcome, as bars."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kpfnb.core.result import Outcome
from kpfnb.notebook.display import figures
from kpfnb.runs.formatting import RUNNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kpfnb.home.dashboard import Dashboard
    from kpfnb.notebook.display.figures import HoverFigure

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
MAX_DAY_LABELS = 15
MAX_REASON_LENGTH = 90
"""Of a reason, beside the mouse."""


def draw_runs(counts: Counter[tuple[str, str]], days: int, today: date) -> Figure:
    """One bar a day (UTC), the newest to the right."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = _list_days(days, today)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    below = [0] * len(shown)
    if not any(counts[day, word] for day in shown for word in COLOURS):
        figures.draw_empty_message(axes, f"no runs in {days} days")
        return figure
    for word, colour in COLOURS.items():
        heights = [counts[day, word] for day in shown]
        if any(heights):
            axes.bar(range(len(shown)), heights, bottom=below, color=colour, label=word)
            below = [low + height for low, height in zip(below, heights, strict=True)]
    step = 1 + len(shown) // MAX_DAY_LABELS
    axes.set_xticks(range(0, len(shown), step), [day[5:] for day in shown[::step]], size=8)
    axes.set(xlabel="day (UTC)", ylabel="runs", xlim=(-0.6, len(shown) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def hover_plot(home: Dashboard, today: date) -> HoverFigure:
    """The picture; over a day how many runs had which outcome, and which did not end well."""
    from kpfnb.notebook.display.figures import HoverFigure, area_tooltip

    shown = _list_days(home.days, today)

    def text(x: float, _: float) -> str:
        column = round(x)
        return day_tooltip(home, shown[column]) if 0 <= column < len(shown) else ""

    figure = draw_runs(home.counts, home.days, today)
    return HoverFigure(figure, {figure.axes[0]: area_tooltip(text)})


def day_tooltip(home: Dashboard, day: str) -> str:
    """The runs that began on a day (UTC)."""
    from kpfnb.notebook.display import figures

    told = [f"{home.counts[day, word]} {word}" for word in COLOURS if home.counts[day, word]]
    failed = [f"{one.notebook}: {one.reason}" for one in home.failed if one.started[:10] == day]
    head = f"{day}: {', '.join(told) or 'no runs'}"
    return "\n".join(
        filter(None, [head, figures.join_names(line[:MAX_REASON_LENGTH] for line in failed)])
    )


def _list_days(days: int, today: date) -> list[str]:
    return [str(today - timedelta(days=back)) for back in range(days, -1, -1)]
