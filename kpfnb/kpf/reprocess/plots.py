"""The picture of a reprocessing: observations by night and fate, products over time."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import TYPE_CHECKING

from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction

# Okabe and Ito's colours, told apart by colour-blind people too
OUTCOME_COLOURS = {
    ObservationOutcome.DONE: "#009E73",
    ObservationOutcome.SKIPPED: "#56B4E9",
    ObservationOutcome.PLANNED: "#0072B2",
    ObservationOutcome.JUNK: "#999999",
    ObservationOutcome.FAILED: "#D55E00",
    ObservationOutcome.NOT_REACHED: "#E69F00",
}
LEVEL_COLOURS = ("#0072B2", "#E69F00", "#CC79A7")
LINE_STYLES = ("-", "--", ":")

MAX_NIGHT_LABELS = 30


def plot_reprocessing(result: ReprocessResult) -> Figure:
    """Observations by night on top; below, where the DRP was run, products made over time."""
    from matplotlib.figure import Figure

    rows = 2 if result.batches else 1
    figure = Figure(figsize=(9, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, squeeze=False)[:, 0]
    _draw_nights(axes[0], result)
    if result.batches:
        _draw_products(axes[1], result)
    return figure


def hover_reprocessing_plot(result: ReprocessResult) -> HoverFigure:
    """The picture; over a bar the observations of that night and fate, over a curve the product."""
    import numpy as np

    from kpfnb.notebook.display.figures import HoverFigure, PointTooltip, area_tooltip

    figure = plot_reprocessing(result)
    by_night = _counts_by_night(result)
    nights = list(by_night)

    def bar(x: float, y: float) -> str:
        column = round(x)
        if not 0 <= column < len(nights) or abs(x - column) > _bar_width(nights) / 2:
            return ""
        fate = _outcome_at(by_night[nights[column]], y)
        return bar_tooltip(result, nights[column], fate) if fate else ""

    told: dict[Axes, TooltipFunction] = {figure.axes[0]: area_tooltip(bar)} if nights else {}
    if result.batches:
        unit, divisor = _time_unit(result)
        made = [
            (level, number, time / divisor)
            for level in result.levels
            for number, time in enumerate(_product_times(result, level), start=1)
        ]
        at = np.array([(time, number) for _, number, time in made], float).reshape(-1, 2)

        def product(one: int) -> str:
            level, number, time = made[one]
            return f"{level}: number {number}, made after {time:.1f} {unit}"

        told[figure.axes[1]] = PointTooltip(at, product)
    return HoverFigure(figure, told)


def bar_tooltip(result: ReprocessResult, night: str, fate: ObservationOutcome) -> str:
    """The observations of a night with that fate."""
    from kpfnb.notebook.display import figures

    found = [one for one in result.with_outcome(fate) if one.night == night]
    named = [f"{one.name} {one.reason}".rstrip() for one in found]
    return f"{night}: {len(found)} {fate}\n{figures.join_names(named)}"


def _outcome_at(
    counts: Mapping[ObservationOutcome, int], height: float
) -> ObservationOutcome | None:
    """The fate at a height of a stacked bar; None above it."""
    top = 0
    for fate in ObservationOutcome:
        top += counts[fate]
        if 0 <= height < top:
            return fate
    return None


def _counts_by_night(result: ReprocessResult) -> dict[str, dict[ObservationOutcome, int]]:
    return {night: counts for night, counts in sorted(result.nights.items()) if night}


def _bar_width(nights: Sized) -> float:
    """Of a bar: gaps between many bars would be a pattern of their own."""
    return 0.8 if len(nights) <= MAX_NIGHT_LABELS else 1


def _time_unit(result: ReprocessResult) -> tuple[str, int]:
    """The unit of the time axis, and its seconds."""
    return ("min", 60) if result.seconds >= 120 else ("s", 1)


def _product_times(result: ReprocessResult, level: str) -> list[float]:
    return sorted(time for batch in result.batches for time in batch.made[level])


def _draw_nights(axes: Axes, result: ReprocessResult) -> None:
    by_night = _counts_by_night(result)
    if not by_night:
        figures.draw_empty_message(axes, result.reason)
        return
    places = range(len(by_night))
    bottom = [0] * len(by_night)
    for fate in (
        fate for fate in ObservationOutcome if any(counts[fate] for counts in by_night.values())
    ):
        heights = [counts[fate] for counts in by_night.values()]
        axes.bar(
            places,
            heights,
            _bar_width(by_night),
            bottom=bottom,
            color=OUTCOME_COLOURS[fate],
            label=fate,
        )
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    step = max(1, -(-len(by_night) // MAX_NIGHT_LABELS))
    axes.set_xticks(places[::step], list(by_night)[::step], rotation=45, ha="right")
    # A single night is a bar, not a wall
    axes.set_xlim(-1 - max(0, 4 - len(by_night)), len(by_night) + max(0, 4 - len(by_night)))
    axes.set_xlabel("night (UT)")
    axes.set_ylabel("observations")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_products(axes: Axes, result: ReprocessResult) -> None:
    from matplotlib.ticker import MaxNLocator

    unit, divisor = _time_unit(result)
    for level, colour, style in zip(result.levels, LEVEL_COLOURS, LINE_STYLES, strict=False):
        times = _product_times(result, level)
        moments = [0, *(t / divisor for t in times), result.seconds / divisor]
        made = [*range(len(times) + 1), len(times)]
        axes.step(moments, made, style, where="post", color=colour, label=level)
    for batch in result.batches[1:]:
        axes.axvline(batch.started_seconds / divisor, color="#BBBBBB", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"time since the start ({unit}); vertical lines: the DRP's next start")
    axes.set_ylabel("products made")
    axes.set_ylim(0, max(1, axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
