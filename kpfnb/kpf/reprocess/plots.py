"""Plot of a reprocessing: observations by night and outcome, products over time."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from functools import partial
from typing import TYPE_CHECKING

from kpfnb.core import palette
from kpfnb.kpf.files.night_pages import night_url
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import (
    HoverFigure,
    LinkedText,
    PointTooltip,
    TooltipFunction,
    area_tooltip,
    register_plot,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours of Okabe and Ito, which colour-blind people can distinguish
OUTCOME_COLOURS = {
    ObservationOutcome.DONE: palette.GREEN,
    ObservationOutcome.SKIPPED: palette.SKY_BLUE,
    ObservationOutcome.PLANNED: palette.BLUE,
    ObservationOutcome.JUNK: palette.GREY,
    ObservationOutcome.FAILED: palette.VERMILION,
    ObservationOutcome.NOT_REACHED: palette.ORANGE,
}
LEVEL_COLOURS = (palette.BLUE, palette.ORANGE, palette.PURPLE)
LINE_STYLES = ("-", "--", ":")

MAX_NIGHT_LABELS = 30


@register_plot(ReprocessResult)
def plot_reprocessing(result: ReprocessResult) -> HoverFigure:
    """Observations by night and, if the DRP ran, the number of products over time.

    The tooltips name the observations of a bar and the products of a curve.
    """
    from matplotlib.figure import Figure

    rows = 2 if result.batches else 1
    figure = Figure(figsize=(9, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, squeeze=False)[:, 0]
    tooltips: dict[Axes, TooltipFunction] = {}
    _draw_nights(axes[0], result)
    if _counts_by_night(result):
        tooltips[axes[0]] = area_tooltip(partial(_night_tooltip, result))
    if result.batches:
        _draw_products(axes[1], result)
        tooltips[axes[1]] = _make_product_tooltip(result)
    return HoverFigure(figure, tooltips)


def bar_tooltip(result: ReprocessResult, night: str, outcome: ObservationOutcome) -> str:
    """The observations of a night with that outcome."""
    items = [item for item in result.with_outcome(outcome) if item.night == night]
    names = [f"{item.name} {item.reason}".rstrip() for item in items]
    text = f"{night}: {len(items)} {outcome}\n{figures.join_names(names)}"
    return LinkedText(text, night_url(night))


def _night_tooltip(result: ReprocessResult, x: float, y: float) -> str:
    by_night = _counts_by_night(result)
    nights = list(by_night)
    column = round(x)
    if not 0 <= column < len(nights) or abs(x - column) > _bar_width(nights) / 2:
        return ""
    outcome = _outcome_at(by_night[nights[column]], y)
    return bar_tooltip(result, nights[column], outcome) if outcome else ""


def _make_product_tooltip(result: ReprocessResult) -> PointTooltip:
    import numpy as np

    unit, divisor = _time_unit(result)
    products = [
        (level, number, time / divisor)
        for level in result.levels
        for number, time in enumerate(_product_times(result, level), start=1)
    ]
    points = np.array([(time, number) for _, number, time in products], float).reshape(-1, 2)

    def describe(index: int) -> str:
        level, number, time = products[index]
        return f"{level}: number {number}, made after {time:.1f} {unit}"

    return PointTooltip(points, describe)


def _outcome_at(
    counts: Mapping[ObservationOutcome, int], height: float
) -> ObservationOutcome | None:
    """The outcome at a height of a stacked bar; None above it."""
    top = 0
    for outcome in ObservationOutcome:
        top += counts[outcome]
        if 0 <= height < top:
            return outcome
    return None


def _counts_by_night(result: ReprocessResult) -> dict[str, dict[ObservationOutcome, int]]:
    return {night: counts for night, counts in sorted(result.nights.items()) if night}


def _bar_width(nights: Sized) -> float:
    """Width of a bar: many bars have no gaps, which would look like a pattern."""
    return 0.8 if len(nights) <= MAX_NIGHT_LABELS else 1


def _time_unit(result: ReprocessResult) -> tuple[str, int]:
    """The unit of the time axis, and its length in seconds."""
    return ("min", 60) if result.seconds >= 120 else ("s", 1)


def _product_times(result: ReprocessResult, level: str) -> list[float]:
    return sorted(time for batch in result.batches for time in batch.product_times[level])


def _draw_nights(axes: Axes, result: ReprocessResult) -> None:
    by_night = _counts_by_night(result)
    if not by_night:
        figures.draw_empty_message(axes, result.reason)
        return
    columns, width = range(len(by_night)), _bar_width(by_night)
    bottom = [0] * len(by_night)
    for outcome, colour in OUTCOME_COLOURS.items():
        heights = [counts[outcome] for counts in by_night.values()]
        if not any(heights):
            continue
        axes.bar(columns, heights, width, bottom=bottom, color=colour, label=outcome)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    step = max(1, -(-len(by_night) // MAX_NIGHT_LABELS))
    axes.set_xticks(columns[::step], list(by_night)[::step], rotation=45, ha="right")
    # The bar of a single night must not fill the width
    axes.set_xlim(-1 - max(0, 4 - len(by_night)), len(by_night) + max(0, 4 - len(by_night)))
    axes.set_xlabel("night (UT)")
    axes.set_ylabel("observations")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_products(axes: Axes, result: ReprocessResult) -> None:
    from matplotlib.ticker import MaxNLocator

    unit, divisor = _time_unit(result)
    for level, colour, style in zip(result.levels, LEVEL_COLOURS, LINE_STYLES, strict=False):
        times = _product_times(result, level)
        x = [0, *(t / divisor for t in times), result.seconds / divisor]
        y = [*range(len(times) + 1), len(times)]
        axes.step(x, y, style, where="post", color=colour, label=level)
    for batch in result.batches[1:]:
        axes.axvline(batch.started_seconds / divisor, color=palette.EDGE, linewidth=0.8, zorder=0)
    axes.set_xlabel(f"time since the start ({unit}); vertical lines: next start of the DRP")
    axes.set_ylabel("products made")
    axes.set_ylim(0, max(1, axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
