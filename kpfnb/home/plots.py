"""The plot of the home page: bars of runs by day and outcome."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kpfnb.core import clock, palette
from kpfnb.core.result import Outcome
from kpfnb.home.dashboard import Dashboard
from kpfnb.notebook.display.figures import (
    HoverFigure,
    area_tooltip,
    draw_empty_message,
    join_names,
    register_plot,
)
from kpfnb.runs.formatting import RUNNING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, which colour-blind people can distinguish
COLOURS: dict[str, str] = {
    Outcome.SUCCEEDED: palette.GREEN,
    RUNNING: palette.SKY_BLUE,
    Outcome.PARTIAL: palette.ORANGE,
    Outcome.FAILED: palette.VERMILION,
    Outcome.CRASHED: palette.BROWN,
    Outcome.REJECTED: palette.PURPLE,
    Outcome.SKIPPED: palette.GREY,
}
MAX_DAY_LABELS = 15
MAX_REASON_LENGTH = 90
"""The maximum length of a reason in the tooltip."""


@register_plot(Dashboard)
def plot_dashboard(dashboard: Dashboard) -> HoverFigure:
    """Runs by day; the tooltip of a day has the counts by outcome, and the failures."""
    days = _list_days(dashboard.days, clock.utc_now().date())

    def text(x: float, _: float) -> str:
        column = round(x)
        return day_tooltip(dashboard, days[column]) if 0 <= column < len(days) else ""

    figure = draw_runs(dashboard.counts, days)
    return HoverFigure(figure, {figure.axes[0]: area_tooltip(text)})


def draw_runs(counts: Counter[tuple[str, str]], days: list[str]) -> Figure:
    """One bar a day (UTC), the newest on the right.

    counts : number of runs by day and outcome
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    bottoms = [0] * len(days)
    if not any(counts[day, word] for day in days for word in COLOURS):
        draw_empty_message(axes, f"no runs in {len(days) - 1} days")
        return figure
    for word, colour in COLOURS.items():
        heights = [counts[day, word] for day in days]
        if any(heights):
            axes.bar(range(len(days)), heights, bottom=bottoms, color=colour, label=word)
            bottoms = [low + height for low, height in zip(bottoms, heights, strict=True)]
    step = 1 + len(days) // MAX_DAY_LABELS
    axes.set_xticks(range(0, len(days), step), [day[5:] for day in days[::step]], size=8)
    axes.set(xlabel="day (UTC)", ylabel="runs", xlim=(-0.6, len(days) - 0.4))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def day_tooltip(dashboard: Dashboard, day: str) -> str:
    """The runs that started on a day (UTC)."""
    counts = dashboard.counts
    words = [f"{counts[day, word]} {word}" for word in COLOURS if counts[day, word]]
    failures = [
        f"{record.notebook}: {record.reason}"[:MAX_REASON_LENGTH]
        for record in dashboard.failed
        if record.started[:10] == day
    ]
    head = f"{day}: {', '.join(words) or 'no runs'}"
    return "\n".join(filter(None, [head, join_names(failures)]))


def _list_days(days: int, today: date) -> list[str]:
    return [str(today - timedelta(days=back)) for back in range(days, -1, -1)]
