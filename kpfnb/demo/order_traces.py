"""The order traces of the stand-in DRP as KPF's CSV files, and the mask of all orderlets."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.polynomial import polynomial

from kpfnb.demo.instrument import FULL_SIDE, ORDERLETS, Array

TRACE_WIDTH = 7.5
"""Pixels of a real CCD from the middle of a trace to its edge, in order traces and masks."""

SKY_TRACE_SINCE = "20240203"
"""The first night whose order traces have the SKY trace of the first order."""

TRACE_COLUMNS = (
    "", "Coeff0", "Coeff1", "Coeff2", "Coeff3", "BottomEdge", "TopEdge", "X1", "X2",
)  # fmt: skip
"""The columns of the pipeline's order traces; the first has no name."""


def round_traces(heights: Array) -> Array:
    """The heights as they are read back from order traces: cubic functions of the column."""
    return _evaluate_traces(_fit_traces(heights), heights.shape[1])


def _fit_traces(heights: Array) -> Array:
    coefficients: Array = polynomial.polyfit(np.arange(heights.shape[1]), heights.T, 3).T
    return coefficients


def _evaluate_traces(coefficients: Array, side: int) -> Array:
    heights: Array = polynomial.polyval(np.arange(side), coefficients.T)
    return np.ascontiguousarray(heights)


def format_traces(heights: Array, night: str) -> str:
    """The text of a CSV file: a cubic function of the column and the widths of each row.

    Before February 2024 the files of KPF begin with SCI1 of the first order, and the extraction of
    the pipeline v2.12 expects so: the first SKY trace is left out.
    """
    side = heights.shape[1]
    edge = TRACE_WIDTH * side / FULL_SIDE
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    for row, coefficients in enumerate(_fit_traces(heights)[_left_out(night) :]):
        writer.writerow([row, *map(float, coefficients), edge, edge, 0, side - 1])
    return text.getvalue()


def first_trace(heights: Array) -> list[float]:
    """The coefficients of the first trace, which a CSV file may not have."""
    return list(map(float, _fit_traces(heights)[0]))


def read_traces(path: Path, side: int, first: list[float], night: str) -> Array:
    """The heights of all rows, (rows, side), from a CSV file and the first trace."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    coefficients = [[float(row[f"Coeff{n}"]) for n in range(4)] for row in rows]
    if _left_out(night):
        coefficients.insert(0, first)
    return _evaluate_traces(np.array(coefficients), side)


def _left_out(night: str) -> int:
    return int(night < SKY_TRACE_SINCE)


def order_mask(heights: Array) -> np.ndarray:
    """The number of the orderlet (1 to 5) in its pixels; 0 between them."""
    side = heights.shape[1]
    edge = TRACE_WIDTH * side / FULL_SIDE
    mask = np.zeros((side, side), np.uint8)
    columns = np.arange(side)
    for row, middle in enumerate(heights):
        for y in range(int(np.floor(-edge)), int(np.ceil(edge)) + 1):
            at = np.rint(middle).astype(int) + y
            inside = (np.abs(at - middle) <= edge) & (at >= 0) & (at < side)
            mask[at[inside], columns[inside]] = row % len(ORDERLETS) + 1
    return mask
