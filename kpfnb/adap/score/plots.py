"""Pictures of scorecards: how slits are spread about their limits, and the trend by date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb.adap.products import dataset as datasets
from kpfnb.core.errors import InvalidInputError
from kpfnb.notebook.display import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.adap.score.limits import ScoreLimits
    from kpfnb.adap.score.result import ScoreResult
    from kpfnb.adap.score.scorecard import Scorecard
    from kpfnb.notebook.display.figures import HoverFigure, TooltipFunction

GOOD_COLOUR, BAD_COLOUR, LIMIT_COLOUR = "#0072B2", "#D55E00", "#333333"
"""Okabe and Ito's colours, told apart by all eyes; limits are told by their dashes too."""
BIN_COUNT = 30
_LEGEND_ABOVE: dict[str, Any] = {
    "loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0.2,
    "fontsize": "small", "frameon": False,
}  # fmt: skip
"""Above its axes a legend hides nothing."""


class MeasurePanel(NamedTuple):
    """One measure of the slits, and where its limits are."""

    measure: str
    label: str
    limits: tuple[float, ...]


def plot_scores(scores: ScoreResult) -> Figure:
    """Histograms of RMS, coverage and flexure, and below them the trend by date of observation."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10.5, 7.2), layout="constrained")
    if not scores.cards:
        figures.draw_empty_message(picture.add_subplot(), "nothing was scored")
        return picture
    grid = picture.add_gridspec(3, 3, height_ratios=[1.3, 1, 1])
    for column, panel in enumerate(_measure_panels(scores.criteria.default)):
        _draw_histogram(picture.add_subplot(grid[0, column]), scores.cards, panel)
    upper = picture.add_subplot(grid[1, :])
    lower = picture.add_subplot(grid[2, :], sharex=upper)
    _draw_trend(upper, lower, scores)
    return picture


def hover_scores(scores: ScoreResult) -> HoverFigure:
    """The picture; over a bar its slits, over a point its dataset."""
    from kpfnb.notebook.display.figures import HoverFigure, area_tooltip

    picture = plot_scores(scores)
    if not scores.cards:
        return HoverFigure(picture)
    panels = _measure_panels(scores.criteria.default)
    told: dict[Axes, TooltipFunction] = {
        axes: area_tooltip(partial(_histogram_tooltip, cards=scores.cards, panel=panel))
        for axes, panel in zip(picture.axes, panels, strict=False)
    }
    upper, lower = picture.axes[len(panels) :]
    points = sorted(filter(None, map(_trend_point, scores.cards)))
    told[upper] = _trend_tooltip([(one, one.median_rms) for one in points if one.rms])
    told[lower] = _trend_tooltip([(one, one.bad_percent) for one in points if one.slits])
    return HoverFigure(picture, told)


def bar_tooltip(cards: Sequence[Scorecard], panel: MeasurePanel, x: float) -> str:
    """The slits of the bar at a place, the bad ones first; '' where there is none."""
    import numpy as np

    from kpfnb.notebook.display import figures

    found = [
        (value, one.is_bad, f"{card.dataset} {one.slit.name}")
        for card in cards
        for one in card.slits
        if (value := getattr(one.slit, panel.measure)) is not None and value == value
    ]
    values = [value for value, *_ in found]
    # A histogram of the bad and the good has the bars of one of all
    edges = np.histogram_bin_edges(values, BIN_COUNT)
    number = int(np.searchsorted(edges, x, side="right")) - 1
    if not found or not 0 <= number < BIN_COUNT:
        return ""
    low, high = edges[number : number + 2]
    # The last bar has its upper edge in it
    within = [o for o in found if low <= o[0] < high or (number == BIN_COUNT - 1 and o[0] == high)]
    told = [f"{'bad' if is_bad else 'good'}: {name}" for _, is_bad, name in within]
    head = f"{panel.label}: {low:.3g} to {high:.3g}: {len(within)} slits"
    return f"{head}\n{figures.join_names(sorted(told))}" if within else ""


def _histogram_tooltip(
    x: float, _: float, *, cards: Sequence[Scorecard], panel: MeasurePanel
) -> str:
    return bar_tooltip(cards, panel, x)


def _trend_tooltip(found: Sequence[tuple[_TrendPoint, float]]) -> TooltipFunction:
    import numpy as np
    from matplotlib.dates import date2num

    from kpfnb.notebook.display.figures import PointTooltip

    at = np.array([(date2num(one.day), height) for one, height in found], float).reshape(-1, 2)
    return PointTooltip(at, lambda number: found[number][0].tooltip)


def _measure_panels(limits: ScoreLimits) -> list[MeasurePanel]:
    flexure = limits.flex_shift_thresh
    return [
        MeasurePanel("rms", "RMS of the wavelengths (pixels)", (limits.rms_thresh,)),
        MeasurePanel("coverage", "range between lines (%)", (limits.wave_cov_thresh,)),
        MeasurePanel("flexure", "spectral flexure (pixels)", (-flexure, flexure)),
    ]


def _draw_histogram(axes: Axes, cards: Sequence[Scorecard], panel: MeasurePanel) -> None:
    """Good and bad slits in one histogram, on top of each other; limits outside are left out."""
    kinds: dict[bool, list[float]] = {False: [], True: []}
    for one in (one for card in cards for one in card.slits):
        value = getattr(one.slit, panel.measure)
        if value is not None and value == value:
            kinds[one.is_bad].append(value)
    axes.set_xlabel(panel.label)
    axes.set_ylabel("slits")
    if not any(kinds.values()):
        figures.draw_empty_message(axes, f"{panel.label}: not measured")
        return
    labels = [f"good: {len(kinds[False])}", f"bad: {len(kinds[True])}"]
    axes.hist(
        [kinds[False], kinds[True]],
        bins=BIN_COUNT,
        stacked=True,
        color=[GOOD_COLOUR, BAD_COLOUR],
        label=labels,
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
        """In words."""
        rms = f"RMS {self.median_rms:.3f} pixels, " if self.rms else ""
        return f"{self.dataset}\n{rms}{self.bad} of {self.slits} slits bad"


def _draw_trend(upper: Axes, lower: Axes, scores: ScoreResult) -> None:
    import numpy as np

    points = sorted(filter(None, map(_trend_point, scores.cards)))
    measured = [point for point in points if point.rms]
    if measured:
        days = np.array([point.day for point in measured], dtype="datetime64[D]")
        # The middle two thirds of a dataset's slits
        spread = np.array([np.percentile(point.rms, [16, 50, 84]) for point in measured]).T
        ends = [spread[1] - spread[0], spread[2] - spread[1]]
        upper.errorbar(
            days, spread[1], yerr=ends, fmt="o", color=GOOD_COLOUR, ecolor="#888888", ms=4, lw=1,
            label="median of a dataset, and two thirds of its slits",
        )  # fmt: skip
        upper.axhline(
            scores.criteria.default.rms_thresh, color=LIMIT_COLOUR, ls="--", lw=1, label="limit"
        )
        upper.legend(ncols=2, **_LEGEND_ABOVE)
    judged = [point for point in points if point.slits]
    if judged:
        shares = [point.bad_percent for point in judged]
        days = np.array([point.day for point in judged], dtype="datetime64[D]")
        lower.plot(days, shares, "s", color=BAD_COLOUR, ms=5, clip_on=False)
        lower.set_ylim(0, max(shares) * 1.15 or 1)
    if not measured:
        figures.draw_empty_message(
            upper, "RMS: not measured in any dataset with a date in its name"
        )
    if not judged:
        figures.draw_empty_message(lower, "no slits in any dataset with a date in its name")
    upper.set_ylabel("RMS (pixels)")
    lower.set_ylabel("bad slits (%)")
    lower.set_xlabel("date of observation (UT)")
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        axes.grid(color="#dddddd", lw=0.6)
        axes.margins(x=0.06)


def _trend_point(card: Scorecard) -> _TrendPoint | None:
    """A dataset by the date in its name; None where it has none."""
    try:
        day = datasets.parse_dataset(card.dataset).first
    except InvalidInputError:
        return None
    rms = [one.slit.rms for one in card.slits if one.slit.rms is not None]
    slits = sum(row.slit_count for row in card.rows)
    bad = sum(row.bad_slit_count for row in card.rows)
    return _TrendPoint(day, card.dataset, rms, slits, bad)
