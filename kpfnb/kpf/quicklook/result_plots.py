"""The verdicts of many files as one picture."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook.result import QuicklookResult
from kpfnb.kpf.quicklook.targets import LEVELS
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    from kpfnb.notebook.display.figures import HoverFigure

MAX_OBSERVATIONS = 80
"""More are counted by night."""

NO_VERDICT, NO_FILE = "no verdict", ""

COLOURS = {
    "PASS": "#3b78ad",
    "WARN": "#f0a04b",
    "FAIL": "#8c2d04",
    NO_VERDICT: "#1b2430",
    NO_FILE: "#e3e7ec",
}
SIGNS = {"PASS": "✔", "WARN": "!", "FAIL": "✖", NO_VERDICT: "?", NO_FILE: ""}


def plot_verdicts(result: QuicklookResult) -> Figure:
    """One column an observation, one row a level; or bars by night."""
    from matplotlib.figure import Figure

    by_night, groups = _column_names(result)
    width = min(16.0, max(6.0, 2.0 + 0.28 * len(groups)))
    height = 4.2 if by_night else 2.2 + 0.4 * max(len(_present_levels(result)), 1)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    if not groups:
        figures.draw_empty_message(axes, "no files")
        return figure
    if by_night:
        _draw_bars(axes, result, groups)
    else:
        _draw_cells(axes, result, groups)
    _draw_legend(figure)
    return figure


def hover_verdicts(result: QuicklookResult) -> HoverFigure:
    """The picture; over a cell the observation and its checks, over a bar how many of which."""
    from kpfnb.notebook.display.figures import HoverFigure, area_tooltip

    figure = plot_verdicts(result)
    by_night, groups = _column_names(result)
    levels = _present_levels(result)

    def text(x: float, y: float) -> str:
        column, row = round(x), round(y)
        if not 0 <= column < len(groups):
            return ""
        if by_night:
            return night_tooltip(result, groups[column])
        return cell_tooltip(result, groups[column], levels[row]) if 0 <= row < len(levels) else ""

    return HoverFigure(figure, {figure.axes[0]: area_tooltip(text)})


def cell_tooltip(result: QuicklookResult, observation: str, level: str) -> str:
    """The checks of a level of an observation; '' where there is no such file."""
    from kpfnb.notebook.display import figures

    own = [item for item in result.items if (item.observation, item.level) == (observation, level)]
    texts: list[str] = []
    for item in own:
        name = observation if len(own) == 1 else item.name
        head = f"{name} {level}: {item.verdict or NO_VERDICT}"
        told = filter(None, [item.target, item.reason, *item.remarks])
        texts += filter(None, [head, figures.join_names(told)])
    return "\n".join(texts)


def night_tooltip(result: QuicklookResult, night: str) -> str:
    """How many files of a night have which verdict, and which do not pass."""
    from kpfnb.notebook.display import figures

    own = [item for item in result.items if item.night == night]
    counts = Counter(item.verdict or NO_VERDICT for item in own)
    bad = [f"{i.observation} {i.level}: {i.verdict}" for i in own if i.verdict in ("FAIL", "WARN")]
    head = ", ".join(f"{counts[word]} {word}" for word in COLOURS if counts[word])
    return "\n".join(
        filter(None, [f"{night}: {head}", figures.join_names(sorted(bad, key=_is_not_fail))])
    )


def _is_not_fail(line: str) -> bool:
    """FAIL before WARN."""
    return not line.endswith("FAIL")


def _column_names(result: QuicklookResult) -> tuple[bool, list[str]]:
    """Whether the columns are nights, and their names."""
    names = sorted({item.observation for item in result.items})
    if len(names) <= MAX_OBSERVATIONS:
        return False, names
    return True, sorted({item.night for item in result.items})


def _present_levels(result: QuicklookResult) -> list[str]:
    return [level for level in LEVELS if any(item.level == level for item in result.items)]


def _draw_cells(axes: Axes, result: QuicklookResult, names: list[str]) -> None:
    levels = _present_levels(result)
    words: dict[tuple[str, str], str] = {}
    # The masters of a night are one cell, which shows the worst of them
    for item in sorted(
        result.items, key=lambda item: list(COLOURS).index(item.verdict or NO_VERDICT)
    ):
        words[item.observation, item.level] = item.verdict or NO_VERDICT
    for row, level in enumerate(levels):
        for column, name in enumerate(names):
            word = words.get((name, level), NO_FILE)
            axes.add_patch(_cell_patch(column, row, COLOURS[word]))
            axes.text(
                column, row, SIGNS[word], ha="center", va="center", color="white", size=9
            )  # fmt: skip
    axes.set_xticks(range(len(names)), map(figures.escape_mathtext, names), rotation=90, size=7)
    axes.set_yticks(range(len(levels)), levels)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(levels) - 0.5, -0.5))
    axes.set_title("Quicklook: checks by observation and level", loc="left", size=10)


def _cell_patch(column: int, row: int, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white")


def _draw_bars(axes: Axes, result: QuicklookResult, nights: list[str]) -> None:
    counts = Counter((item.night, item.verdict or NO_VERDICT) for item in result.items)
    below = np.zeros(len(nights))
    for word, colour in COLOURS.items():
        heights = np.array([counts[night, word] for night in nights], float)
        axes.bar(range(len(nights)), heights, bottom=below, color=colour, width=0.9)
        below += heights
    step = 1 + len(nights) // 40
    axes.set_xticks(range(0, len(nights), step), nights[::step], rotation=90, size=7)
    axes.set_ylabel("files")
    axes.set_title("Quicklook: checks by night", loc="left", size=10)


def _draw_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    shown = [Patch(facecolor=c, label=f"{SIGNS[w]} {w}") for w, c in COLOURS.items() if w]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), fontsize=8)
