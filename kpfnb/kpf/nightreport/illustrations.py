"""The pictures that the page of a night draws itself: when what was observed, and velocities.

Shapes for SVG, in its units; they are made of numbers, all text is the template's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from kpfnb.kpf.nightreport.content import Exposure, Velocity
from kpfnb.kpf.obsid import ObsID

LEFT, WIDTH, ROW, SHORTEST = 170, 1000, 24, 2.5
"""Of the timeline: where the time begins and ends, a row's height, the width of an instant."""

PANEL_WIDTH, PANEL_HEIGHT = 300, 150
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 46, 290, 10, 122
FEWEST = 2
"""Velocities of a target that are worth a picture."""
MOST_PANELS = 12


@dataclass(frozen=True)
class Mark:
    """One exposure in the timeline."""

    x: float
    width: float
    obsid: str
    seconds: float


@dataclass(frozen=True)
class Row:
    """The exposures of one target, or of the calibrations."""

    name: str
    y: int
    marks: tuple[Mark, ...]
    is_science: bool


@dataclass(frozen=True)
class Timeline:
    """All rows, and where the hours (UT) are."""

    height: int
    rows: tuple[Row, ...]
    hours: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Point:
    """One velocity: its place and error bar, and what it is."""

    x: float
    y: float
    low: float
    high: float
    obsid: str
    metres: float


@dataclass(frozen=True)
class Panel:
    """Velocities of one target about their median; `range_metres` is at the top and the bottom."""

    target: str
    points: tuple[Point, ...]
    range_metres: float
    scatter: float
    first: str
    last: str


def timeline(exposures: Sequence[Exposure]) -> Timeline | None:
    """A row for each target in order of time, the calibrations last; None without exposures."""
    named: dict[tuple[bool, str], list[Exposure]] = {}
    for one in exposures:
        if not one.problem:
            name = (one.target or "no name") if one.is_science else "calibrations"
            named.setdefault((not one.is_science, name), []).append(one)
    if not named:
        return None
    rows = tuple(
        Row(name, number * ROW, tuple(map(_mark, some)), not is_calibration)
        for number, ((is_calibration, name), some) in enumerate(
            sorted(named.items(), key=lambda item: item[0][0])
        )
    )
    hours = tuple((hour, _x(hour)) for hour in range(0, 25, 3))
    return Timeline(len(rows) * ROW, rows, hours)


def panels(velocities: Iterable[Velocity]) -> list[Panel]:
    """A panel for each target that has at least two velocities."""
    named: dict[str, list[Velocity]] = {}
    for one in velocities:
        if one.velocity is not None:
            named.setdefault(one.target, []).append(one)
    several = [(target, some) for target, some in named.items() if len(some) >= FEWEST]
    return [_panel(target, some) for target, some in several[:MOST_PANELS]]


def scatter(velocities: Sequence[float]) -> float | None:
    """The standard deviation of velocities [km/s] in m/s; None of fewer than two."""
    if len(velocities) < FEWEST:
        return None
    mean = sum(velocities) / len(velocities)
    squares = sum((one - mean) ** 2 for one in velocities)
    return 1000 * float((squares / (len(velocities) - 1)) ** 0.5)


def _mark(one: Exposure) -> Mark:
    begin = _x(_hour(ObsID(one.obsid).time))
    end = min(begin + one.seconds / 3600 * (WIDTH - LEFT) / 24, WIDTH)
    return Mark(round(begin, 1), round(max(end - begin, SHORTEST), 1), one.obsid, one.seconds)


def _panel(target: str, some: Sequence[Velocity]) -> Panel:
    middle = median(one.velocity for one in some if one.velocity is not None)
    offsets = [1000 * ((one.velocity or 0.0) - middle) for one in some]
    errors = [one.error or 0.0 for one in some]
    reach = max(abs(o) + e for o, e in zip(offsets, errors, strict=True)) or 1.0
    first, last = some[0].time, some[-1].time
    span = (last - first).total_seconds() or 1.0
    width = PANEL_RIGHT - PANEL_LEFT - 16

    def y(metres: float) -> float:
        half = (PANEL_BOTTOM - PANEL_TOP) / 2
        return round(PANEL_TOP + half * (1 - metres / reach), 1)

    points = tuple(
        Point(
            x=round(PANEL_LEFT + 8 + width * (one.time - first).total_seconds() / span, 1),
            y=y(offset),
            low=y(offset - error),
            high=y(offset + error),
            obsid=one.obsid,
            metres=offset,
        )
        for one, offset, error in zip(some, offsets, errors, strict=True)
    )
    found = scatter([one.velocity for one in some if one.velocity is not None])
    return Panel(target, points, reach, found or 0.0, f"{first:%H:%M}", f"{last:%H:%M}")


def _x(hour: float) -> float:
    return round(LEFT + hour * (WIDTH - LEFT) / 24, 1)


def _hour(time: datetime) -> float:
    return time.hour + time.minute / 60 + time.second / 3600
