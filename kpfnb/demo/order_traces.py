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


def format_traces(heights: Array) -> str:
    """The text of a CSV file: a cubic function of the column and the widths of each row."""
    side = heights.shape[1]
    edge = TRACE_WIDTH * side / FULL_SIDE
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    for row, coefficients in enumerate(_fit_traces(heights)):
        writer.writerow([row, *map(float, coefficients), edge, edge, 0, side - 1])
    return text.getvalue()


def read_traces(path: Path, side: int) -> Array:
    """The heights of all rows, (rows, side), from a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    coefficients = np.array([[float(row[f"Coeff{n}"]) for n in range(4)] for row in rows])
    return _evaluate_traces(coefficients, side)


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
