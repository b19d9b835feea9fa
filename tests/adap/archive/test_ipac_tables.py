from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpfnb.adap.archive import ipac_tables
from kpfnb.core.errors import InvalidInputError

COLUMNS = ["file", "text", "number", "count"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=100)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "file": st.text("spec1d_/.-", min_size=1, max_size=300),
            "text": TEXTS | st.none(),
            "number": st.floats() | st.none(),
            "count": st.integers() | st.none(),
        }
    ),
    max_size=6,
)
quietly = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


def back(text: str, folder: Path) -> list[dict[str, Any]]:
    (folder / "table.dat").write_text(text, encoding="utf-8")
    return ipac_tables.read_table(folder / "table.dat")


@quietly
@given(rows=ROWS, seed=st.integers(0, 9))
def test_rows_with_any_text_are_read_back_unchanged(
    rows: list[dict[str, Any]], seed: int, tmp_path: Path
) -> None:
    text = ipac_tables.format_table(rows, COLUMNS, {})
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    assert ipac_tables.format_table(shuffled, COLUMNS, {}) == text, (
        "the same rows give the same bytes"
    )
    result = back(text, tmp_path)
    assert sorted(row["file"] for row in result) == sorted(row["file"] for row in rows)
    numbers = [row["number"] for row in rows if row["number"] is not None]
    finite = sorted(number for number in numbers if math.isfinite(number))
    assert sorted(r["number"] for r in result if r["number"] is not None) == finite
    assert len({len(line.split("|")) for line in text.splitlines()[:4]}) == 1


def test_names_are_not_cut(tmp_path: Path) -> None:
    """They were, at 64 and at 22 characters."""
    names = [f"{'mask' * 20}/{'c' * 100}/2011-01-02/{'s' * 200}.fits", "short.fits"]
    rows = [{"file": name, "text": "DE.20110402.20600.fits.of.a.very.long.name"} for name in names]
    result = back(ipac_tables.format_table(rows, COLUMNS, {}), tmp_path)
    assert [row["file"] for row in result] == names
    assert {row["text"] for row in result} == {"DE.20110402.20600.fits.of.a.very.long.name"}


def test_a_value_can_not_end_its_line_or_column(tmp_path: Path) -> None:
    rows = [{"file": "a", "text": "x\n b y\t\x07|"}, {"file": "b", "text": "|"}]
    assert [
        (r["file"], r["text"]) for r in back(ipac_tables.format_table(rows, COLUMNS, {}), tmp_path)
    ] == [
        ("a", "x b y ?|"),
        ("b", "|"),
    ]


def test_nulls_booleans_and_rounding(tmp_path: Path) -> None:
    rows = [{"file": "a", "text": True, "number": 1.23456}, {"file": "b", "number": math.nan}]
    assert back(ipac_tables.format_table(rows, COLUMNS, {"number": 2}), tmp_path) == [
        {"file": "a", "text": "True", "number": 1.23, "count": None},
        {"file": "b", "text": None, "number": None, "count": None},
    ]


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    text = ipac_tables.format_table([], COLUMNS, {})
    assert [name.strip() for name in text.splitlines()[0].strip("|").split("|")] == COLUMNS
    assert back(text, tmp_path) == []


def test_a_file_that_is_not_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"table\.dat is not an IPAC table"):
        back("no table\n", tmp_path)


@quietly
@given(text=st.text("|\\ab1.e- \n\x00é", max_size=120))
def test_any_file_is_read_or_named_in_the_error(text: str, tmp_path: Path) -> None:
    whole = ipac_tables.format_table([{"file": "a.fits", "count": 1}], COLUMNS, {})
    for damaged in (text, whole + text, whole[: len(text)] + text):
        try:
            back(damaged, tmp_path)
        except InvalidInputError as error:
            assert error.what.startswith("table.dat is not an IPAC table")
