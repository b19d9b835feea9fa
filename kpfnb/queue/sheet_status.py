"""Items and their statuses, in the columns of a tab as people know them from ADAP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.core import spreadsheet_cells
from kpfnb.core.result import Outcome
from kpfnb.queue.records import QueueItem, QueueItemStatus
from kpfnb.storage.sheets import workbook
from kpfnb.storage.sheets.workbook import SheetChanges, SheetTable, Workbook

if TYPE_CHECKING:
    from kpfnb.queue.client import Queue

DEFAULT_TAB = "WorkQueue"
NAMES, STATUS, WORKER = "dataset", "status", "pod"
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
"""In the order of an item's life: one that moves while the states are read is seen in the later."""
_KNOWN_STATUSES = {WARNING.lower(), *(status.lower() for status in STATUS_TEXTS.values())}
_NAME_TITLES = {"dataset", "datasets", "item", "items", "name"}
MAX_ITEMS = 1_000_000


@dataclass(frozen=True)
class SheetStatus:
    """How an item stands, as a sheet says it."""

    status: str
    worker: str = ""


@dataclass(frozen=True)
class StatusTab:
    """A tab with a row an item. Columns are letters or titles; the worker's is beside the status.

    Attributes
    ----------
    name : the title of the tab
    title : of the column of the status, where it has none
    """

    name: str = DEFAULT_TAB
    status: str = "B"
    names: str = "A"
    title: str = STATUS

    @classmethod
    def parse(cls, text: str = "") -> StatusTab:
        """From `worksheet@COLUMN`, the column being that of the status."""
        tab, column = workbook.split_tab(text)
        return cls(tab or DEFAULT_TAB, column or "B")

    @classmethod
    def for_queue(cls, queue: str, named: str = "") -> StatusTab:
        """That of a queue, where none is named: coadds have one of their own."""
        return cls.parse(named) if named else _QUEUE_TABS.get(queue, cls())

    def unqueued_items(self, table: SheetTable) -> list[str]:
        """The names of the rows without a status, in their order, each once."""
        status = table.column(self.status)
        rows = table.rows_by_name(table.column(self.names), self._first_item_row(table))
        return [name for name, at in rows.items() if not any(table.cell(r, status) for r in at)]

    def missing_items(self, table: SheetTable, standings: Mapping[str, SheetStatus]) -> list[str]:
        """The items that have no row."""
        rows = table.rows_by_name(table.column(self.names), self._first_item_row(table))
        return [name for name in standings if name not in rows]

    def plan_changes(
        self, table: SheetTable, standings: Mapping[str, SheetStatus], *, add: bool = False
    ) -> SheetChanges:
        """What makes the rows of these items say how they stand.

        Parameters
        ----------
        add : append a row for an item that has none
        """
        names, status = table.column(self.names), table.column(self.status)
        rows = table.rows_by_name(names, self._first_item_row(table))
        changed: dict[tuple[int, int], spreadsheet_cells.CellValue] = {}
        if add and not (table.rows and (self._first_item_row(table) == 0 or table.cell(0, status))):
            titles = {names: NAMES, status: self.title, status + 1: WORKER}
            changed |= workbook.changed_cells(table, 0, titles)
        for name, standing in standings.items():
            wanted = {status: standing.status, status + 1: standing.worker}
            for row in rows.get(name, ()):
                changed |= workbook.changed_cells(table, row, wanted)
        new = [
            {names: name, status: standings[name].status, status + 1: standings[name].worker}
            for name in self.missing_items(table, standings)
            if add
        ]
        return SheetChanges(changed, added=tuple(map(workbook.make_row, new)))

    def _first_item_row(self, table: SheetTable) -> int:
        """The first row that is an item: a sheet need not have titles.

        They are titles if one of them is that of names, or where a status would be is another word.
        """
        name = table.cell(0, table.column(self.names)).strip().lower()
        status = table.cell(0, table.column(self.status)).strip().lower()
        return int(name in _NAME_TITLES or bool(status and status not in _KNOWN_STATUSES))


_QUEUE_TABS = {
    "coadd2d": StatusTab("coadd status", "B", title="Coadd 2D"),
    "coadd1d": StatusTab("coadd status", "D", title="Coadd 1D"),
}


def unqueued_items(book: Workbook, tab: StatusTab | None = None) -> list[str]:
    """The items of a sheet that nobody has queued yet: those without a status, the first too.

    tab : by default that of the book's address
    """
    place = tab or StatusTab.parse(book.tab)
    return place.unqueued_items(book.read(place.name))


def item_statuses(queue: Queue) -> dict[str, SheetStatus]:
    """How the items of a queue stand, and who works on each or did last."""
    return {
        item.name: item_status(item)
        for state in STATUS_TEXTS
        for item in queue.items(state, limit=MAX_ITEMS)
    }


def item_status(item: QueueItem) -> SheetStatus:
    """How an item stands; done in part is a warning."""
    outcome: Any = item.result.get("outcome") if isinstance(item.result, dict) else None
    if item.state is QueueItemStatus.DONE and outcome == Outcome.PARTIAL:
        return SheetStatus(WARNING, item.worker)
    return SheetStatus(STATUS_TEXTS[item.state], item.worker)
