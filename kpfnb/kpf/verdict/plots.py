"""The verdict as pictures: frames against their minimum, when they came; the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict.result import VERDICT_SIGNS, NightVerdict
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

COLOURS = {Verdict.PASS: "#3b78ad", Verdict.WARN: "#f0a04b", Verdict.FAIL: "#b8510d"}
"""Blue, orange, brown: told apart by everybody; each has a sign besides."""

INKS = {Verdict.PASS: "white", Verdict.WARN: "#333333", Verdict.FAIL: "white"}
GRID = "#d0d0d0"
MAX_MONTHS = 36


def plot_frame_counts(judged: NightVerdict) -> Figure:
    """Left: frames of each kind against the minimum; right: when they came."""
    from matplotlib.figure import Figure

    from kpfnb.kpf.verdict.assessment import count_frames

    bars = count_frames(judged.results)
    height = 1.4 + 0.3 * max(len(bars), len(judged.arrivals))
    figure = Figure(figsize=(11, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.4))
    for y, one in enumerate(bars):
        left.barh(y, one.present, color=COLOURS[one.verdict], height=0.6)
        left.plot([one.required] * 2, [y - 0.4, y + 0.4], color="#333333", linewidth=2)
        left.text(
            max(one.present, one.required),
            y,
            f"  {one.present} {VERDICT_SIGNS[one.verdict]}",
            va="center",
            size=8,
        )
    left.set_yticks(range(len(bars)), [figures.escape_mathtext(one.title) for one in bars], size=8)
    left.set(xlabel="frames; the line is the minimum")
    left.margins(x=0.15)
    for y, obsids in enumerate(judged.arrivals.values()):
        right.plot(
            [_decimal_hour(one) for one in obsids],
            [y] * len(obsids),
            "|",
            color="#3b78ad",
            markersize=9,
            markeredgewidth=1.5,
        )
    right.set_yticks(
        range(len(judged.arrivals)), map(figures.escape_mathtext, judged.arrivals), size=8
    )
    right.set(xlim=(0, 24), xticks=range(0, 25, 3), xlabel="time of observation, UT [h]")
    for axes in (left, right):
        axes.invert_yaxis()
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
    if not bars:
        figures.draw_empty_message(left, "no rule counts frames")
    if not any(judged.arrivals.values()):
        figures.draw_empty_message(right, "no frames yet")
    figure.suptitle(
        f"{judged.night}: {VERDICT_SIGNS[judged.verdict]} {judged.verdict}", fontsize=11
    )
    return figure


def hover_frame_counts(judged: NightVerdict) -> HoverFigure:
    """The picture; over a mark which observation it is, over a bar what its rule says."""
    import numpy as np

    from kpfnb.kpf.verdict.assessment import count_frames
    from kpfnb.notebook.display.figures import HoverFigure, PointTooltip, area_tooltip

    figure = plot_frame_counts(judged)
    left, right = figure.axes
    bars = count_frames(judged.results)
    marks = [
        (_decimal_hour(obsid), row, f"{obsid}\n{kind}")
        for row, (kind, obsids) in enumerate(judged.arrivals.items())
        for obsid in obsids
    ]

    def bar(_: float, y: float) -> str:
        row = round(y)
        if not 0 <= row < len(bars):
            return ""
        one = bars[row]
        return f"{one.title}: {one.text}, {one.verdict}, of {one.night}"

    at = np.array([mark[:2] for mark in marks], float).reshape(-1, 2)
    return HoverFigure(
        figure, {left: area_tooltip(bar), right: PointTooltip(at, lambda one: marks[one][2])}
    )


def _decimal_hour(obsid: str) -> float:
    time = ObsID(obsid).time
    return time.hour + time.minute / 60 + time.second / 3600


def plot_calendar(history: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A month a row, a day a column; at most the last three years."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    months = sorted({night[:6] for night in history})[-MAX_MONTHS:]
    figure = Figure(figsize=(10, 1.3 + 0.28 * max(1, len(months))), layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle("Verdicts of the nights", fontsize=11)
    if not months:
        figures.draw_empty_message(axes, "no verdict yet")
        return figure
    for night, kept in history.items():
        if night[:6] not in months:
            continue
        verdict, x, y = Verdict(kept["verdict"]), int(night[6:]) - 1, months.index(night[:6])
        axes.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, color=COLOURS[verdict]))
        axes.text(
            x + 0.5,
            y + 0.5,
            VERDICT_SIGNS[verdict],
            ha="center",
            va="center",
            color=INKS[verdict],
            size=7,
        )
    axes.set(xlim=(0, 31), ylim=(max(1, len(months)), 0), xlabel="night (UT)")
    axes.set_xticks([day + 0.5 for day in range(0, 31, 2)], map(str, range(1, 32, 2)), size=8)
    labels = [f"{month[:4]}-{month[4:]}" for month in months]
    axes.set_yticks([row + 0.5 for row in range(len(months))], labels, size=8)
    patches = [
        Patch(color=colour, label=f"{VERDICT_SIGNS[verdict]} {verdict}")
        for verdict, colour in COLOURS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=8)
    return figure
