"""The picture of a reprocessing: observations by night and fate, products over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.kpf.reprocessing import Fate, Reprocessing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind people too
COLOURS = {
    Fate.DONE: "#009E73",
    Fate.SKIPPED: "#56B4E9",
    Fate.PLANNED: "#0072B2",
    Fate.JUNK: "#999999",
    Fate.FAILED: "#D55E00",
    Fate.UNREACHED: "#E69F00",
}
LEVEL_COLOURS = ("#0072B2", "#E69F00", "#CC79A7")
LINE_STYLES = ("-", "--", ":")

NIGHTS_LABELLED = 30


def draw(result: Reprocessing) -> Figure:
    """Observations by night on top; below, where the DRP was run, products made over time."""
    from matplotlib.figure import Figure

    rows = 2 if result.batches else 1
    figure = Figure(figsize=(9, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, squeeze=False)[:, 0]
    _draw_nights(axes[0], result)
    if result.batches:
        _draw_products(axes[1], result)
    return figure


def _draw_nights(axes: Axes, result: Reprocessing) -> None:
    by_night = {night: counts for night, counts in sorted(result.nights.items()) if night}
    places = range(len(by_night))
    bottom = [0] * len(by_night)
    # Gaps between many bars would be a pattern of their own
    width = 0.8 if len(by_night) <= NIGHTS_LABELLED else 1
    for fate in (fate for fate in Fate if any(counts[fate] for counts in by_night.values())):
        heights = [counts[fate] for counts in by_night.values()]
        axes.bar(places, heights, width, bottom=bottom, color=COLOURS[fate], label=fate)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    step = max(1, -(-len(by_night) // NIGHTS_LABELLED))
    axes.set_xticks(places[::step], list(by_night)[::step], rotation=45, ha="right")
    # A single night is a bar, not a wall
    axes.set_xlim(-1 - max(0, 4 - len(by_night)), len(by_night) + max(0, 4 - len(by_night)))
    axes.set_xlabel("night (UT)")
    axes.set_ylabel("observations")
    if by_night:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_products(axes: Axes, result: Reprocessing) -> None:
    unit, divisor = ("min", 60) if result.seconds >= 120 else ("s", 1)
    for level, colour, style in zip(result.levels, LEVEL_COLOURS, LINE_STYLES, strict=False):
        times = sorted(t for batch in result.batches for t in batch.made[level])
        moments = [0, *(t / divisor for t in times), result.seconds / divisor]
        made = [*range(len(times) + 1), len(times)]
        axes.step(moments, made, style, where="post", color=colour, label=level)
    for batch in result.batches[1:]:
        axes.axvline(batch.started_seconds / divisor, color="#BBBBBB", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"time since the start ({unit}); vertical lines: the DRP's next start")
    axes.set_ylabel("products made")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
