"""The status of queue items in a sheet: the columns and words that people know from ADAP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.core.result import Outcome
from kpfnb.core.spreadsheet_cells import CellValue
from kpfnb.queue.records import QueueItem, QueueItemStatus
from kpfnb.storage.sheets.workbook import (
    SheetChanges,
    SheetTable,
    Workbook,
    changed_cells,
    make_row,
    split_tab,
)

if TYPE_CHECKING:
    from kpfnb.queue.client import Queue

DEFAULT_TAB = "WorkQueue"
NAME_TITLE, STATUS_TITLE, WORKER_TITLE = "dataset", "status", "pod"
"""The titles of the columns in a new tab."""
WARNING = "WARNING"
STATUS_TEXTS = {
    QueueItemStatus.WAITING: "IN QUEUE",
    # It will be tried again
    QueueItemStatus.FAILED: "IN QUEUE",
    QueueItemStatus.RUNNING: "In Progress",
    QueueItemStatus.PARKED: "FAILED",
    QueueItemStatus.CANCELLED: "CANCELLED",
    QueueItemStatus.DONE: "COMPLETE",
}
"""In the order of an item's life: one that changes in between is seen in its later state."""
_KNOWN_STATUSES = {WARNING.lower(), *(text.lower() for text in STATUS_TEXTS.values())}
_NAME_TITLES = {"dataset", "datasets", "item", "items", "name"}
MAX_ITEMS = 1_000_000


@dataclass(frozen=True)
class SheetStatus:
    """The status of an item as a sheet shows it, and its worker."""

    status: str
    worker: str = ""


@dataclass(frozen=True)
class StatusTab:
    """A tab with one row per item. The worker's column is the one beside the status.

    Attributes
    ----------
    name : the title of the tab
    status, names : columns of statuses and of item names, by letters or titles
    title : title of the status column, if it has none
    """

    name: str = DEFAULT_TAB
    status: str = "B"
    names: str = "A"
    title: str = STATUS_TITLE

    @classmethod
    def parse(cls, text: str = "") -> StatusTab:
        """From `worksheet@COLUMN`; the column holds the statuses."""
        tab, column = split_tab(text)
        return cls(tab or DEFAULT_TAB, column or "B")

    @classmethod
    def for_queue(cls, queue: str, tab: str = "") -> StatusTab:
        """The tab of a queue: the named one, or by default WorkQueue, or the coadds' own tab."""
        return cls.parse(tab) if tab else _QUEUE_TABS.get(queue, cls())

    def unqueued_items(self, table: SheetTable) -> list[str]:
        """The names of the rows without a status, each once, in their order."""
        status = table.column(self.status)
        rows = table.rows_by_name(table.column(self.names), self._first_item_row(table))
        return [
            name
            for name, indices in rows.items()
            if not any(table.cell(row, status) for row in indices)
        ]

    def missing_items(self, table: SheetTable, statuses: Mapping[str, SheetStatus]) -> list[str]:
        """The items that have no row."""
        rows = table.rows_by_name(table.column(self.names), self._first_item_row(table))
        return [name for name in statuses if name not in rows]

    def plan_changes(
        self, table: SheetTable, statuses: Mapping[str, SheetStatus], *, add: bool = False
    ) -> SheetChanges:
        """The changes that write these statuses into the rows of their items.

        Parameters
        ----------
        add : append a row for an item that has none
        """
        names, status = table.column(self.names), table.column(self.status)
        first_row = self._first_item_row(table)
        rows = table.rows_by_name(names, first_row)
        cells: dict[tuple[int, int], CellValue] = {}
        if add and not (table.rows and (first_row == 0 or table.cell(0, status))):
            titles = {names: NAME_TITLE, status: self.title, status + 1: WORKER_TITLE}
            cells |= changed_cells(table, 0, titles)
        for name, item in statuses.items():
            for row in rows.get(name, ()):
                cells |= changed_cells(table, row, {status: item.status, status + 1: item.worker})
        new_rows = [
            make_row({names: name, status: item.status, status + 1: item.worker})
            for name, item in statuses.items()
            if add and name not in rows
        ]
        return SheetChanges(cells, added=tuple(new_rows))

    def _first_item_row(self, table: SheetTable) -> int:
        """The first row that is an item: a sheet need not have titles.

        The first row holds titles if its name is a known title, or its status is another word.
        """
        name = table.cell(0, table.column(self.names)).strip().lower()
        status = table.cell(0, table.column(self.status)).strip().lower()
        return int(name in _NAME_TITLES or bool(status and status not in _KNOWN_STATUSES))


_QUEUE_TABS = {
    "coadd2d": StatusTab("coadd status", "B", title="Coadd 2D"),
    "coadd1d": StatusTab("coadd status", "D", title="Coadd 1D"),
}


def unqueued_items(book: Workbook, tab: StatusTab | None = None) -> list[str]:
    """The items of a sheet that nobody has queued yet: those without a status, in their order.

    tab : by default the one in the workbook's address
    """
    status_tab = tab or StatusTab.parse(book.tab)
    return status_tab.unqueued_items(book.read(status_tab.name))


def item_statuses(queue: Queue) -> dict[str, SheetStatus]:
    """The status of each item of a queue, and who works on it or did last."""
    return {
        item.name: item_status(item)
        for state in STATUS_TEXTS
        for item in queue.items(state, limit=MAX_ITEMS)
    }


def item_status(item: QueueItem) -> SheetStatus:
    """The status of one item; one that is done in part is a warning."""
    outcome: Any = item.result.get("outcome") if isinstance(item.result, dict) else None
    if item.state is QueueItemStatus.DONE and outcome == Outcome.PARTIAL:
        return SheetStatus(WARNING, item.worker)
    return SheetStatus(STATUS_TEXTS[item.state], item.worker)
