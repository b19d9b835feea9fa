"""The pictures that the page of a night draws itself: when what was observed, and velocities.

Shapes for SVG, in its units; they are made of numbers, all text is the template's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from kpfnb.core.settings import Settings
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.nightreport.night_summary import NightExposure, NightSummary, VelocityRow
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.quality import Verdict

# Which pictures of quicklook a reader wants first, small, to be carried in the page itself.

THUMBNAIL_PLOTS = ("SCI2_spectrum", "CCF_grid", "guider_image")
"""Of the best exposure of each target."""

MAX_TARGETS = 4
MAX_FAILED = 4
THUMBNAIL_BYTES = 1_000_000
THUMBNAIL_LEVELS = ("L2", "L1", "2D", "L0")


@dataclass(frozen=True)
class Thumbnail:
    """One picture; `data` is base64 of a JPEG."""

    obsid: str
    level: str
    title: str
    data: str
    note: str = ""


def choose_thumbnails(content: NightSummary, here: Settings) -> list[Thumbnail]:
    """Pictures of the best exposure of each target, then of what fails; within the budget."""
    shots, used = [], 0
    for shot in (*_best_thumbnails(content, here), *_failed_thumbnails(content, here)):
        if used + len(shot.data) <= THUMBNAIL_BYTES:
            shots.append(shot)
            used += len(shot.data)
    return shots


def _best_thumbnails(content: NightSummary, here: Settings) -> Iterator[Thumbnail]:
    best: dict[str, tuple[float, str]] = {}
    for one in content.velocities:
        best[one.target] = max(best.get(one.target, (-1.0, "")), (one.signal or 0.0, one.obsid))
    for target, (_, obsid) in list(best.items())[:MAX_TARGETS]:
        records = _quicklook_records(content.night, obsid, here)
        for face in THUMBNAIL_PLOTS:
            yield from _find_thumbnails(records, face, here, note=target)


def _failed_thumbnails(content: NightSummary, here: Settings) -> Iterator[Thumbnail]:
    """A picture of each of the first exposures in which a check fails."""
    seen = 0
    for one in content.exposures:
        for found in _quicklook_records(content.night, one.obsid, here):
            if found.verdict is Verdict.FAIL and found.pictures and seen < MAX_FAILED:
                checks = [check.name for check in found.checks if check.verdict is Verdict.FAIL]
                note = f"FAIL: {'; '.join(checks) or found.error}"
                yield from _find_thumbnails([found], found.pictures[0].path, here, note=note)
                seen += 1
                break


def _quicklook_records(night: str, obsid: str, here: Settings) -> list[record.QuicklookRecord]:
    folder = here.qlp_path / night / obsid
    found = (
        record.read_record(record.record_path(folder, obsid, level)) for level in THUMBNAIL_LEVELS
    )
    return [one for one in found if one]


def _find_thumbnails(
    records: list[record.QuicklookRecord], face: str, here: Settings, *, note: str
) -> Iterator[Thumbnail]:
    for one in records:
        picture = next((each for each in one.pictures if face in each.path), None)
        if picture:
            folder = here.qlp_path / one.night / one.name
            data = _encode_file(folder / picture.thumbnail)
            if data:
                yield Thumbnail(one.name, one.level, picture.title, data, note)
            return


def _encode_file(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return ""


LEFT, WIDTH, ROW, MIN_MARK_WIDTH = 170, 1000, 24, 2.5
"""Of the timeline: where the time begins and ends, a row's height, the width of an instant."""

PANEL_WIDTH, PANEL_HEIGHT = 300, 150
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 46, 290, 10, 122
MIN_VELOCITIES = 2
"""Velocities of a target that are worth a picture."""
MAX_PANELS = 12


@dataclass(frozen=True)
class TimelineMark:
    """One exposure in the timeline."""

    x: float
    width: float
    obsid: str
    seconds: float


@dataclass(frozen=True)
class TimelineRow:
    """The exposures of one target, or of the calibrations."""

    name: str
    y: int
    marks: tuple[TimelineMark, ...]
    is_science: bool


@dataclass(frozen=True)
class ExposureTimeline:
    """All rows, and where the hours (UT) are."""

    height: int
    rows: tuple[TimelineRow, ...]
    hours: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class VelocityPoint:
    """One velocity: its place and error bar, and what it is."""

    x: float
    y: float
    low: float
    high: float
    obsid: str
    metres: float


@dataclass(frozen=True)
class VelocityPanel:
    """Velocities of one target about their median; `range_metres` is at the top and the bottom."""

    target: str
    points: tuple[VelocityPoint, ...]
    range_metres: float
    scatter: float
    first: str
    last: str


def layout_timeline(exposures: Sequence[NightExposure]) -> ExposureTimeline | None:
    """A row for each target in order of time, the calibrations last; None without exposures."""
    named: dict[tuple[bool, str], list[NightExposure]] = {}
    for one in exposures:
        if not one.problem:
            name = (one.target or "no name") if one.is_science else "calibrations"
            named.setdefault((not one.is_science, name), []).append(one)
    if not named:
        return None
    rows = tuple(
        TimelineRow(name, number * ROW, tuple(map(_layout_mark, some)), not is_calibration)
        for number, ((is_calibration, name), some) in enumerate(
            sorted(named.items(), key=lambda item: item[0][0])
        )
    )
    hours = tuple((hour, _hour_position(hour)) for hour in range(0, 25, 3))
    return ExposureTimeline(len(rows) * ROW, rows, hours)


def layout_panels(velocities: Iterable[VelocityRow]) -> list[VelocityPanel]:
    """A panel for each target that has at least two velocities."""
    named: dict[str, list[VelocityRow]] = {}
    for one in velocities:
        if one.velocity is not None:
            named.setdefault(one.target, []).append(one)
    several = [(target, some) for target, some in named.items() if len(some) >= MIN_VELOCITIES]
    return [_layout_panel(target, some) for target, some in several[:MAX_PANELS]]


def velocity_scatter(velocities: Sequence[float]) -> float | None:
    """The standard deviation of velocities [km/s] in m/s; None of fewer than two."""
    if len(velocities) < MIN_VELOCITIES:
        return None
    mean = sum(velocities) / len(velocities)
    squares = sum((one - mean) ** 2 for one in velocities)
    return 1000 * float((squares / (len(velocities) - 1)) ** 0.5)


def _layout_mark(one: NightExposure) -> TimelineMark:
    begin = _hour_position(_decimal_hour(ObsID(one.obsid).time))
    end = min(begin + one.seconds / 3600 * (WIDTH - LEFT) / 24, WIDTH)
    return TimelineMark(
        round(begin, 1), round(max(end - begin, MIN_MARK_WIDTH), 1), one.obsid, one.seconds
    )


def _layout_panel(target: str, some: Sequence[VelocityRow]) -> VelocityPanel:
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
        VelocityPoint(
            x=round(PANEL_LEFT + 8 + width * (one.time - first).total_seconds() / span, 1),
            y=y(offset),
            low=y(offset - error),
            high=y(offset + error),
            obsid=one.obsid,
            metres=offset,
        )
        for one, offset, error in zip(some, offsets, errors, strict=True)
    )
    found = velocity_scatter([one.velocity for one in some if one.velocity is not None])
    return VelocityPanel(target, points, reach, found or 0.0, f"{first:%H:%M}", f"{last:%H:%M}")


def _hour_position(hour: float) -> float:
    return round(LEFT + hour * (WIDTH - LEFT) / 24, 1)


def _decimal_hour(time: datetime) -> float:
    return time.hour + time.minute / 60 + time.second / 3600
