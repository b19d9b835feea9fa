from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.quicklook.selection import parse_range


@pytest.mark.parametrize(
    ("start", "end", "within", "outside"),
    [
        ("20240115", "20240116", ["20240115.00000.00", "20240116.86399.99"], ["20240117.00000.00"]),
        ("20240115", "", ["20240115.86399.99"], ["20240114.86399.99", "20240116.00000.00"]),
        ("20240115.12345", "20240115", ["20240115.12345.00"], ["20240115.12344.99"]),
        ("20240115.12345.67", "20240115.17", ["20240115.17999.99"], ["20240115.18000.00"]),
        ("20240115.12345.67", "20240115.12345.67", ["20240115.12345.67"], ["20240115.12345.68"]),
        ("KP.20240115", "20240115.5", ["20240115.59999.99"], ["20240115.60000.00"]),
    ],
)
def test_both_ends_are_included_in_full(
    start: str, end: str, within: list[str], outside: list[str]
) -> None:
    moments = parse_range(start, end)
    assert not moments.newest_first
    assert [moment in moments for moment in within + outside] == [True] * len(within) + [
        False
    ] * len(outside)


def test_an_end_before_the_start_reverses_the_order() -> None:
    moments = parse_range("20240117", "20240115.5")
    assert moments.newest_first
    assert "20240117.86399.99" in moments
    assert "20240115.49999.99" not in moments
    assert [night for night in ("20240114", "20240116", "20240118") if moments.overlaps(night)] == [
        "20240116"
    ]


@pytest.mark.parametrize(
    "text",
    ["", "2024", "20241301", "20240115.", "20240115.123456", "20240115.17.5", "x", "٢٠٢٤٠١١٥"],
)
def test_an_invalid_bound_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="start"):
        parse_range(text)


@given(
    st.lists(st.integers(0, 86_399_99), min_size=3, max_size=3).map(
        lambda numbers: [f"20240115.{n // 100:05d}.{n % 100:02d}" for n in numbers]
    )
)
def test_a_moment_between_the_bounds_is_within(bounds: list[str]) -> None:
    start, end, moment = bounds
    assert (moment in parse_range(start, end)) == (min(start, end) <= moment <= max(start, end))
