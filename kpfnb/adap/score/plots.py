"""Pictures of scorecards: how slits are spread about their limits, and the trend by date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from kpfnb import pictures
from kpfnb.adap import dataset as datasets
from kpfnb.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kpfnb.adap.scoring.scorecard import Scorecard
    from kpfnb.adap.scoring.scorelimits import Limits
    from kpfnb.adap.scoring.scores import Scores
    from kpfnb.hovering import Hovered, Told

GOOD, BAD, LIMIT = "#0072B2", "#D55E00", "#333333"
"""Okabe and Ito's colours, told apart by all eyes; limits are told by their dashes too."""
BINS = 30
_ABOVE: dict[str, Any] = {
    "loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0.2,
    "fontsize": "small", "frameon": False,
}  # fmt: skip
"""Above its axes a legend hides nothing."""


class Panel(NamedTuple):
    """One measure of the slits, and where its limits are."""

    measure: str
    label: str
    limits: tuple[float, ...]


def overview(scores: Scores) -> Figure:
    """Histograms of RMS, coverage and flexure, and below them the trend by date of observation."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10.5, 7.2), layout="constrained")
    if not scores.cards:
        pictures.nothing(picture.add_subplot(), "nothing was scored")
        return picture
    grid = picture.add_gridspec(3, 3, height_ratios=[1.3, 1, 1])
    for column, panel in enumerate(_panels(scores.criteria.default)):
        _histogram(picture.add_subplot(grid[0, column]), scores.cards, panel)
    upper = picture.add_subplot(grid[1, :])
    lower = picture.add_subplot(grid[2, :], sharex=upper)
    _trend(upper, lower, scores)
    return picture


def hovered(scores: Scores) -> Hovered:
    """The picture; over a bar its slits, over a point its dataset."""
    from kpfnb.hovering import Hovered, area

    picture = overview(scores)
    if not scores.cards:
        return Hovered(picture)
    panels = _panels(scores.criteria.default)
    told: dict[Axes, Told] = {
        axes: area(partial(_bar, cards=scores.cards, panel=panel))
        for axes, panel in zip(picture.axes, panels, strict=False)
    }
    upper, lower = picture.axes[len(panels) :]
    points = sorted(filter(None, map(_point, scores.cards)))
    told[upper] = _near([(one, one.middle) for one in points if one.rms])
    told[lower] = _near([(one, one.share) for one in points if one.slits])
    return Hovered(picture, told)


def about(cards: Sequence[Scorecard], panel: Panel, x: float) -> str:
    """The slits of the bar at a place, the bad ones first; '' where there is none."""
    import numpy as np

    from kpfnb import hovering

    found = [
        (value, one.is_bad, f"{card.dataset} {one.slit.name}")
        for card in cards
        for one in card.slits
        if (value := getattr(one.slit, panel.measure)) is not None and value == value
    ]
    values = [value for value, *_ in found]
    # A histogram of the bad and the good has the bars of one of all
    edges = np.histogram_bin_edges(values, BINS)
    number = int(np.searchsorted(edges, x, side="right")) - 1
    if not found or not 0 <= number < BINS:
        return ""
    low, high = edges[number : number + 2]
    # The last bar has its upper edge in it
    within = [o for o in found if low <= o[0] < high or (number == BINS - 1 and o[0] == high)]
    told = [f"{'bad' if is_bad else 'good'}: {name}" for _, is_bad, name in within]
    head = f"{panel.label}: {low:.3g} to {high:.3g}: {len(within)} slits"
    return f"{head}\n{hovering.names(sorted(told))}" if within else ""


def _bar(x: float, _: float, *, cards: Sequence[Scorecard], panel: Panel) -> str:
    return about(cards, panel, x)


def _near(found: Sequence[tuple[_Point, float]]) -> Told:
    import numpy as np
    from matplotlib.dates import date2num

    from kpfnb.hovering import Points

    at = np.array([(date2num(one.day), height) for one, height in found], float).reshape(-1, 2)
    return Points(at, lambda number: found[number][0].told)


def _panels(limits: Limits) -> list[Panel]:
    flexure = limits.flex_shift_thresh
    return [
        Panel("rms", "RMS of the wavelengths (pixels)", (limits.rms_thresh,)),
        Panel("coverage", "range between lines (%)", (limits.wave_cov_thresh,)),
        Panel("flexure", "spectral flexure (pixels)", (-flexure, flexure)),
    ]


def _histogram(axes: Axes, cards: Sequence[Scorecard], panel: Panel) -> None:
    """Good and bad slits in one histogram, on top of each other; limits outside are left out."""
    kinds: dict[bool, list[float]] = {False: [], True: []}
    for one in (one for card in cards for one in card.slits):
        value = getattr(one.slit, panel.measure)
        if value is not None and value == value:
            kinds[one.is_bad].append(value)
    axes.set_xlabel(panel.label)
    axes.set_ylabel("slits")
    if not any(kinds.values()):
        pictures.nothing(axes, f"{panel.label}: not measured")
        return
    labels = [f"good: {len(kinds[False])}", f"bad: {len(kinds[True])}"]
    axes.hist(
        [kinds[False], kinds[True]],
        bins=BINS,
        stacked=True,
        color=[GOOD, BAD],
        label=labels,
        hatch=["", "//"],
        edgecolor="white",
        linewidth=0.3,
    )
    low, high = axes.get_xlim()
    for limit in panel.limits:
        if low <= limit <= high:
            axes.axvline(limit, color=LIMIT, ls="--", lw=1)
    axes.legend(ncols=2, **_ABOVE)


class _Point(NamedTuple):
    """One dataset in the trend."""

    day: date
    dataset: str
    rms: list[float]
    slits: int
    bad: int

    @property
    def middle(self) -> float:
        """The median of the RMS, pixels."""
        return median(self.rms)

    @property
    def share(self) -> float:
        """Bad slits, percent."""
        return 100 * self.bad / self.slits

    @property
    def told(self) -> str:
        """In words."""
        rms = f"RMS {self.middle:.3f} pixels, " if self.rms else ""
        return f"{self.dataset}\n{rms}{self.bad} of {self.slits} slits bad"


def _trend(upper: Axes, lower: Axes, scores: Scores) -> None:
    import numpy as np

    points = sorted(filter(None, map(_point, scores.cards)))
    measured = [point for point in points if point.rms]
    if measured:
        days = np.array([point.day for point in measured], dtype="datetime64[D]")
        # The middle two thirds of a dataset's slits
        spread = np.array([np.percentile(point.rms, [16, 50, 84]) for point in measured]).T
        ends = [spread[1] - spread[0], spread[2] - spread[1]]
        upper.errorbar(
            days, spread[1], yerr=ends, fmt="o", color=GOOD, ecolor="#888888", ms=4, lw=1,
            label="median of a dataset, and two thirds of its slits",
        )  # fmt: skip
        upper.axhline(scores.criteria.default.rms_thresh, color=LIMIT, ls="--", lw=1, label="limit")
        upper.legend(ncols=2, **_ABOVE)
    judged = [point for point in points if point.slits]
    if judged:
        shares = [point.share for point in judged]
        days = np.array([point.day for point in judged], dtype="datetime64[D]")
        lower.plot(days, shares, "s", color=BAD, ms=5, clip_on=False)
        lower.set_ylim(0, max(shares) * 1.15 or 1)
    if not measured:
        pictures.nothing(upper, "RMS: not measured in any dataset with a date in its name")
    if not judged:
        pictures.nothing(lower, "no slits in any dataset with a date in its name")
    upper.set_ylabel("RMS (pixels)")
    lower.set_ylabel("bad slits (%)")
    lower.set_xlabel("date of observation (UT)")
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        axes.grid(color="#dddddd", lw=0.6)
        axes.margins(x=0.06)


def _point(card: Scorecard) -> _Point | None:
    """A dataset by the date in its name; None where it has none."""
    try:
        day = datasets.parse(card.dataset).first
    except BadInput:
        return None
    rms = [one.slit.rms for one in card.slits if one.slit.rms is not None]
    slits = sum(row.slit_count for row in card.rows)
    bad = sum(row.bad_slit_count for row in card.rows)
    return _Point(day, card.dataset, rms, slits, bad)
