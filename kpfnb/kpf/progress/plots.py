"""Plots of progress: a calendar for each level, which makes gaps visible.

Rows are months and columns are days; the colour is the share that is done. A range of up to
`MATRIX_NIGHTS` nights is drawn larger, with one column a night and the numbers in the cells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.kpf.files.night_pages import night_url
from kpfnb.kpf.progress.completeness import LevelCount, NightProgress
from kpfnb.kpf.progress.result import ProgressResult
from kpfnb.kpf.progress.touch import TouchOutcome, TouchResult
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import (
    HoverFigure,
    LinkedText,
    TooltipFunction,
    area_tooltip,
    register_plot,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MATRIX_NIGHTS = 31
MIN_COLUMNS = 10
"""A plot of fewer nights has place for this many, so that a cell is not a giant block."""

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
NO_NIGHT = ShareColour(-1, "none", "no night")
"""Transparent, on a light and on a dark ground."""


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
    """Nights × levels, empty for days without a night; the tooltips name what is missing.

    A click on a cell opens the page of the night.
    """
    from matplotlib.figure import Figure

    tooltips: dict[Axes, TooltipFunction] = {}
    if not progress.nights:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        figures.draw_empty_message(figure.add_subplot(), progress.reason)
    elif len(_list_days(progress)) <= MATRIX_NIGHTS:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        axes = figure.add_subplot()
        _draw_matrix(axes, progress)
        tooltips[axes] = area_tooltip(partial(_matrix_tooltip, progress))
    else:
        months = list_months([night.night for night in progress.nights])
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
    days, column, row = _list_days(progress), round(x), round(y)
    is_inside = 0 <= column < len(days) and 0 <= row < len(progress.levels)
    night = _find_night(progress, days[column]) if is_inside else None
    return cell_tooltip(night, progress.levels[row]) if night else ""


def _calendar_tooltip(
    progress: ProgressResult, months: Sequence[str], level: str, x: float, y: float
) -> str:
    row = round(y)
    name = f"{months[row]}{round(x) + 1:02d}" if 0 <= row < len(months) else ""
    night = _find_night(progress, name)
    return cell_tooltip(night, level) if night else ""


def cell_tooltip(night: NightProgress, level: str) -> LinkedText:
    """How much of a level is done in a night, which observations miss it, and its page."""
    count = night.counts[level]
    head = f"{night.night} {level}: {count.done} of {count.expected} done"
    missing = [f"{item.obsid} {item.reason}" for item in night.missing if item.level == level]
    text = "\n".join(filter(None, [head, figures.join_names(missing)]))
    return LinkedText(text, night_url(night.night))


def _find_night(progress: ProgressResult, name: str) -> NightProgress | None:
    return next((night for night in progress.nights if night.night == name), None)


def _list_days(progress: ProgressResult) -> list[str]:
    """All dates from the first night to the last, including those without a night."""
    names = sorted(night.night for night in progress.nights)
    first, last = (datetime.strptime(name, "%Y%m%d") for name in (names[0], names[-1]))
    return [f"{first + timedelta(days=n):%Y%m%d}" for n in range((last - first).days + 1)]


def _matrix_size(progress: ProgressResult) -> tuple[float, float]:
    columns = max(MIN_COLUMNS, len(_list_days(progress)) if progress.nights else 0)
    return min(max(7.5, 1.5 + 0.55 * columns), 13), 1.9 + 0.42 * len(progress.levels)


def _draw_matrix(axes: Axes, progress: ProgressResult) -> None:
    """One column a date, one row a level."""
    names = _list_days(progress)
    nights = [_find_night(progress, name) for name in names]
    cells = [[night.counts[lvl] if night else None for night in nights] for lvl in progress.levels]
    _draw_cells(axes, [[_cell_colour(count).colour for count in row] for row in cells])
    if len(nights) <= NUMBERED_NIGHTS:
        counts = ((x, y, count) for y, row in enumerate(cells) for x, count in enumerate(row))
        for x, y, count in counts:
            if count:
                label, ink = f"{count.done}/{count.expected}", share_colour(count).ink
                axes.text(x, y, label, ha="center", va="center", size=8, color=ink)
    # Cells of one size at the left, whatever their number
    axes.set_xlim(-0.5, max(len(names), MIN_COLUMNS) - 0.5)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) < 3 else 60, size=8)
    axes.set_yticks(range(len(progress.levels)), progress.levels)
    axes.set_xlabel("night (UT)", loc="left")
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


def _cell_colour(count: LevelCount | None) -> ShareColour:
    return share_colour(count) if count else NO_NIGHT


def _draw_cells(axes: Axes, colours: Sequence[Sequence[str]]) -> None:
    axes.imshow(_to_image(colours), aspect="auto", interpolation="nearest")
    axes.set_xticks([x - 0.5 for x in range(len(colours[0]) + 1)] if colours else [], minor=True)
    axes.set_yticks([y - 0.5 for y in range(len(colours) + 1)], minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _to_image(colours: Sequence[Sequence[str]]) -> np.ndarray:
    """Red, green, blue and opacity by row and column; one empty column if there is no night."""
    import numpy as np
    from matplotlib.colors import to_rgba

    return np.array([[to_rgba(name) for name in row or [NO_NIGHT.colour]] for row in colours])


def list_months(names: Collection[str]) -> list[str]:
    """All months from the first night to the last, including those without a night."""
    if not names:
        return []
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
