from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.timeseries import period
from kpfnb.kpf.timeseries.period import CALENDAR, PeriodInterval

nights = st.dates(date(2020, 1, 1), date(2039, 12, 31)).map(lambda day: day.strftime("%Y%m%d"))
NIGHTS = ["20231230", "20240115", "20240116", "20240301"]


@given(nights, st.sampled_from(CALENDAR))
def test_a_night_is_in_its_period(night: str, interval: PeriodInterval) -> None:
    containing = period.period_containing(interval, night)
    assert containing.covers(night)
    assert period.period_containing(interval, containing.first) == containing
    assert period.period_containing(interval, containing.last) == containing
    assert all(
        parent.covers(containing.first) and parent.covers(containing.last)
        for parent in containing.parents()
    )


@pytest.mark.parametrize(
    ("interval", "path", "title", "last"),
    [
        ("day", "day/20240229", "Night 20240229", "20240229"),
        ("month", "month/202402", "February 2024", "20240229"),
        ("year", "year/2024", "2024", "20241231"),
        ("decade", "decade/2020s", "The 2020s", "20291231"),
    ],
)
def test_names_of_periods(interval: str, path: str, title: str, last: str) -> None:
    leap_day_period = period.period_containing(PeriodInterval(interval), "20240229")
    assert (leap_day_period.path, leap_day_period.title, leap_day_period.last) == (
        path,
        title,
        last,
    )


@pytest.mark.parametrize(
    ("interval", "start", "end", "names"),
    [
        ("day", "", "", ["20240301"]),
        ("day", "20240115", "", ["20240115"]),
        ("day", "20240116", "20231230", ["20231230", "20240115", "20240116"]),
        ("month", "20240110", "20240320", ["202401", "202403"]),
        ("year", "20230101", "20240101", ["2023", "2024"]),
        ("year", "20210101", "", ["2021"]),
        ("decade", "", "", ["2020s"]),
        ("all", "", "", ["all"]),
        ("all", "20240110", "20240215", ["20240110-20240215"]),
    ],
)
def test_requested_periods(interval: str, start: str, end: str, names: list[str]) -> None:
    periods = period.requested_periods(PeriodInterval(interval), start, end, NIGHTS)
    assert [requested.name for requested in periods] == names


@pytest.mark.parametrize(
    ("start", "end", "nights"),
    [("2024011", "", NIGHTS), ("", "20240101", NIGHTS), ("", "", []), ("20240231", "", NIGHTS)],
)
def test_invalid_requests(start: str, end: str, nights: list[str]) -> None:
    with pytest.raises(InvalidParameterError):
        period.requested_periods(PeriodInterval.DAY, start, end, nights)


def test_the_future_is_not_a_gap() -> None:
    day = period.period_containing(PeriodInterval.DAY, "20240115")
    noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    assert day.span(noon).until == noon
    assert day.span(datetime(2025, 1, 1, tzinfo=UTC)).until == datetime(2024, 1, 16, tzinfo=UTC)
