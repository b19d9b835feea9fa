"""Measures of L2 files: cross-correlation functions (CCF) and velocities.

The DRP writes 0 for a velocity that it could not measure: 0 is no velocity.
"""

from __future__ import annotations

import math

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures.measured import NOT_IN_FILE, Measured, join_names
from kpfnb.kpf.quicklook.quality import Verdict

RV = "RV"
CCDS = {"GREEN": 1, "RED": 2}
"""Camera to the digit of its keywords CCD1RV, CCD2RV in the header of the table RV."""

METRES = 1000
"""The files have km/s; checks have m/s."""


def measure_velocity_error(content: FitsContent, camera: str) -> Measured:
    """Stated error of the velocity of one CCD [m/s]; a FAIL if there is no velocity."""
    if RV not in content.headers:
        return NOT_IN_FILE
    names = (f"CCD{CCDS[camera]}RV", f"CCD{CCDS[camera]}ERV")
    faults = [fault for name in names if (fault := _find_fault(content, name))]
    if faults:
        return Measured(None, "no velocity: " + ", ".join(faults), Verdict.FAIL)
    error = content.number(names[1], RV)
    assert error is not None
    return Measured(METRES * error)


def measure_velocity_disagreement(content: FitsContent) -> Measured:
    """Difference between the velocities of both CCDs, in units of its stated error."""
    names = [f"CCD{number}{kind}" for kind in ("RV", "ERV") for number in CCDS.values()]
    faults = [fault for name in names if (fault := _find_fault(content, name))]
    if faults:
        return Measured(None, "needs both velocities: " + ", ".join(faults))
    green, red, *errors = (content.number(name, RV) or 0.0 for name in names)
    return Measured(abs(green - red) / math.hypot(*errors))


def _find_fault(content: FitsContent, name: str) -> str:
    """Why a velocity or its error is none; '' if it is one."""
    value = content.number(name, RV)
    if value is None:
        written = content.headers.get(RV, {}).get(name)
        return f"{name} is missing" if written is None else f"{name} is {written!r}"
    is_usable = math.isfinite(value) and (value > 0 if "ERV" in name else value != 0)
    return "" if is_usable else f"{name} is {value:g}"


def count_empty_orders(content: FitsContent) -> Measured:
    """Number of orders without a velocity of SCI."""
    table = content.tables.get(RV, {})
    if not {RV, "RV error"} <= set(table):
        return Measured(None, "no velocities by order in the file", Verdict.FAIL)
    velocities, errors = (np.asarray(table[name], float) for name in (RV, "RV error"))
    is_empty = ~(errors > 0) | ~np.isfinite(velocities) | (velocities == 0)
    orders = [str(order) for order in np.flatnonzero(is_empty)]
    return Measured(float(len(orders)), "orders " + join_names(orders) if orders else "")


def count_missing_ccfs(content: FitsContent, camera: str) -> Measured:
    """How many of a camera's two sets of CCFs, as computed and weighted, are not in the file."""
    names = (f"{camera}_CCF", f"{camera}_CCF_RW")
    missing = [name for name in names if name not in content.images]
    return (
        NOT_IN_FILE if len(missing) == len(names) else Measured(len(missing), join_names(missing))
    )
