"""What is written into one cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core import spreadsheet_cells

RISKY = st.text("=+-@\t\r'1.eE a")


@given(RISKY | st.text())
def test_text_is_read_as_it_was_given(text: str) -> None:
    written = spreadsheet_cells.escape_cell(text)
    assert isinstance(written, str)
    assert spreadsheet_cells.unescape_cell(written) == text.replace("\0", "")


@given(RISKY | st.text())
def test_no_text_is_a_formula(text: str) -> None:
    written = str(spreadsheet_cells.escape_cell(text))
    is_formula = written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not is_formula or math.isfinite(float(written)) or "e" in written.lower()


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("-0.4", "-0.4"),
        ("-0.4+cmd|' /C calc'!A0", "'-0.4+cmd|' /C calc'!A0"),
        (-0.4, -0.4),
        (np.float64(2.5), 2.5),
        (np.int64(3), 3),
        (math.nan, ""),
        (None, ""),
        (True, True),
        ("20240101", "20240101"),
    ],
)
def test_values(given_: object, expected: object) -> None:
    written = spreadsheet_cells.escape_cell(given_)
    assert written == expected
    assert type(written) is type(expected)


@given(st.integers(0, 26 + 26**2 + 26**3 - 1))
def test_letters_name_every_column(index: int) -> None:
    assert spreadsheet_cells.column_index(spreadsheet_cells.column_letters(index)) == index


@pytest.mark.parametrize(("name", "index"), [("A", 0), ("Z", 25), ("AA", 26), ("AZ", 51)])
def test_letters(name: str, index: int) -> None:
    assert spreadsheet_cells.column_index(name) == index
    assert spreadsheet_cells.column_letters(index) == name


@pytest.mark.parametrize("name", ["", "a", "A1", "AAAA", "Ä", "coadd"])
def test_no_letters(name: str) -> None:
    assert spreadsheet_cells.column_index(name) is None


@pytest.mark.parametrize("text", ["-18.2", "-04:15:22.1", "+12:30", "KP.1", "", "2024-01-15"])
def test_numbers_and_angles_are_exported_as_they_are(text: str) -> None:
    assert spreadsheet_cells.escape_csv_text(text) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "-1+1", "@x", "+cmd|' /C calc'!A0", "\t=1", "-04:15:22=1"]
)
def test_no_exported_text_is_a_formula(text: str) -> None:
    assert spreadsheet_cells.escape_csv_text(text) == f"'{text}"
