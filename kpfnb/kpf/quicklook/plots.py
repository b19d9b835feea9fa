"""The plot of a quicklook result: the verdicts of many files at a glance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.core import palette
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.quicklook.page_files import PAGE
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookResult
from kpfnb.kpf.quicklook.targets import LEVELS
from kpfnb.notebook import links
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, LinkedText, register_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

MAX_OBSERVATIONS = 80
"""The most observations with a column of their own; more are counted by night."""

NO_VERDICT, NO_FILE = "no verdict", ""

COLOURS = {
    "PASS": palette.PASS,
    "WARN": palette.WARN,
    "FAIL": palette.BROWN,
    str(Verdict.NOT_JUDGED): palette.NOT_JUDGED,
    NO_VERDICT: palette.INK,
    NO_FILE: palette.NO_DATA,
}
SIGNS = {**{str(verdict): verdict.sign for verdict in Verdict}, NO_VERDICT: "?", NO_FILE: ""}


@register_plot(QuicklookResult)
def plot_quicklook(result: QuicklookResult) -> HoverFigure:
    """One column per observation and one row per level; bars by night if there are many."""
    from matplotlib.figure import Figure

    by_night, names = _column_names(result)
    levels = [level for level in LEVELS if any(item.level == level for item in result.items)]
    width = min(16.0, max(6.0, 2.0 + 0.28 * len(names)))
    height = 4.2 if by_night else 2.2 + 0.4 * max(len(levels), 1)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    if not names:
        figures.draw_empty_message(axes, "no files")
        return HoverFigure(figure)
    if by_night:
        _draw_bars(axes, result, names)
    else:
        _draw_cells(axes, result, names, levels)
    _draw_legend(figure)

    def make_text(x: float, y: float) -> str:
        column, row = round(x), round(y)
        if not 0 <= column < len(names):
            return ""
        if by_night:
            night = names[column]
            page = links.page_url(result.products / night / PAGE)
            return LinkedText(night_tooltip(result, night), page)
        if not 0 <= row < len(levels):
            return ""
        text = cell_tooltip(result, names[column], levels[row])
        return LinkedText(text, _cell_url(result, names[column], levels[row]))

    return HoverFigure(figure, {axes: figures.area_tooltip(make_text)})


def _cell_url(result: QuicklookResult, observation: str, level: str) -> str:
    """The URL of the page of a cell, at its level; '' outside of JupyterLab."""
    pages = (
        item.page
        for item in result.items
        if (item.observation, item.level) == (observation, level) and item.page
    )
    page = next(pages, "")
    url = links.page_url(result.products / page) if page else ""
    return f"{url}#{level}" if url and level in KPF.levels else url


def cell_tooltip(result: QuicklookResult, observation: str, level: str) -> str:
    """The checks of a level of an observation; '' if there is no such file."""
    items = [
        item for item in result.items if (item.observation, item.level) == (observation, level)
    ]
    lines: list[str] = []
    for item in items:
        name = observation if len(items) == 1 else item.name
        lines.append(f"{name} {level}: {_verdict_word(item)}")
        lines.append(figures.join_names(filter(None, [item.target, item.reason, *item.remarks])))
    return "\n".join(filter(None, lines))


def night_tooltip(result: QuicklookResult, night: str) -> str:
    """How many files of a night have which verdict, and which do not pass, FAIL first."""
    items = [item for item in result.items if item.night == night]
    counts = Counter(map(_verdict_word, items))
    heading = ", ".join(f"{counts[word]} {word}" for word in COLOURS if counts[word])
    not_passed = [
        f"{item.observation} {item.level}: {word}"
        for word in ("FAIL", "WARN")
        for item in items
        if item.verdict == word
    ]
    return "\n".join(filter(None, [f"{night}: {heading}", figures.join_names(not_passed)]))


def _verdict_word(item: QuicklookItem) -> str:
    return item.verdict or NO_VERDICT


def _drawing_rank(item: QuicklookItem) -> int:
    """Later is worse: a file that was judged is shown before one that was not."""
    word = _verdict_word(item)
    return -1 if word == Verdict.NOT_JUDGED else list(COLOURS).index(word)


def _column_names(result: QuicklookResult) -> tuple[bool, list[str]]:
    """True if the columns are nights, and the names of the columns."""
    observations = sorted({item.observation for item in result.items})
    if len(observations) <= MAX_OBSERVATIONS:
        return False, observations
    return True, sorted({item.night for item in result.items})


def _draw_cells(axes: Axes, result: QuicklookResult, names: list[str], levels: list[str]) -> None:
    words: dict[tuple[str, str], str] = {}
    # The masters of a night share a cell, which shows the worst of them
    for item in sorted(result.items, key=_drawing_rank):
        words[item.observation, item.level] = _verdict_word(item)
    for row, level in enumerate(levels):
        for column, name in enumerate(names):
            word = words.get((name, level), NO_FILE)
            axes.add_patch(_make_cell(column, row, COLOURS[word]))
            axes.text(column, row, SIGNS[word], ha="center", va="center", color="white", size=9)
    axes.set_xticks(range(len(names)), map(figures.escape_mathtext, names), rotation=90, size=7)
    axes.set_yticks(range(len(levels)), levels)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(levels) - 0.5, -0.5))
    axes.set_title("Quicklook: checks by observation and level", loc="left", size=10)


def _make_cell(column: int, row: int, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white")


def _draw_bars(axes: Axes, result: QuicklookResult, nights: list[str]) -> None:
    counts = Counter((item.night, _verdict_word(item)) for item in result.items)
    bottoms = np.zeros(len(nights))
    for word, colour in COLOURS.items():
        heights = np.array([counts[night, word] for night in nights], float)
        axes.bar(range(len(nights)), heights, bottom=bottoms, color=colour, width=0.9)
        bottoms += heights
    step = 1 + len(nights) // 40
    axes.set_xticks(range(0, len(nights), step), nights[::step], rotation=90, size=7)
    axes.set_ylabel("files")
    axes.set_title("Quicklook: checks by night", loc="left", size=10)


def _draw_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=colour, label=f"{SIGNS[word]} {word}")
        for word, colour in COLOURS.items()
        if word
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8)
