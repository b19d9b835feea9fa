"""A small simulated night for tests: a few observations of every kind, made once and copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from kpfnb.demo.night import DEMO_NIGHT, SimulatedNight, simulate_night

COUNTS = {"bias": 2, "dark": 1, "flat": 2, "lfc": 2, "etalon": 1, "thar": 1, "star": 3, "sun": 1}
"""13 observations; with the junk one, 14."""


def small_night(root: Path) -> SimulatedNight:
    """Simulate a small night below a data root: 80 MB, a copy after the first time."""
    shutil.copytree(_made_once(), root, dirs_exist_ok=True)
    return simulate_night(root, DEMO_NIGHT, counts=COUNTS)


@cache
def _made_once() -> Path:
    root = Path(tempfile.mkdtemp(prefix="kpfnb-night-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    simulate_night(root, DEMO_NIGHT, counts=COUNTS)
    return root
