"""The tab of a sheet that shows the statuses of items."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kpfnb.queue import sheet_status
from kpfnb.queue.records import QueueItem, QueueItemStatus
from kpfnb.queue.sheet_mirror import SheetMirror
from kpfnb.queue.sheet_status import SheetStatus, StatusTab, unqueued_items
from kpfnb.storage.sheets import Workbook
from tests.storage.sheets.conftest import Local, Remote

Behind = Local | Remote
ROWS = [["dataset", "status", "pod"], ["A/1/2015", "", ""], ["B/1/2015", "COMPLETE", "w1"]]


def test_columns_beyond_z(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [["A/1/2015"]])
    tab = StatusTab.parse("WorkQueue@AB")
    SheetMirror(book, tab).update({"A/1/2015": SheetStatus("COMPLETE", "w")})
    assert book.read("WorkQueue").rows == (("A/1/2015", *[""] * 26, "COMPLETE", "w"),)
    assert unqueued_items(book, tab) == []


def test_unqueued_items_are_those_without_a_status(book: Workbook, behind: Behind) -> None:
    behind.put("WorkQueue", [*ROWS, ["C"], ["", "x"], [" A/1/2015 "], ["D", "IN QUEUE"], ["C"]])
    assert unqueued_items(book) == ["A/1/2015", "C"]


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
def test_the_first_row_is_an_item_unless_it_holds_titles(
    first: list[str], expected: list[str], book: Workbook, behind: Behind
) -> None:
    behind.put("WorkQueue", [first, ["B", ""]])
    assert unqueued_items(book) == expected


def test_a_column_is_named_by_its_title_too(book: Workbook, behind: Behind) -> None:
    behind.put("coadd status", [["dataset", "Coadd 2D", "pod", "Coadd 1D"], ["A", "COMPLETE"]])
    assert unqueued_items(book, StatusTab.parse("coadd status@coadd 1d")) == ["A"]
    assert unqueued_items(book, StatusTab.parse("coadd status@B")) == []


def test_every_state_has_a_text() -> None:
    assert set(sheet_status.STATUS_TEXTS) == set(QueueItemStatus)
    assert "" not in sheet_status.STATUS_TEXTS.values(), (
        "an item with a blank status would be loaded again"
    )


@pytest.mark.parametrize(
    ("state", "result", "status"),
    [
        (QueueItemStatus.DONE, None, "COMPLETE"),
        (QueueItemStatus.DONE, {"outcome": "partial"}, "WARNING"),
        (QueueItemStatus.DONE, ["partial"], "COMPLETE"),
        (QueueItemStatus.PARKED, {"outcome": "partial"}, "FAILED"),
        (QueueItemStatus.FAILED, None, "IN QUEUE"),
    ],
)
def test_statuses(state: QueueItemStatus, result: object, status: str) -> None:
    item = QueueItem("A", state, worker="w1", since=datetime.now(UTC), result=result)
    assert sheet_status.item_status(item) == SheetStatus(status, "w1")
