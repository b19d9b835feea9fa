"""A night of headers that is good, and the place where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.demo.headernight import COUNTS, Fault, HeaderNight, plant

NIGHT = "20240110"
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}
"""Cards of a header: the tests are about what is in them."""


@pytest.fixture
def planted(isolated: Path) -> Callable[..., HeaderNight]:
    """Plants a night, NIGHT if no other is named, with faults."""

    def make(*faults: Fault, night: str = NIGHT) -> HeaderNight:
        return plant(isolated / "data", night, COUNTS, *faults, sizes=SMALL)

    return make
