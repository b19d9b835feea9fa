"""The illustrations in a night's report: SVG shapes of timeline and velocities, thumbnails.

The SVG shapes consist of numbers in the units of the drawing; the template writes all text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from statistics import median, stdev
from zoneinfo import ZoneInfo

from kpfnb.kpf.files.exposure import SOURCE_TYPES
from kpfnb.kpf.nightreport.night_summary import NightExposure, NightSummary, VelocityRow
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.quicklook.record import QuicklookRecord, read_record, record_path

LEFT, WIDTH, ROW, MIN_MARK_WIDTH = 170, 1000, 24, 2.5
"""The timeline: x of 0 h and 24 h, the height of a row, the width of a very short exposure."""

PANEL_WIDTH, PANEL_HEIGHT = 300, 150
PANEL_LEFT, PANEL_RIGHT, PANEL_TOP, PANEL_BOTTOM = 46, 290, 10, 122
MIN_VELOCITIES = 2
"""A target needs this number of velocities for a panel."""
MAX_PANELS = 12

THUMBNAIL_PLOTS = ("SCI2_spectrum", "CCF_grid", "guider_image")
"""Plots of the best exposure of each target."""

MAX_TARGETS = 4
MAX_FAILED = 4
THUMBNAIL_BYTES = 1_000_000
"""The total size of all thumbnails in a report, encoded."""

THUMBNAIL_LEVELS = ("L2", "L1", "2D", "L0")


@dataclass(frozen=True)
class TimelineMark:
    """One exposure in the timeline."""

    x: float
    width: float
    obsid: str
    seconds: float


@dataclass(frozen=True)
class TimelineRow:
    """The exposures of one target, or the calibrations of one kind."""

    name: str
    y: int
    marks: tuple[TimelineMark, ...]
    is_science: bool


@dataclass(frozen=True)
class ExposureTimeline:
    """All rows, and the hours: UT, the local time, and x."""

    height: int
    rows: tuple[TimelineRow, ...]
    hours: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True)
class VelocityPoint:
    """One velocity: its position, its error bar, and its offset from the median in m/s."""

    x: float
    y: float
    low: float
    high: float
    obsid: str
    metres: float


@dataclass(frozen=True)
class VelocityPanel:
    """The velocities of a target relative to their median; the y axis is ± `range_metres`."""

    target: str
    points: tuple[VelocityPoint, ...]
    range_metres: float
    scatter: float
    first: str
    last: str


@dataclass(frozen=True)
class Thumbnail:
    """A small quicklook plot; `data` is a JPEG in base64."""

    obsid: str
    level: str
    title: str
    data: str
    note: str = ""


def layout_timeline(exposures: Sequence[NightExposure], zone: ZoneInfo) -> ExposureTimeline | None:
    """A row per target in the order of time, then one per kind of calibration; None if empty."""
    by_target: dict[str, list[NightExposure]] = {}
    by_kind: dict[str, list[NightExposure]] = {}
    for exposure in exposures:
        if exposure.problem:
            continue
        if exposure.is_science:
            by_target.setdefault(exposure.target or "no name", []).append(exposure)
        else:
            by_kind.setdefault(exposure.kind or exposure.imtype or "Other", []).append(exposure)
    groups = [(name, group, True) for name, group in by_target.items()]
    groups += [(name, by_kind[name], False) for name in sorted(by_kind, key=_kind_order)]
    if not groups:
        return None
    midnight = datetime.combine(exposures[0].start, time(), UTC)
    rows = tuple(
        TimelineRow(name, number * ROW, tuple(map(_layout_mark, group)), is_science)
        for number, (name, group, is_science) in enumerate(groups)
    )
    hours = tuple(
        (
            hour,
            f"{(midnight + timedelta(hours=hour)).astimezone(zone):%H:%M}",
            _hour_position(hour),
        )
        for hour in range(0, 25, 3)
    )
    return ExposureTimeline(len(rows) * ROW, rows, hours)


def _kind_order(kind: str) -> int:
    return SOURCE_TYPES.index(kind) if kind in SOURCE_TYPES else len(SOURCE_TYPES)


def layout_panels(velocities: Iterable[VelocityRow]) -> list[VelocityPanel]:
    """A panel for each target with at least `MIN_VELOCITIES` velocities."""
    by_target: dict[str, list[VelocityRow]] = {}
    for row in velocities:
        if row.velocity is not None:
            by_target.setdefault(row.target, []).append(row)
    panels = [
        _layout_panel(target, rows)
        for target, rows in by_target.items()
        if len(rows) >= MIN_VELOCITIES
    ]
    return panels[:MAX_PANELS]


def velocity_scatter(velocities: Sequence[float]) -> float | None:
    """The standard deviation in m/s of velocities in km/s; None for fewer than two."""
    return 1000 * stdev(velocities) if len(velocities) >= MIN_VELOCITIES else None


def _layout_mark(exposure: NightExposure) -> TimelineMark:
    begin = _hour_position(_decimal_hour(exposure.start))
    end = min(begin + exposure.seconds / 3600 * (WIDTH - LEFT) / 24, WIDTH)
    width = max(end - begin, MIN_MARK_WIDTH)
    return TimelineMark(round(begin, 1), round(width, 1), exposure.obsid, exposure.seconds)


def _layout_panel(target: str, rows: Sequence[VelocityRow]) -> VelocityPanel:
    velocities = [row.velocity or 0.0 for row in rows]
    middle = median(velocities)
    offsets = [1000 * (velocity - middle) for velocity in velocities]
    errors = [row.error or 0.0 for row in rows]
    limit = max(abs(offset) + error for offset, error in zip(offsets, errors, strict=True)) or 1.0
    first, last = rows[0].time, rows[-1].time
    duration = (last - first).total_seconds() or 1.0
    width = PANEL_RIGHT - PANEL_LEFT - 16

    def y_position(metres: float) -> float:
        half = (PANEL_BOTTOM - PANEL_TOP) / 2
        return round(PANEL_TOP + half * (1 - metres / limit), 1)

    points = tuple(
        VelocityPoint(
            x=round(PANEL_LEFT + 8 + width * (row.time - first).total_seconds() / duration, 1),
            y=y_position(offset),
            low=y_position(offset - error),
            high=y_position(offset + error),
            obsid=row.obsid,
            metres=offset,
        )
        for row, offset, error in zip(rows, offsets, errors, strict=True)
    )
    scatter = velocity_scatter(velocities) or 0.0
    return VelocityPanel(target, points, limit, scatter, f"{first:%H:%M}", f"{last:%H:%M}")


def _hour_position(hour: float) -> float:
    return round(LEFT + hour * (WIDTH - LEFT) / 24, 1)


def _decimal_hour(time: datetime) -> float:
    return time.hour + time.minute / 60 + time.second / 3600


def choose_thumbnails(summary: NightSummary, qlp_path: Path) -> list[Thumbnail]:
    """Plots of the best exposure of each target, then of failed checks; within the size limit."""
    thumbnails, bytes_used = [], 0
    for thumbnail in (*_best_thumbnails(summary, qlp_path), *_failed_thumbnails(summary, qlp_path)):
        if bytes_used + len(thumbnail.data) <= THUMBNAIL_BYTES:
            thumbnails.append(thumbnail)
            bytes_used += len(thumbnail.data)
    return thumbnails


def _best_thumbnails(summary: NightSummary, qlp_path: Path) -> Iterator[Thumbnail]:
    best: dict[str, tuple[float, str]] = {}
    for row in summary.velocities:
        best[row.target] = max(best.get(row.target, (-1.0, "")), (row.signal or 0.0, row.obsid))
    for target, (_, obsid) in list(best.items())[:MAX_TARGETS]:
        records = _quicklook_records(summary.night, obsid, qlp_path)
        for plot in THUMBNAIL_PLOTS:
            yield from _find_thumbnail(records, plot, qlp_path, note=target)


def _failed_thumbnails(summary: NightSummary, qlp_path: Path) -> Iterator[Thumbnail]:
    """The first plot of each of the first exposures in which a check fails."""
    count = 0
    for exposure in summary.exposures:
        for record in _quicklook_records(summary.night, exposure.obsid, qlp_path):
            if record.verdict is Verdict.FAIL and record.pictures and count < MAX_FAILED:
                checks = [check.name for check in record.checks if check.verdict is Verdict.FAIL]
                note = f"FAIL: {'; '.join(checks) or record.error}"
                yield from _find_thumbnail([record], record.pictures[0].path, qlp_path, note=note)
                count += 1
                break


def _quicklook_records(night: str, obsid: str, qlp_path: Path) -> list[QuicklookRecord]:
    product_dir = qlp_path / night / obsid
    records = (read_record(record_path(product_dir, obsid, level)) for level in THUMBNAIL_LEVELS)
    return [record for record in records if record]


def _find_thumbnail(
    records: list[QuicklookRecord], plot: str, qlp_path: Path, *, note: str
) -> Iterator[Thumbnail]:
    """The thumbnail of the first record with that plot, if its file can be read."""
    for record in records:
        picture = next((picture for picture in record.pictures if plot in picture.path), None)
        if picture:
            data = _encode_file(qlp_path / record.night / record.name / picture.thumbnail)
            if data:
                yield Thumbnail(record.name, record.level, picture.title, data, note)
            return


def _encode_file(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return ""
