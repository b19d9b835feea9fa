"""The local workbook, whose files people and other processes write too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges


def test_the_default_is_in_the_work_directory(isolated: Path) -> None:
    book = sheets.open_workbook()
    assert book.name == str(isolated / "work/workbook")
    assert book.tabs() == []
    assert not (isolated / "work").exists(), "reading creates nothing"


def test_a_file_that_excel_has_saved(tmp_path: Path) -> None:
    (tmp_path / "T.csv").write_bytes(b"\xef\xbb\xbfdataset,status\r\nA,\r\n")
    book = sheets.open_workbook(tmp_path)
    assert book.read("T").column("dataset") == 0
    book.update("T", lambda table: SheetChanges({(1, 1): "COMPLETE"}))
    assert (tmp_path / "T.csv").read_bytes() == b"dataset,status\r\nA,COMPLETE\r\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dataset;status\r\nA;\r\n", "separated by semicolons"),
        (b"\xff\xfe", "can't read"),
        (b'"a"b,c\n', "can't read"),
    ],
)
def test_a_file_that_is_not_csv(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "T.csv").write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        sheets.open_workbook(tmp_path).update("T", lambda table: SheetChanges({(0, 0): "x"}))
    assert (tmp_path / "T.csv").read_bytes() == content


@pytest.mark.parametrize("tab", ["", "../T", ".hidden", "a/b"])
def test_invalid_names_of_tabs(tab: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not a valid name of a tab"):
        sheets.open_workbook(tmp_path).read(tab)


def test_writers_side_by_side_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        plan = sheets.replace_rows([{"dataset": f"D{number}"}])
        sheets.open_workbook(tmp_path).update("T", plan, create=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    names = {row[0] for row in sheets.open_workbook(tmp_path).read("T").rows[1:]}
    assert names == {f"D{number}" for number in range(12)}


def test_a_formula_of_a_person_is_left_alone(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "T.csv", "dataset,total\nA,=SUM(B2:B9)\n")
    sheets.open_workbook(tmp_path).update("T", lambda table: SheetChanges({(1, 0): "B"}))
    assert (tmp_path / "T.csv").read_text() == "dataset,total\nB,=SUM(B2:B9)\n"
