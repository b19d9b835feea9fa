"""The values of a row of a panel, and what each is, for the mouse in JupyterLab."""

from __future__ import annotations

import numpy as np

from kpfnb.hovering import Points
from kpfnb.kpf.tsdb.plots import curves
from kpfnb.kpf.tsdb.plots.data import View
from kpfnb.kpf.tsdb.plots.panel import Row


def told(view: View, row: Row) -> Points:
    """ObsID, keyword and value of each point of a row's curves."""
    found = curves.curves(view, row)
    known = [np.flatnonzero(np.isfinite(curve.values)) for curve in found]
    # Which curve and which observation each point is of
    of = np.concatenate([np.full(one.size, number) for number, one in enumerate(known)])
    rows = np.concatenate(known)
    values = np.concatenate([curve.values[one] for curve, one in zip(found, known, strict=True)])

    def text(one: int) -> str:
        value = f"{found[of[one]].label}: {curves.number(values[one])} {row.unit}"
        return f"{view.obsids[rows[one]]}\n{value}".rstrip()

    return Points(np.column_stack([view.times[rows], values]), text)
