"""What both kinds of books do, by the same tests."""

from __future__ import annotations

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges, SheetTable, StatusTab
from kpfnb.storage.sheets.workbook import Workbook
from tests.storage.sheets.conftest import Local, Remote

Behind = Local | Remote
ROWS = [["dataset", "status", "pod"], ["A/1/2015", "", ""], ["B/1/2015", "COMPLETE", "w1"]]


def test_a_tab_is_read_as_text(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [["dataset", "status"], [20240101], ["007", "", "x"]])
    table = book.read("WorkQueue")
    assert table.rows == (("dataset", "status", ""), ("20240101", "", ""), ("007", "", "x"))


def test_all_of_a_batch_is_done(book: Workbook, behind: Behind) -> None:
    behind.put("T", [["a", "b"], ["1", "x"], ["2", "y"], ["3", "z"], ["4", ""]])
    changes = SheetChanges({(4, 1): "new", (1, 0): 5}, frozenset({2, 3}), (("6", "end"),))
    assert book.update("T", lambda table: changes) == changes
    assert behind.raw("T") == [["a", "b"], ["5", "x"], ["4", "new"], ["6", "end"]]


def test_columns_beyond_z(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [["A/1/2015"]])
    tab = StatusTab.parse("WorkQueue@AB")
    sheets.SheetMirror(book, tab).update({"A/1/2015": sheets.SheetStatus("COMPLETE", "w")})
    assert book.read("WorkQueue").rows == (("A/1/2015", *[""] * 26, "COMPLETE", "w"),)
    assert sheets.unqueued_items(book, tab) == []


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-x", "@here", "\tx", "\rx", "'=1", "a,b\r\nc", '"', "é", "20240101"]
)
def test_text_comes_back_as_it_was_and_is_no_formula(
    text: str, book: Workbook, behind: Behind
) -> None:
    plan = sheets.replace_rows([{"dataset": text, "note": text}])
    book.update("T", plan, create=True)
    assert book.read("T").rows == (("dataset", "note"), (text, text))
    assert not behind.raw("T")[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not book.update("T", plan), "a name that was neutralised is found again"


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
    assert str(book.update("latest", plan)) == "2 rows changed, 2 rows removed, 1 rows added"
    assert behind.raw("latest") == [
        ["dataset", "file", "status", "my notes", "rms"],
        ["A", "f1", "COMPLETE", "why?", "0.1"],
        ["B", "f1", "FAILED", "mine", ""],
        ["A", "f3", "COMPLETE", "", "0.2"],
    ]
    assert not book.update("latest", plan), "once is enough"


def test_what_is_too_long_is_refused(book: Workbook) -> None:
    with pytest.raises(InvalidInputError, match="longer than 50000 characters"):
        book.update("T", sheets.replace_rows([{"dataset": "x" * 50_001}]), create=True)


def test_blank_items_are_those_without_a_status(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [*ROWS, ["C"], ["", "x"], [" A/1/2015 "], ["D", "IN QUEUE"], ["C"]])
    assert sheets.unqueued_items(book) == ["A/1/2015", "C"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (["A", ""], ["A", "B"]),
        (["A", "COMPLETE"], ["B"]),
        (["A", "in progress"], ["B"]),
        (["Dataset", ""], ["B"]),
        (["mask", "how far"], ["B"]),
    ],
)
def test_the_first_row_is_an_item_where_it_is_no_title(
    first: list[str], expected: list[str], book: Workbook, behind: Behind
) -> None:
    behind.put("WorkQueue", [first, ["B", ""]])
    assert sheets.unqueued_items(book) == expected


def test_a_column_is_named_by_its_title_too(book: Workbook, behind: Behind) -> None:
    behind.put("coadd status", [["dataset", "Coadd 2D", "pod", "Coadd 1D"], ["A", "COMPLETE"]])
    assert sheets.unqueued_items(book, StatusTab.parse("coadd status@coadd 1d")) == ["A"]
    assert sheets.unqueued_items(book, StatusTab.parse("coadd status@B")) == []


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
    done = book.update_many(plans, create=True)
    assert {tab: str(changes) for tab, changes in done.items()} == {
        "T": "1 rows removed",
        "U": "1 rows added",
    }
    assert behind.raw("T") == [ROWS[0], ROWS[2]]
    assert behind.raw("U") == [["x"]]
    if isinstance(behind, Remote):
        made, changed = behind.server.writes()
        assert made.endswith(":batchUpdate"), "the new tab"
        assert changed.endswith(":batchUpdate"), "everything else"


def test_where_one_plan_fails_no_tab_is_changed(book: Workbook, behind: Behind) -> None:
    behind.put("T", ROWS)
    behind.put("U", ROWS)
    plans = {
        "T": lambda table: SheetChanges(removed=frozenset({1})),
        "U": lambda table: SheetChanges({(0, table.column("grade")): "x"}),
    }
    with pytest.raises(InvalidInputError, match="no column 'grade'"):
        book.update_many(plans)
    assert behind.raw("T") == behind.raw("U") == ROWS
