"""Items and their statuses, in the columns of a tab as people know them from ADAP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb import cells
from kpfnb.outcomes import Outcome
from kpfnb.sheets import address, plans
from kpfnb.sheets.table import Book, Changes, Table
from kpfnb.workqueue.records import Item, State

if TYPE_CHECKING:
    from kpfnb.workqueue.queue import Queue

TAB = "WorkQueue"
NAMES, STATUS, WORKER = "dataset", "status", "pod"
"""The titles of the columns in a new tab."""
WARNING = "WARNING"
STATUSES = {
    State.WAITING: "IN QUEUE",
    # It will be tried again
    State.FAILED: "IN QUEUE",
    State.RUNNING: "In Progress",
    State.PARKED: "FAILED",
    State.CANCELLED: "CANCELLED",
    State.DONE: "COMPLETE",
}
"""In the order of an item's life: one that moves while the states are read is seen in the later."""
_KNOWN = {WARNING.lower(), *(status.lower() for status in STATUSES.values())}
_TITLES = {"dataset", "datasets", "item", "items", "name"}
MOST_ITEMS = 1_000_000


@dataclass(frozen=True)
class Standing:
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

    name: str = TAB
    status: str = "B"
    names: str = "A"
    title: str = STATUS

    @classmethod
    def parse(cls, text: str = "") -> StatusTab:
        """From `worksheet@COLUMN`, the column being that of the status."""
        tab, column = address.split_tab(text)
        return cls(tab or TAB, column or "B")

    @classmethod
    def of_queue(cls, queue: str, named: str = "") -> StatusTab:
        """That of a queue, where none is named: coadds have one of their own."""
        return cls.parse(named) if named else _OF_QUEUES.get(queue, cls())

    def blank(self, table: Table) -> list[str]:
        """The names of the rows without a status, in their order, each once."""
        status = table.column(self.status)
        rows = table.rows_of(table.column(self.names), self._first(table))
        return [name for name, at in rows.items() if not any(table.cell(r, status) for r in at)]

    def missing(self, table: Table, standings: Mapping[str, Standing]) -> list[str]:
        """The items that have no row."""
        rows = table.rows_of(table.column(self.names), self._first(table))
        return [name for name in standings if name not in rows]

    def changes(
        self, table: Table, standings: Mapping[str, Standing], *, add: bool = False
    ) -> Changes:
        """What makes the rows of these items say how they stand.

        Parameters
        ----------
        add : append a row for an item that has none
        """
        names, status = table.column(self.names), table.column(self.status)
        rows = table.rows_of(names, self._first(table))
        changed: dict[tuple[int, int], cells.Value] = {}
        if add and not (table.rows and (self._first(table) == 0 or table.cell(0, status))):
            titles = {names: NAMES, status: self.title, status + 1: WORKER}
            changed |= plans.differing(table, 0, titles)
        for name, standing in standings.items():
            wanted = {status: standing.status, status + 1: standing.worker}
            for row in rows.get(name, ()):
                changed |= plans.differing(table, row, wanted)
        new = [
            {names: name, status: standings[name].status, status + 1: standings[name].worker}
            for name in self.missing(table, standings)
            if add
        ]
        return Changes(changed, added=tuple(map(plans.row_of, new)))

    def _first(self, table: Table) -> int:
        """The first row that is an item: a sheet need not have titles.

        They are titles if one of them is that of names, or where a status would be is another word.
        """
        name = table.cell(0, table.column(self.names)).strip().lower()
        status = table.cell(0, table.column(self.status)).strip().lower()
        return int(name in _TITLES or bool(status and status not in _KNOWN))


_OF_QUEUES = {
    "coadd2d": StatusTab("coadd status", "B", title="Coadd 2D"),
    "coadd1d": StatusTab("coadd status", "D", title="Coadd 1D"),
}


def blank_items(book: Book, tab: StatusTab | None = None) -> list[str]:
    """The items of a sheet that nobody has queued yet: those without a status, the first too.

    tab : by default that of the book's address
    """
    place = tab or StatusTab.parse(book.tab)
    return place.blank(book.read(place.name))


def standings(queue: Queue) -> dict[str, Standing]:
    """How the items of a queue stand, and who works on each or did last."""
    return {
        item.name: of_item(item)
        for state in STATUSES
        for item in queue.items(state, limit=MOST_ITEMS)
    }


def of_item(item: Item) -> Standing:
    """How an item stands; done in part is a warning."""
    outcome: Any = item.result.get("outcome") if isinstance(item.result, dict) else None
    if item.state is State.DONE and outcome == Outcome.PARTIAL:
        return Standing(WARNING, item.worker)
    return Standing(STATUSES[item.state], item.worker)
