"""The plots of verdicts: frames against their minimum and their times; the calendar of nights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import palette
from kpfnb.kpf.files.night_pages import night_url
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.plots import list_months
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.freshness import FILES_KEY, describe_staleness
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import FrameCount, count_frames
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, LinkedText, PointTooltip, register_plot
from kpfnb.notebook.links import observation_url

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    Verdict.PASS: palette.PASS,
    Verdict.WARN: palette.WARN,
    Verdict.FAIL: palette.FAIL,
    Verdict.NOT_JUDGED: palette.NOT_JUDGED,
}
"""Blue, orange, brown, grey: distinct for every kind of colour vision; each has a sign as well."""

TEXT_COLOURS = dict.fromkeys(Verdict, "white") | {Verdict.WARN: palette.INK}
GRID = palette.GRID
MAX_MONTHS = 36


@register_plot(NightVerdict)
def plot_night_verdict(night_verdict: NightVerdict) -> HoverFigure:
    """Left: frames of each kind against the minimum; right: when they were taken."""
    from matplotlib.figure import Figure

    counts, arrivals = count_frames(night_verdict.results), night_verdict.arrivals
    height = 1.4 + 0.3 * max(len(counts), len(arrivals))
    figure = Figure(figsize=(11, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.4))
    _draw_counts(left, counts)
    _draw_arrivals(right, arrivals)
    for axes in (left, right):
        axes.invert_yaxis()
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
    if not counts:
        figures.draw_empty_message(left, "no rule counts frames")
    if not any(arrivals.values()):
        figures.draw_empty_message(right, "no frames yet")
    figure.suptitle(f"Night {night_verdict.night}: {night_verdict.verdict}", fontsize=11)

    def describe_bar(_: float, y: float) -> str:
        row = round(y)
        if not 0 <= row < len(counts):
            return ""
        count = counts[row]
        return f"{count.title}: {count.text}, {count.verdict}, night {count.night}"

    marks = [
        (_decimal_hour(obsid), row, LinkedText(f"{obsid}\n{kind}", observation_url(obsid)))
        for row, (kind, obsids) in enumerate(arrivals.items())
        for obsid in obsids
    ]
    positions = np.array([mark[:2] for mark in marks], float).reshape(-1, 2)
    points = PointTooltip(positions, lambda number: marks[number][2])
    return HoverFigure(figure, {left: figures.area_tooltip(describe_bar), right: points})


def _draw_counts(axes: Axes, counts: list[FrameCount]) -> None:
    for y, count in enumerate(counts):
        axes.barh(y, count.present, color=COLOURS[count.verdict], height=0.6)
        axes.plot([count.required] * 2, [y - 0.4, y + 0.4], color=palette.INK, linewidth=2)
        label = f"  {count.present} {count.verdict.sign}"
        axes.text(max(count.present, count.required), y, label, va="center", size=8)
    titles = [figures.escape_mathtext(count.title) for count in counts]
    axes.set_yticks(range(len(counts)), titles, size=8)
    axes.set(xlabel="frames; the line is the minimum")
    axes.margins(x=0.15)


def _draw_arrivals(axes: Axes, arrivals: Mapping[str, tuple[str, ...]]) -> None:
    for y, obsids in enumerate(arrivals.values()):
        hours = [_decimal_hour(obsid) for obsid in obsids]
        axes.plot(
            hours, [y] * len(hours), "|", color=palette.PASS, markersize=9, markeredgewidth=1.5
        )
    axes.set_yticks(range(len(arrivals)), map(figures.escape_mathtext, arrivals), size=8)
    axes.set(xlim=(0, 24), xticks=range(0, 25, 3), xlabel="start of the exposure, UT [h]")


def _decimal_hour(obsid: str) -> float:
    time = ObsID(obsid).time
    return time.hour + time.minute / 60 + time.second / 3600


def plot_calendar(history: Mapping[str, Mapping[str, Any]]) -> HoverFigure:
    """The verdicts of nights, a row per month and a column per day; at most three years.

    Months without a verdict keep their row, unless there are too many. A cell leads to the pages
    of its night, and says whether its verdict is stale.

    history : night to its stored verdict, as from `assessment.load_history`
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    months = list_months(history)
    if len(months) > MAX_MONTHS:
        months = sorted({night[:6] for night in history})[-MAX_MONTHS:]
    figure = Figure(figsize=(10, 1.3 + 0.28 * max(1, len(months))), layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle("Verdicts by night", fontsize=11)
    if not months:
        figures.draw_empty_message(axes, "no verdict yet")
        return HoverFigure(figure)
    for night, values in history.items():
        if night[:6] not in months:
            continue
        verdict, x, y = Verdict(values["verdict"]), int(night[6:]) - 1, months.index(night[:6])
        axes.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, color=COLOURS[verdict]))
        colour = TEXT_COLOURS[verdict]
        axes.text(x + 0.5, y + 0.5, verdict.sign, ha="center", va="center", color=colour, size=7)
    axes.set(xlim=(0, 31), ylim=(max(1, len(months)), 0), xlabel="night (UT)")
    axes.set_xticks([day + 0.5 for day in range(0, 31, 2)], map(str, range(1, 32, 2)), size=8)
    labels = [f"{month[:4]}-{month[4:]}" for month in months]
    axes.set_yticks([row + 0.5 for row in range(len(months))], labels, size=8)
    patches = [
        Patch(color=colour, label=f"{verdict.sign} {verdict}")
        for verdict, colour in COLOURS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8)

    def describe_cell(x: float, y: float) -> str:
        night = f"{months[int(y)]}{int(x) + 1:02d}" if 0 <= y < len(months) else ""
        return _describe_night(night, history[night]) if night in history else ""

    return HoverFigure(figure, {axes: figures.area_tooltip(describe_cell)})


def _describe_night(night: str, values: Mapping[str, Any]) -> LinkedText:
    """The verdict of a night in words, whether it is stale, and the link to its page."""
    changes = describe_staleness(values, night) if FILES_KEY in values else ""
    stale = f"STALE: {changes}" if changes else ""
    lines = [f"{night}: {values['verdict']}", str(values.get("wrong", "")), stale]
    return LinkedText("\n".join(filter(None, lines)), night_url(night))
