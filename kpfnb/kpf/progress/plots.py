"""Plots of progress: a calendar for each level, which makes gaps visible.

Rows are months and columns are days; the colour is the share that is done. A range of up to
`MATRIX_NIGHTS` nights is drawn larger, with one column a night and the numbers in the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.kpf.progress.completeness import LevelCount, NightProgress
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.progress.touch import TouchOutcome, TouchResult
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction, area_tooltip, register_plot

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MATRIX_NIGHTS = 31
NUMBERED_NIGHTS = 14
"""The most columns with numbers in the cells; with more they do not fit."""

INK, GRID = "#333333", "#d0d0d0"


class ShareColour(NamedTuple):
    """A colour for shares of at least `min_percent`."""

    min_percent: int
    colour: str
    label: str
    ink: str = INK
    """Colour of numbers written on it."""


# Lightness and hue (blue to orange) vary in one direction, so people with any kind of colour
# vision can read it; 99 % has clearly another colour than 100 %
SHARE_COLOURS = (
    ShareColour(0, "#5c2a06", "none done", "white"),
    ShareColour(1, "#b8510d", "1–49 %", "white"),
    ShareColour(50, "#f0a04b", "50–89 %"),
    ShareColour(90, "#fde3a7", "90–99 %"),
    ShareColour(100, "#3b78ad", "all done", "white"),
)
NONE_EXPECTED = ShareColour(-1, "#d9d9d9", "none expected")
NO_NIGHT = ShareColour(-1, "#ffffff", "no night")


def share_colour(count: LevelCount) -> ShareColour:
    """The colour of a count."""
    percent = count.percent
    if percent is None:
        return NONE_EXPECTED
    # A share below 1 % is rounded down to 0 but is not nothing
    percent = max(percent, 1) if count.done else 0
    return [colour for colour in SHARE_COLOURS if colour.min_percent <= percent][-1]


@register_plot(ProgressResult)
def plot_progress(progress: ProgressResult) -> HoverFigure:
    """Nights × levels, white for days without a night; the tooltips name what is missing."""
    from matplotlib.figure import Figure

    tooltips: dict[Axes, TooltipFunction] = {}
    if not progress.nights:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        figures.draw_empty_message(figure.add_subplot(), progress.reason)
    elif len(progress.nights) <= MATRIX_NIGHTS:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        axes = figure.add_subplot()
        _draw_matrix(axes, progress)
        tooltips[axes] = area_tooltip(partial(_matrix_tooltip, progress))
    else:
        months = _list_months(progress)
        rows = len(progress.levels)
        size = (9, rows * (0.9 + 0.16 * len(months)))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, squeeze=False)[:, 0]
        for axes, level in zip(panels, progress.levels, strict=True):
            _draw_calendar(axes, progress, level, months)
            tooltips[axes] = area_tooltip(partial(_calendar_tooltip, progress, months, level))
        panels[-1].set_xlabel("day of the month (UT)")
    figure.suptitle(f"KPF processing, {progress.range}", fontsize=11)
    _draw_legend(figure)
    return HoverFigure(figure, tooltips)


@register_plot(TouchResult)
def plot_touch(result: TouchResult) -> HoverFigure:
    """Number of files by outcome."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    counts = {str(outcome): len(result.with_outcome(outcome)) for outcome in TouchOutcome}
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        figures.draw_empty_message(axes, "no files")
        return HoverFigure(figure)
    bars = axes.barh(list(counts), list(counts.values()))
    axes.bar_label(bars, padding=3)
    axes.set_xlabel("files")
    axes.margins(x=0.1)
    return HoverFigure(figure)


def _matrix_tooltip(progress: ProgressResult, x: float, y: float) -> str:
    nights = sorted(progress.nights, key=lambda night: night.night)
    column, row = round(x), round(y)
    is_inside = 0 <= column < len(nights) and 0 <= row < len(progress.levels)
    return cell_tooltip(nights[column], progress.levels[row]) if is_inside else ""


def _calendar_tooltip(
    progress: ProgressResult, months: Sequence[str], level: str, x: float, y: float
) -> str:
    row = round(y)
    name = f"{months[row]}{round(x) + 1:02d}" if 0 <= row < len(months) else ""
    night = next((night for night in progress.nights if night.night == name), None)
    return cell_tooltip(night, level) if night else ""


def cell_tooltip(night: NightProgress, level: str) -> str:
    """How much of a level is done in a night, and which observations miss it."""
    count = night.counts[level]
    head = f"{night.night} {level}: {count.done} of {count.expected} done"
    missing = [f"{item.obsid} {item.reason}" for item in night.missing if item.level == level]
    return "\n".join(filter(None, [head, figures.join_names(missing)]))


def _matrix_size(progress: ProgressResult) -> tuple[float, float]:
    return min(max(7.5, 1.5 + 0.55 * len(progress.nights)), 13), 1.9 + 0.42 * len(progress.levels)


def _draw_matrix(axes: Axes, progress: ProgressResult) -> None:
    """One column a night, one row a level."""
    nights = sorted(progress.nights, key=lambda night: night.night)
    cells = [[night.counts[level] for night in nights] for level in progress.levels]
    _draw_cells(axes, [[share_colour(count).colour for count in row] for row in cells])
    if len(nights) <= NUMBERED_NIGHTS:
        for y, row in enumerate(cells):
            for x, count in enumerate(row):
                label = f"{count.done}/{count.expected}"
                axes.text(
                    x, y, label, ha="center", va="center", size=8, color=share_colour(count).ink
                )
    names = [night.night for night in nights]
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) < 5 else 60, size=8)
    axes.set_yticks(range(len(progress.levels)), progress.levels)
    axes.set_xlabel("night (UT)")
    axes.set_ylabel("level")


def _draw_calendar(axes: Axes, progress: ProgressResult, level: str, months: Sequence[str]) -> None:
    """One row a month, one column a day."""
    colours = [[NO_NIGHT.colour] * 31 for _ in months]
    for night in progress.nights:
        row, day = months.index(night.night[:6]), int(night.night[6:])
        colours[row][day - 1] = share_colour(night.counts[level]).colour
    _draw_cells(axes, colours)
    axes.set_xticks(range(0, 31, 5), map(str, range(1, 32, 5)), size=8)
    step = 1 + len(months) // 40
    labels = [f"{month[:4]}-{month[4:]}" for month in months[::step]]
    axes.set_yticks(range(0, len(months), step), labels, size=7)
    axes.set_ylabel("month")
    total = progress.totals[level]
    title = f"{level}: {total.done} of {total.expected} done"
    axes.set_title(title, loc="left", size=9)


def _draw_cells(axes: Axes, colours: Sequence[Sequence[str]]) -> None:
    axes.imshow(_to_rgb_image(colours), aspect="auto", interpolation="nearest")
    axes.set_xticks([x - 0.5 for x in range(len(colours[0]) + 1)] if colours else [], minor=True)
    axes.set_yticks([y - 0.5 for y in range(len(colours) + 1)], minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _to_rgb_image(colours: Sequence[Sequence[str]]) -> np.ndarray:
    """Red, green and blue by row and column; one white column if there is no night."""
    import numpy as np
    from matplotlib.colors import to_rgb

    return np.array([[to_rgb(name) for name in row] or [(1.0, 1.0, 1.0)] for row in colours])


def _list_months(progress: ProgressResult) -> list[str]:
    """All months from the first night to the last, including those without a night."""
    names = [night.night for night in progress.nights]
    numbers = range(_month_number(min(names)), _month_number(max(names)) + 1)
    return [f"{number // 12:04d}{number % 12 + 1:02d}" for number in numbers]


def _month_number(night: str) -> int:
    return int(night[:4]) * 12 + int(night[4:6]) - 1


def _draw_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    shades = [*reversed(SHARE_COLOURS), NONE_EXPECTED, NO_NIGHT]
    patches = [Patch(facecolor=s.colour, edgecolor=INK, label=s.label, lw=0.4) for s in shades]
    # Close together, to fit below the narrowest figure
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=len(patches),
        fontsize=8,
        columnspacing=1.1,
        handlelength=1.4,
    )
