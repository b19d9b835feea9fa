"""The timeline and the velocities in the report of a night."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kpfnb.kpf.nightreport import illustrations
from kpfnb.kpf.nightreport.night_summary import NightExposure, VelocityRow

NOON, LAST = "KP.20240115.43200.00", "KP.20240115.86399.00"


def velocity(target: str, metres: float | None, hour: int) -> VelocityRow:
    time = datetime(2024, 1, 15, hour, tzinfo=UTC)
    value = None if metres is None else 5 + metres / 1000
    return VelocityRow(f"KP.{hour}", target, time, value, 2.0, 100.0, None, "")


ZONE = ZoneInfo("Pacific/Honolulu")


def test_the_timeline_has_a_row_per_target_and_one_per_kind_of_calibration() -> None:
    exposures = [
        NightExposure("KP.20240115.00000.00", "Bias", seconds=0, kind="Bias"),
        NightExposure("KP.20240115.00100.00", "Arclamp", seconds=9, kind="Etalon"),
        NightExposure("KP.20240115.00200.00", "Flatlamp", seconds=9, kind="Flat"),
        NightExposure(NOON, "Object", "10700", seconds=3600),
        NightExposure(LAST, "Object", "9407", seconds=3600),
        NightExposure("KP.20240115.50000.00", problem="not FITS"),
    ]
    timeline = illustrations.layout_timeline(exposures, ZONE)
    assert timeline
    assert [(hour, local) for hour, local, _ in timeline.hours][:2] == [(0, "14:00"), (3, "17:00")]
    assert [(row.name, row.is_science) for row in timeline.rows] == [
        ("10700", True),
        ("9407", True),
        ("Bias", False),
        ("Flat", False),
        ("Etalon", False),
    ]
    middle = (illustrations.LEFT + illustrations.WIDTH) / 2
    [mark] = timeline.rows[0].marks
    assert mark.x == middle
    assert mark.width == pytest.approx((illustrations.WIDTH - illustrations.LEFT) / 24, abs=0.1)
    assert (
        timeline.rows[1].marks[0].x + timeline.rows[1].marks[0].width
        <= illustrations.WIDTH + illustrations.MIN_MARK_WIDTH
    )
    assert timeline.rows[2].marks[0].width == illustrations.MIN_MARK_WIDTH
    assert illustrations.layout_timeline([NightExposure(NOON, problem="not FITS")], ZONE) is None


def test_a_panel_shows_velocities_relative_to_their_median() -> None:
    rows = [velocity("a", metres, hour) for metres, hour in ((-3, 5), (0, 6), (3, 7), (None, 8))]
    [panel] = illustrations.layout_panels(
        [*rows, velocity("alone", 1, 5), velocity("none", None, 6)]
    )
    assert (panel.target, panel.first, panel.last) == ("a", "05:00", "07:00")
    assert panel.range_metres == pytest.approx(5)
    assert panel.scatter == pytest.approx(3)
    low, middle, high = panel.points
    assert middle.y == (illustrations.PANEL_TOP + illustrations.PANEL_BOTTOM) / 2
    assert low.y > middle.y > high.y
    assert low.low == illustrations.PANEL_BOTTOM
    assert high.high == illustrations.PANEL_TOP
    assert all(
        illustrations.PANEL_LEFT < point.x < illustrations.PANEL_RIGHT for point in panel.points
    )


def test_equal_velocities_without_errors_can_be_drawn() -> None:
    time = datetime(2024, 1, 15, tzinfo=UTC)
    same = [VelocityRow("KP.1", "a", time, 5.0, None, None, None, "")] * 2
    [panel] = illustrations.layout_panels(same)
    assert panel.scatter == 0
    assert illustrations.velocity_scatter([5.0]) is None
