"""A good night of files with headers only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.demo.header_only_night import DEFAULT_COUNTS, HeaderOnlyNight, NightFault, write_night

NIGHT = "20240110"
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}
"""Cards of a header: small, since only their values matter here."""


@pytest.fixture
def make_night(isolated: Path) -> Callable[..., HeaderOnlyNight]:
    """Writes a night (NIGHT by default) with faults."""

    def make(*faults: NightFault, night: str = NIGHT) -> HeaderOnlyNight:
        return write_night(isolated / "data", night, DEFAULT_COUNTS, *faults, sizes=SMALL)

    return make
