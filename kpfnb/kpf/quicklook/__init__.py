"""Quicklook: pictures, checks and pages of every file, soon after it is there.

    result = quicklook.run("20240115", levels=["L0"])
    quicklook.make(["/data/kpf/L1/20240115/KP.20240115.12345.67_L1.fits"])

The products lie in `<QLP>/<date>/<ObsID>/<kind>/`; look at `<QLP>/<date>/index.html` first.
"""

from __future__ import annotations

from kpfnb.kpf.quicklook.making import Age, find, make, run
from kpfnb.kpf.quicklook.result import Fate, Item, Quicklook

__all__ = ["Age", "Fate", "Item", "Quicklook", "find", "make", "run"]
