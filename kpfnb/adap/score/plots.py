"""Plots of scorecards: how the slits are distributed around their limits, and the trend by date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.adap.products.dataset import parse_dataset
from kpfnb.adap.score.limits import ScoreLimits
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import palette
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.display import figures
from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction, register_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOOD_COLOUR, BAD_COLOUR, LIMIT_COLOUR = palette.BLUE, palette.VERMILION, palette.INK
"""The palette of Okabe and Ito, which colour-blind people can distinguish; limits are dashed."""
BIN_COUNT = 30
_LEGEND_ABOVE: dict[str, Any] = {
    "loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0.2,
    "fontsize": "small", "frameon": False,
}  # fmt: skip
"""A legend above its axes hides nothing."""


class MeasurePanel(NamedTuple):
    """A histogram of one measure of the slits, with its limits."""

    measure: str
    label: str
    limits: tuple[float, ...]


@register_plot(ScoreResult)
def plot_scores(result: ScoreResult) -> HoverFigure:
    """Histograms of RMS, coverage and flexure, and below them the trend by date of observation.

    The tooltip of a bar lists its slits, that of a point names its dataset.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7.2), layout="constrained")
    if not result.cards:
        figures.draw_empty_message(figure.add_subplot(), "nothing was scored")
        return HoverFigure(figure)
    tooltips: dict[Axes, TooltipFunction] = {}
    grid = figure.add_gridspec(3, 3, height_ratios=[1.3, 1, 1])
    for column, panel in enumerate(_measure_panels(result.criteria.default)):
        axes = figure.add_subplot(grid[0, column])
        _draw_histogram(axes, result.cards, panel)
        tooltips[axes] = figures.area_tooltip(
            partial(_histogram_tooltip, cards=result.cards, panel=panel)
        )
    upper = figure.add_subplot(grid[1, :])
    lower = figure.add_subplot(grid[2, :], sharex=upper)
    points = sorted(filter(None, map(_trend_point, result.cards)))
    _draw_trend(upper, lower, points, result.criteria.default.rms_thresh)
    tooltips[upper] = _trend_tooltip([(point, point.median_rms) for point in points if point.rms])
    tooltips[lower] = _trend_tooltip(
        [(point, point.bad_percent) for point in points if point.slits]
    )
    return HoverFigure(figure, tooltips)


def bar_tooltip(cards: Sequence[Scorecard], panel: MeasurePanel, x: float) -> str:
    """The slits of the bar at a value, the bad ones first; '' if there is no bar."""
    import numpy as np

    slits = [
        (value, scored.is_bad, f"{card.dataset} {scored.slit.name}")
        for card in cards
        for scored in card.slits
        if (value := getattr(scored.slit, panel.measure)) is not None and value == value
    ]
    values = [value for value, *_ in slits]
    # The stacked histogram has the bins of a histogram of all slits
    edges = np.histogram_bin_edges(values, BIN_COUNT)
    number = int(np.searchsorted(edges, x, side="right")) - 1
    if not slits or not 0 <= number < BIN_COUNT:
        return ""
    low, high = edges[number : number + 2]
    # The last bin includes its upper edge
    is_last = number == BIN_COUNT - 1
    names = [
        f"{'bad' if is_bad else 'good'}: {name}"
        for value, is_bad, name in slits
        if low <= value < high or (is_last and value == high)
    ]
    title = f"{panel.label}: {low:.3g} to {high:.3g}: {len(names)} slits"
    return f"{title}\n{figures.join_names(sorted(names))}" if names else ""


def _histogram_tooltip(
    x: float, _: float, *, cards: Sequence[Scorecard], panel: MeasurePanel
) -> str:
    return bar_tooltip(cards, panel, x)


def _trend_tooltip(points: Sequence[tuple[_TrendPoint, float]]) -> TooltipFunction:
    import numpy as np
    from matplotlib.dates import date2num

    positions = [(date2num(point.day), height) for point, height in points]
    return figures.PointTooltip(
        np.array(positions, float).reshape(-1, 2), lambda number: points[number][0].tooltip
    )


def _measure_panels(limits: ScoreLimits) -> list[MeasurePanel]:
    flexure = limits.flex_shift_thresh
    return [
        MeasurePanel("rms", "RMS of the wavelengths (pixels)", (limits.rms_thresh,)),
        MeasurePanel(
            "coverage", "wavelength range covered by arc lines (%)", (limits.wave_cov_thresh,)
        ),
        MeasurePanel("flexure", "spectral flexure (pixels)", (-flexure, flexure)),
    ]


def _draw_histogram(axes: Axes, cards: Sequence[Scorecard], panel: MeasurePanel) -> None:
    """A stacked histogram of good and bad slits; limits outside of the data are not drawn."""
    values: dict[bool, list[float]] = {False: [], True: []}
    for scored in (scored for card in cards for scored in card.slits):
        value = getattr(scored.slit, panel.measure)
        if value is not None and value == value:
            values[scored.is_bad].append(value)
    axes.set_xlabel(panel.label)
    axes.set_ylabel("slits")
    if not any(values.values()):
        figures.draw_empty_message(axes, f"{panel.label}: not measured")
        return
    axes.hist(
        [values[False], values[True]],
        bins=BIN_COUNT,
        stacked=True,
        color=[GOOD_COLOUR, BAD_COLOUR],
        label=[f"good: {len(values[False])}", f"bad: {len(values[True])}"],
        hatch=["", "//"],
        edgecolor="white",
        linewidth=0.3,
    )
    low, high = axes.get_xlim()
    for limit in panel.limits:
        if low <= limit <= high:
            axes.axvline(limit, color=LIMIT_COLOUR, ls="--", lw=1)
    axes.legend(ncols=2, **_LEGEND_ABOVE)


class _TrendPoint(NamedTuple):
    """One dataset in the trend."""

    day: date
    dataset: str
    rms: list[float]
    slits: int
    bad: int

    @property
    def median_rms(self) -> float:
        """The median of the RMS, pixels."""
        return median(self.rms)

    @property
    def bad_percent(self) -> float:
        """Bad slits, percent."""
        return 100 * self.bad / self.slits

    @property
    def tooltip(self) -> str:
        """Dataset, RMS and bad slits."""
        rms = f"RMS {self.median_rms:.3f} pixels, " if self.rms else ""
        return f"{self.dataset}\n{rms}{self.bad} of {self.slits} slits bad"


def _draw_trend(upper: Axes, lower: Axes, points: Sequence[_TrendPoint], rms_limit: float) -> None:
    import numpy as np

    measured = [point for point in points if point.rms]
    if measured:
        days = np.array([point.day for point in measured], dtype="datetime64[D]")
        # The middle two thirds of a dataset's slits
        spread = np.array([np.percentile(point.rms, [16, 50, 84]) for point in measured]).T
        error_bars = [spread[1] - spread[0], spread[2] - spread[1]]
        upper.errorbar(
            days, spread[1], yerr=error_bars, fmt="o", color=GOOD_COLOUR, ecolor=palette.GREY, ms=4,
            lw=1, label="median of a dataset, with the middle two thirds of its slits",
        )  # fmt: skip
        upper.axhline(rms_limit, color=LIMIT_COLOUR, ls="--", lw=1, label="limit")
        upper.legend(ncols=2, **_LEGEND_ABOVE)
    with_slits = [point for point in points if point.slits]
    if with_slits:
        percentages = [point.bad_percent for point in with_slits]
        days = np.array([point.day for point in with_slits], dtype="datetime64[D]")
        lower.plot(days, percentages, "s", color=BAD_COLOUR, ms=5, clip_on=False)
        lower.set_ylim(0, max(percentages) * 1.15 or 1)
    if not measured:
        figures.draw_empty_message(
            upper, "RMS: not measured in any dataset with a date in its name"
        )
    if not with_slits:
        figures.draw_empty_message(lower, "no slits in any dataset with a date in its name")
    upper.set_ylabel("RMS (pixels)")
    lower.set_ylabel("bad slits (%)")
    lower.set_xlabel("date of observation (UT)")
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        axes.grid(color=palette.GRID, lw=0.6)
        axes.margins(x=0.06)


def _trend_point(card: Scorecard) -> _TrendPoint | None:
    """A dataset at the date in its name; None if it has none."""
    try:
        day = parse_dataset(card.dataset).first
    except InvalidInputError:
        return None
    rms = [scored.slit.rms for scored in card.slits if scored.slit.rms is not None]
    slits = sum(row.slit_count for row in card.rows)
    bad = sum(row.bad_slit_count for row in card.rows)
    return _TrendPoint(day, card.dataset, rms, slits, bad)
