"""How checks are shown."""

from __future__ import annotations

import pytest

from kpfnb.kpf.quicklook.check_view import SCALE_WIDTH, check_context, describe_distance
from kpfnb.kpf.quicklook.quality import (
    Bounds,
    QualityCheck,
    ValueLimits,
    VerdictLimits,
)


def make(value: float, warn: Bounds, fail: Bounds) -> QualityCheck:
    verdict = VerdictLimits(ValueLimits(*warn), ValueLimits(*fail)).evaluate(value)
    return QualityCheck("c", verdict, value, "K", "", "KEY", warn=warn, fail=fail)


@pytest.mark.parametrize(
    ("value", "warn", "fail", "text"),
    [
        (3.0, (None, 2), (None, 5), "1 K above 2"),
        (1.5, (None, 2), (None, 5), "0.5 K below 2"),
        (2.0, (None, 2), (None, 5), "at the limit"),
        (9.0, (10, 20), (5, 25), "1 K below 10"),
        (100.0, (10, 20), (5, 25), "80 K above 20"),
        (12.0, (10, 20), (5, 25), "2 K above 10"),
        (1.0, (None, None), (None, None), ""),
    ],
)
def test_the_distance_is_that_to_the_nearest_limit(
    value: float, warn: Bounds, fail: Bounds, text: str
) -> None:
    assert describe_distance(make(value, warn, fail)) == text


@pytest.mark.parametrize(
    "value", [-1e9, 0.0, 4.9, 5.0, 7.0, 10.0, 15.0, 20.0, 22.0, 25.0, 26.0, 1e9]
)
@pytest.mark.parametrize(
    ("warn", "fail"),
    [
        ((10.0, 20.0), (5.0, 25.0)), ((None, 20.0), (None, 25.0)), ((10.0, None), (None, None)),
        ((10.0, 20.0), (10.0, 20.0)), ((None, 20.0), (None, None)), ((10.0, None), (5.0, None)),
    ],
)  # fmt: skip
def test_the_mark_stands_in_the_range_of_its_verdict(
    value: float, warn: Bounds, fail: Bounds
) -> None:
    check = make(value, warn, fail)
    context = check_context(check)
    scale = context["scale"]
    assert scale is not None and 0 < scale["x"] < SCALE_WIDTH
    inside = [
        part["style"]
        for part in scale["ranges"]
        if part["x"] - 4.5 <= scale["x"] <= part["x"] + part["width"] + 4.5
    ]
    assert context["badge"]["style"] in inside


def test_a_flag_and_a_record_of_an_earlier_version_have_no_scale() -> None:
    check = QualityCheck("c", make(1, (0, 2), (0, 2)).verdict, 1, "", "1", "NOTJUNK")
    context = check_context(check)
    assert (context["scale"], context["distance"], context["limits"]) == (None, "", "1")
