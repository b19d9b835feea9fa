"""Sizes, durations, counts and hints for people."""

from __future__ import annotations

import pytest

from kpfnb.core.text import format_count, format_duration, format_size, suggest_name


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (870, "870 bytes"), (12_345, "12.3 kB"), (1.39e9, "1.39 GB")],
)
def test_size(size: float, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_count() -> None:
    assert [format_count(number, "night") for number in (0, 1, 2)] == [
        "0 nights",
        "1 night",
        "2 nights",
    ]
    assert format_count(2, "entry", "entries") == "2 entries"


def test_an_unknown_name_gets_the_most_similar_or_all() -> None:
    assert suggest_name("stat", ["start", "end"]) == "did you mean start?"
    assert suggest_name("zzz", ["start", "end"]) == "known: start, end"
    assert suggest_name("zzz", []) == "known: none"
