from __future__ import annotations

import math

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE
from kpfnb.kpf.quicklook.quality import Verdict

HEADER = {"CCD1RV": 1.0, "CCD2RV": 1.05, "CCD1ERV": 0.003, "CCD2ERV": 0.004}


def with_header(**changes: float | str | None) -> FitsContent:
    return FitsContent(headers={"RV": {**HEADER, **changes}})


def test_velocities_and_their_errors() -> None:
    content = with_header()
    assert MEASURES["velocity_disagreement"](content).value == pytest.approx(10)
    assert MEASURES["velocity_error_green"](content).value == pytest.approx(3)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"CCD1RV": 0.0}, "CCD1RV is 0"),
        ({"CCD1ERV": 0.0}, "CCD1ERV is 0"),
        ({"CCD1ERV": -1.0}, "CCD1ERV is -1"),
        ({"CCD1RV": math.nan}, "CCD1RV is nan"),
        ({"CCD1RV": None}, "CCD1RV is missing"),
        ({"CCD1RV": "nan"}, "CCD1RV is 'nan'"),
        ({"CCD1ERV": True}, "CCD1ERV is True"),
        ({"CCD1RV": 0.0, "CCD1ERV": 0.0}, "CCD1RV is 0, CCD1ERV is 0"),
    ],
)
def test_no_velocity_is_a_failure_with_its_reason(changes: dict, fault: str) -> None:
    content = with_header(**changes)
    measured = MEASURES["velocity_error_green"](content)
    assert measured == (None, f"no velocity: {fault}", Verdict.FAIL)
    difference = MEASURES["velocity_disagreement"](content)
    assert difference == (None, f"needs both velocities: {fault}", Verdict.NOT_JUDGED)
    assert MEASURES["velocity_error_red"](content).value == pytest.approx(4)


def test_a_file_without_the_table_has_no_velocities() -> None:
    assert MEASURES["velocity_error_green"](FitsContent()) is NOT_IN_FILE
    assert MEASURES["empty_orders"](FitsContent()).verdict is Verdict.FAIL


def test_orders_without_a_velocity_are_named() -> None:
    table = {"RV": np.array([1.0, 0, 1, np.nan]), "RV error": np.array([0.1, 0.1, 0, 0.1])}
    content = FitsContent(tables={"RV": table})
    assert MEASURES["empty_orders"](content)[:2] == (3, "orders 1, 2, 3")


def test_missing_ccfs_are_named() -> None:
    content = FitsContent(images={"GREEN_CCF": np.ones((5, 35, 8))})
    assert MEASURES["missing_ccfs_green"](content)[:2] == (1, "GREEN_CCF_RW")
    assert MEASURES["missing_ccfs_red"](content) is NOT_IN_FILE
