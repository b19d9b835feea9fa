"""The progress as a picture: a calendar for each level, so that a gap is seen at once.

One month a row and one day a column; the colour is the share that is done. A range within
`MATRIX_NIGHTS` nights is drawn larger, one column a night, with the numbers in the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kpfnb.kpf.progress.completeness import LevelCount, NightProgress
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.kpf.progress.result import ProgressResult
    from kpfnb.notebook.display.figures import HoverFigure

MATRIX_NIGHTS = 31
NUMBERED_NIGHTS = 14
"""With more columns there is no room for the numbers in the cells."""

INK, GRID = "#333333", "#d0d0d0"


class ShareColour(NamedTuple):
    """One colour of the picture: for shares of at least `least` percent."""

    min_percent: int
    colour: str
    label: str
    ink: str = INK
    """Of numbers written on it."""


# From complete to empty in one direction of lightness and from blue to orange, which every kind
# of colour vision tells apart; 99 % is as far from 100 % in colour as it is in meaning
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
    # A share below 1 % is floored to 0 and yet not nothing
    percent = max(percent, 1) if count.done else 0
    return [shade for shade in SHARE_COLOURS if shade.min_percent <= percent][-1]


def plot_progress(progress: ProgressResult) -> Figure:
    """Nights × levels; white where there is no night."""
    from matplotlib.figure import Figure

    if not progress.nights:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        figures.draw_empty_message(figure.add_subplot(), progress.reason)
    elif len(progress.nights) <= MATRIX_NIGHTS:
        figure = Figure(figsize=_matrix_size(progress), layout="constrained")
        _draw_matrix(figure.add_subplot(), progress)
    else:
        months = _list_months(progress)
        rows = len(progress.levels)
        size = (9, rows * (0.9 + 0.16 * len(months)))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, squeeze=False)[:, 0]
        for panel, level in zip(axes, progress.levels, strict=True):
            _draw_calendar(panel, progress, level, months)
        axes[-1].set_xlabel("day of the month (UT)")
    figure.suptitle(f"KPF processing {progress.range}", fontsize=11)
    _draw_legend(figure)
    return figure


def hover_progress_plot(progress: ProgressResult) -> HoverFigure:
    """The picture, and of each cell how much is done and which observations lack the level."""
    from kpfnb.notebook.display.figures import HoverFigure, area_tooltip

    figure = plot_progress(progress)
    if not progress.nights:
        return HoverFigure(figure)
    if len(progress.nights) <= MATRIX_NIGHTS:
        nights = sorted(progress.nights, key=lambda night: night.night)
        levels = progress.levels

        def cell(x: float, y: float) -> str:
            column, row = round(x), round(y)
            within = 0 <= column < len(nights) and 0 <= row < len(levels)
            return cell_tooltip(nights[column], levels[row]) if within else ""

        return HoverFigure(figure, {figure.axes[0]: area_tooltip(cell)})
    named = {night.night: night for night in progress.nights}
    months = _list_months(progress)

    def day(x: float, y: float, level: str) -> str:
        row = round(y)
        name = f"{months[row]}{round(x) + 1:02d}" if 0 <= row < len(months) else ""
        return cell_tooltip(named[name], level) if name in named else ""

    told = {
        axes: area_tooltip(partial(day, level=level))
        for axes, level in zip(figure.axes, progress.levels, strict=True)
    }
    return HoverFigure(figure, told)


def cell_tooltip(night: NightProgress, level: str) -> str:
    """How much of a level is done in a night, and which observations lack it."""
    from kpfnb.notebook.display import figures

    count = night.counts[level]
    head = f"{night.night} {level}: {count.done} of {count.expected} done"
    lacking = [f"{one.obsid} {one.reason}" for one in night.missing if one.level == level]
    return "\n".join(filter(None, [head, figures.join_names(lacking)]))


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
    """Red, green and blue by row and column; one white column where there is no night."""
    import numpy as np
    from matplotlib.colors import to_rgb

    return np.array([[to_rgb(name) for name in row] or [(1.0, 1.0, 1.0)] for row in colours])


def _list_months(progress: ProgressResult) -> list[str]:
    """All months from the first night to the last, also those without a night."""
    first, last = (pick(night.night for night in progress.nights) for pick in (min, max))
    numbers = range(_month_number(first), _month_number(last) + 1)
    return [f"{number // 12:04d}{number % 12 + 1:02d}" for number in numbers]


def _month_number(night: str) -> int:
    return int(night[:4]) * 12 + int(night[4:6]) - 1


def _draw_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    shades = [*reversed(SHARE_COLOURS), NONE_EXPECTED, NO_NIGHT]
    patches = [Patch(facecolor=s.colour, edgecolor=INK, label=s.label, lw=0.4) for s in shades]
    # Close to each other: they have to fit below the narrowest picture
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=len(patches),
        fontsize=8,
        columnspacing=1.1,
        handlelength=1.4,
    )
