"""The plot of a transfer: files by directory and outcome."""

from __future__ import annotations

from collections import Counter

from kpfnb.core import palette
from kpfnb.notebook.display.figures import (
    HoverFigure,
    draw_empty_message,
    escape_mathtext,
    register_plot,
)
from kpfnb.storage.transfer_result import FileOutcome, TransferResult

MAX_DIRECTORIES_SHOWN = 20

_COLOURS = {
    FileOutcome.COPIED: palette.BLUE,
    FileOutcome.UNCHANGED: palette.SKY_BLUE,
    FileOutcome.MOVED: palette.GREEN,
    FileOutcome.DELETED: palette.GREY,
    FileOutcome.WOULD_COPY: palette.YELLOW,
    FileOutcome.WOULD_DELETE: palette.PALE_GREY,
    FileOutcome.FAILED: palette.VERMILION,
    FileOutcome.NOT_REACHED: palette.ORANGE,
}


@register_plot(TransferResult)
def plot_transfer(result: TransferResult) -> HoverFigure:
    """The number of files of each directory by outcome, as stacked bars."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    directories = Counter(_parent_directory(item.path) for item in result.items)
    names = sorted((name for name, _ in directories.most_common(MAX_DIRECTORIES_SHOWN)))[::-1]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    title = escape_mathtext(f"{result.source} → {result.destination}")
    axes.set_title(title, fontsize="medium")
    if not result.items:
        draw_empty_message(axes, "no files")
        return HoverFigure(figure)
    counts = Counter((_parent_directory(item.path), item.state) for item in result.items)
    starts = [0] * len(names)
    for outcome in FileOutcome:
        widths = [counts[name, outcome] for name in names]
        if any(widths):
            axes.barh(
                list(map(escape_mathtext, names)),
                widths,
                left=starts,
                color=_COLOURS[outcome],
                label=str(outcome),
            )
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set_xlabel("files")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return HoverFigure(figure)


def _parent_directory(path: str) -> str:
    return path.rpartition("/")[0] or "."
