"""Both kinds of workbook, by the same tests."""

from __future__ import annotations

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges, SheetTable, Workbook
from tests.storage.sheets.conftest import Local, Remote

Behind = Local | Remote
ROWS = [["dataset", "status", "pod"], ["A/1/2015", "", ""], ["B/1/2015", "COMPLETE", "w1"]]


def test_a_tab_is_read_as_text(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [["dataset", "status"], [20240101], ["007", "", "x"]])
    table = book.read("WorkQueue")
    assert table.rows == (("dataset", "status", ""), ("20240101", "", ""), ("007", "", "x"))


def test_all_changes_of_a_batch_are_made(book: Workbook, behind: Behind) -> None:
    behind.put("T", [["a", "b"], ["1", "x"], ["2", "y"], ["3", "z"], ["4", ""]])
    changes = SheetChanges({(4, 1): "new", (1, 0): 5}, frozenset({2, 3}), (("6", "end"),))
    assert book.update("T", lambda table: changes) == changes
    assert behind.raw("T") == [["a", "b"], ["5", "x"], ["4", "new"], ["6", "end"]]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-x", "@here", "\tx", "\rx", "'=1", "a,b\r\nc", '"', "é", "20240101"]
)
def test_text_is_read_back_unchanged_and_is_never_a_formula(
    text: str, book: Workbook, behind: Behind
) -> None:
    plan = sheets.replace_rows([{"dataset": text, "note": text}])
    book.update("T", plan, create=True)
    assert book.read("T").rows == (("dataset", "note"), (text, text))
    assert not behind.raw("T")[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not book.update("T", plan), "an escaped name is found again"


def test_numbers_stay_numbers(book: Workbook, behind: Behind) -> None:
    record = {"dataset": "A", "rms": -0.5, "count": 3, "good": True, "none": None, "day": "0815"}
    book.update("T", sheets.replace_rows([record]), create=True)
    assert behind.raw("T")[1] == ["A", "-0.5", "3", "TRUE", "", "0815"]
    if isinstance(behind, Remote):
        cells = behind.server.grid("T").cells
        assert [type(cells.get((1, column))) for column in range(1, 4)] == [float, int, bool]
        assert cells[1, 5] == "0815"


def test_a_tab_that_is_not_there(book: Workbook, behind: Behind) -> None:
    behind.put("Scores", [["dataset"]])
    with pytest.raises(InvalidInputError, match=r"no tab 'WorkQueue'[^$]*its tabs are: Scores"):
        book.read("WorkQueue")
    with pytest.raises(InvalidInputError, match="no tab 'WorkQueue'"):
        book.update("WorkQueue", lambda table: SheetChanges())
    assert book.tabs() == ["Scores"]


def test_a_tab_is_made_where_that_is_wanted(book: Workbook) -> None:
    assert not book.update("0-9", lambda table: SheetChanges(), create=True)
    assert book.tabs() == ["0-9"]
    assert book.read("0-9").rows == ()


def test_a_plan_that_fails_changes_nothing(book: Workbook, behind: Behind) -> None:
    behind.put("T", ROWS)
    with pytest.raises(InvalidInputError, match="no column 'grade'"):
        book.update("T", lambda table: SheetChanges({(0, table.column("grade")): "x"}))
    assert behind.raw("T") == ROWS


def test_a_dataset_is_replaced_and_others_are_left(book: Workbook, behind: Behind) -> None:
    behind.put(
        "latest",
        [
            ["dataset", "file", "status", "my notes"],
            ["A", "f1", "FAILED", "why?"],
            ["B", "f1", "FAILED", "mine"],
            ["A", "f2", "FAILED", ""],
            ["old", "f1", "COMPLETE", ""],
        ],
    )
    plan = sheets.replace_rows(
        [
            {"dataset": "A", "file": "f1", "status": "COMPLETE", "rms": 0.1},
            {"dataset": "A", "file": "f3", "status": "COMPLETE", "rms": 0.2},
        ],
        key=("dataset", "file"),
        drop=lambda row: row["dataset"] == "old",
    )
    assert str(book.update("latest", plan)) == "2 rows changed, 2 rows removed, 1 row added"
    assert behind.raw("latest") == [
        ["dataset", "file", "status", "my notes", "rms"],
        ["A", "f1", "COMPLETE", "why?", "0.1"],
        ["B", "f1", "FAILED", "mine", ""],
        ["A", "f3", "COMPLETE", "", "0.2"],
    ]
    assert not book.update("latest", plan), "the second time nothing changes"


def test_a_text_that_is_too_long_is_refused(book: Workbook) -> None:
    with pytest.raises(InvalidInputError, match="longer than 50000 characters"):
        book.update("T", sheets.replace_rows([{"dataset": "x" * 50_001}]), create=True)


def test_a_table_pads_and_trims() -> None:
    table = SheetTable.from_rows([["a"], ["b", "c"], ["", ""], []])
    assert table.rows == (("a", ""), ("b", "c"))
    assert table.cell(9, 9) == ""


def test_several_tabs_are_one_batch(book: Workbook, behind: Behind) -> None:
    behind.put("T", ROWS)
    plans = {
        "T": lambda table: SheetChanges(removed=frozenset({1})),
        "U": lambda table: SheetChanges(added=(("x",),)),
    }
    changes_by_tab = book.update_many(plans, create=True)
    assert {tab: str(changes) for tab, changes in changes_by_tab.items()} == {
        "T": "1 row removed",
        "U": "1 row added",
    }
    assert behind.raw("T") == [ROWS[0], ROWS[2]]
    assert behind.raw("U") == [["x"]]
    if isinstance(behind, Remote):
        created, changed = behind.server.writes()
        assert created.endswith(":batchUpdate"), "the new tab"
        assert changed.endswith(":batchUpdate"), "everything else"


def test_if_one_plan_fails_no_tab_is_changed(book: Workbook, behind: Behind) -> None:
    behind.put("T", ROWS)
    behind.put("U", ROWS)
    plans = {
        "T": lambda table: SheetChanges(removed=frozenset({1})),
        "U": lambda table: SheetChanges({(0, table.column("grade")): "x"}),
    }
    with pytest.raises(InvalidInputError, match="no column 'grade'"):
        book.update_many(plans)
    assert behind.raw("T") == behind.raw("U") == ROWS
