from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kpfnb.kpf.timeseries import scheduler
from kpfnb.kpf.timeseries.scheduler import CLOCKS

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
SECONDS = NOW.timestamp()
DONE = {clock.name: SECONDS for clock in CLOCKS}
NIGHTS = ["20231230", "20240115", "20240301"]


def names(finished: dict[str, float], now: float = SECONDS) -> list[str]:
    return [clock.name for clock in scheduler.due_clocks(finished, now)]


def test_at_first_everything_is_due_the_urgent_first() -> None:
    assert names({}) == [clock.name for clock in CLOCKS]
    assert names({})[0] == "today"
    assert scheduler.seconds_until_due({}, SECONDS) == 0


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (0, []),
        (299, []),
        (300, ["today"]),
        (600, ["today", "this month"]),
        (3 * 3600, ["today", "this month", "this year"]),
        (6 * 3600, ["today", "this month", "this year", "all months and years"]),
        (48 * 3600, [clock.name for clock in CLOCKS]),
    ],
)
def test_each_interval_has_its_own_clock(later: float, expected: list[str]) -> None:
    assert names(DONE, SECONDS + later) == expected


def test_the_next_clock_is_waited_for() -> None:
    assert scheduler.seconds_until_due(DONE, SECONDS + 100) == 200


def test_a_clock_put_back_stops_nothing() -> None:
    assert names(DONE, SECONDS - 10) == [clock.name for clock in CLOCKS]


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("today", ["20240301"]),
        ("this month", ["202403"]),
        ("this year", ["2024"]),
        ("all months and years", ["202403", "202401", "202312", "2024", "2023"]),
        ("all days", ["20240301", "20240115", "20231230"]),
        ("decades", ["2020s", "all"]),
    ],
)
def test_the_periods_of_a_clock(clock: str, expected: list[str]) -> None:
    [page_clock] = [candidate for candidate in CLOCKS if candidate.name == clock]
    assert [period.name for period in scheduler.clock_periods(page_clock, NIGHTS, NOW)] == expected
    assert scheduler.clock_periods(page_clock, [], NOW) == []


def test_what_comes_after_midnight_is_drawn_by_the_urgent_clocks() -> None:
    midnight = datetime(2024, 3, 1, 0, 3, tzinfo=UTC)
    nights = ["20240228", "20240229"]
    today, month = (scheduler.clock_periods(clock, nights, midnight) for clock in CLOCKS[:2])
    assert [day.name for day in today] == ["20240229"]
    assert [day.name for day in month] == ["202402"]


def test_a_day_without_data_is_not_drawn() -> None:
    assert scheduler.clock_periods(CLOCKS[0], NIGHTS[:-1], NOW) == []
