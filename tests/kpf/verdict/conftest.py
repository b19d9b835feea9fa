"""A night of headers that is good, and the place where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.demo.header_only_night import DEFAULT_COUNTS, HeaderOnlyNight, NightFault, write_night

NIGHT = "20240110"
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}
"""Cards of a header: the tests are about what is in them."""


@pytest.fixture
def planted(isolated: Path) -> Callable[..., HeaderOnlyNight]:
    """Plants a night, NIGHT if no other is named, with faults."""

    def make(*faults: NightFault, night: str = NIGHT) -> HeaderOnlyNight:
        return write_night(isolated / "data", night, DEFAULT_COUNTS, *faults, sizes=SMALL)

    return make
