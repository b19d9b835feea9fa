"""UTC times and their text forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from kpfnb.core.clock import file_stamp, format_utc, parse_utc, utc_now

NOON = datetime(2024, 1, 15, 12, 0, 3, 987_654, UTC)
IN_HAWAII = NOON.astimezone(timezone(timedelta(hours=-10)))


@pytest.mark.parametrize("moment", [NOON, IN_HAWAII, NOON.replace(tzinfo=None), NOON.timestamp()])
def test_a_time_of_any_zone_is_written_in_utc(moment: datetime | float) -> None:
    assert format_utc(moment) == "2024-01-15T12:00:03Z"
    assert format_utc(moment, milliseconds=True) == "2024-01-15T12:00:03.987Z"
    assert file_stamp(moment) == "20240115T120003Z"


def test_without_a_time_it_is_now() -> None:
    before = utc_now().replace(microsecond=0)
    assert before <= parse_utc(format_utc()) <= utc_now()
    assert re.fullmatch(r"\d{8}T\d{6}Z", file_stamp())


@pytest.mark.parametrize(
    "text", ["2024-01-15T12:00:03Z", "2024-01-15T02:00:03-10:00", "2024-01-15T12:00:03"]
)
def test_a_text_of_any_zone_is_read_as_utc(text: str) -> None:
    moment = parse_utc(text)
    assert moment == NOON.replace(microsecond=0)
    assert moment.tzinfo is UTC
