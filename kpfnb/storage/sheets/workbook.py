"""A tab as it was read, the changes to be made in it, and what all kinds of books can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kpfnb.core import spreadsheet_cells
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.spreadsheet_cells import CellValue

# Addresses of sheets: `spreadsheet/worksheet@COLUMN`, with `key=...` for a key.

_URL = re.compile(
    r"https://docs\.google\.com/spreadsheets/d/([\w-]+)(?:/(?:edit|view)?[?#].*|/\w*)?"
)
_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class SheetAddress:
    """Where a sheet is.

    Attributes
    ----------
    title, key : of the spreadsheet; one of them is ''
    tab : `worksheet@COLUMN`, `worksheet` or ''
    """

    title: str = ""
    key: str = ""
    tab: str = ""

    @property
    def name(self) -> str:
        """The spreadsheet, as people call it."""
        return self.title or f"key={self.key}"


def parse_address(text: str) -> SheetAddress:
    """`ScoreResult`, `Scores/WorkQueue@B`, `key=1aBc/WorkQueue@AB`, or a spreadsheet's web address."""
    if found := _URL.fullmatch(text):
        return SheetAddress(key=found[1])
    book, _, tab = text.partition("/")
    is_key = book.startswith("key=")
    name = book.removeprefix("key=").strip()
    if not name or (is_key and not _KEY.fullmatch(name)) or '"' in name or "\\" in name:
        raise InvalidParameterError(
            f"sheet {text!r} is no address of a spreadsheet",
            "write it as SPREADSHEET/WORKSHEET@COLUMN or key=KEY/WORKSHEET@COLUMN",
        )
    return SheetAddress(key=name, tab=tab) if is_key else SheetAddress(title=name, tab=tab)


def split_tab(text: str) -> tuple[str, str]:
    """The worksheet and the column of `worksheet@COLUMN`; either may be ''."""
    tab, _, column = text.partition("@")
    return tab.strip(), column.strip()


@dataclass(frozen=True)
class SheetTable:
    """The rows of a tab, the first included, as text; all are of the same width.

    Attributes
    ----------
    place : the book and the tab, for messages
    """

    rows: tuple[tuple[str, ...], ...] = ()
    place: str = "the sheet"

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[str]], place: str = "the sheet") -> SheetTable:
        """From rows of any length; what `cells.value` did is undone, empty last rows are left."""
        kept = [[spreadsheet_cells.unescape_cell(text) for text in row] for row in rows]
        while kept and not any(kept[-1]):
            kept.pop()
        width = max(map(len, kept), default=0)
        return cls(tuple((*row, *[""] * (width - len(row))) for row in kept), place)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.rows[0]) if self.rows else 0

    def column(self, name: str) -> int:
        """The index of a column by its title (in the first row, in any case) or its letters."""
        titles = [title.strip().lower() for title in self.rows[0]] if self.rows else []
        if name.strip().lower() in titles:
            return titles.index(name.strip().lower())
        found = spreadsheet_cells.column_index(name)
        if found is None:
            known = ", ".join(filter(None, self.rows[0])) if self.rows else "none"
            raise InvalidInputError(
                f"{self.place} has no column {name!r}",
                f"name it by letters, as B or AB, or by its title; titles are: {known}",
            )
        return found

    def cell(self, row: int, column: int) -> str:
        """The text of a cell; '' outside the table."""
        in_table = row < len(self.rows) and column < self.width
        return self.rows[row][column] if in_table else ""

    def rows_by_name(self, column: int, start: int = 0) -> dict[str, list[int]]:
        """The indices of the rows by their name in a column; a name may stand there twice."""
        found: dict[str, list[int]] = {}
        for row in range(start, len(self.rows)):
            if name := self.cell(row, column).strip():
                found.setdefault(name, []).append(row)
        return found


@dataclass(frozen=True)
class SheetChanges:
    """What is to be done to a table, all of it or nothing; indices are those before it.

    Attributes
    ----------
    cells : new values by row and column
    removed : rows that go
    added : rows to come after the last one
    """

    cells: Mapping[tuple[int, int], CellValue] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: tuple[tuple[CellValue, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.cells or self.removed or self.added)

    def __str__(self) -> str:
        told = {"changed": len({row for row, _ in self.cells}), "removed": len(self.removed)}
        told["added"] = len(self.added)
        parts = [f"{count} rows {what}" for what, count in told.items() if count]
        return ", ".join(parts) or "nothing changed"


ChangePlan = Callable[[SheetTable], SheetChanges]
"""What is to be changed, by what is there. It may be asked again, after trouble on the way."""


class Workbook(Protocol):
    """A spreadsheet with its tabs. Every call may raise `InvalidInputError` or `ServiceUnavailableError`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def tab(self) -> str:
        """The tab and column that its address names, as `WorkQueue@B`, or ''."""

    def tabs(self) -> list[str]:
        """The titles of its tabs."""

    def read(self, tab: str) -> SheetTable:
        """A tab as it is now."""

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Read a tab, let `plan` decide what is to be changed, and change that in one batch.

        Parameters
        ----------
        create : make the tab, empty, where there is none
        """

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """`revise` for several tabs by their plans, all of it in one batch; the changes by tab."""


def missing_tab_error(book: str, tab: str, known: Iterable[str]) -> InvalidInputError:
    """The error for a tab that is not there."""
    return InvalidInputError(
        f"{book} has no tab {tab!r}", f"its tabs are: {', '.join(known) or 'none'}"
    )


# Plans for rows with titles: each finds its rows by name, and touches only what differs.

SheetRecord = Mapping[str, Any]


def replace_rows(
    records: Sequence[SheetRecord],
    *,
    key: Sequence[str] = ("dataset",),
    drop: Callable[[Mapping[str, str]], bool] | None = None,
) -> ChangePlan:
    """A plan: these records are all that the tab says of their datasets; other rows stay.

    A row with the same key as a record is overwritten where it stands, columns that no record
    has (notes of people) are kept. Rows of those datasets without a record go, records without a
    row come at the end. Missing titles are added to the first row.

    Parameters
    ----------
    records : by column title
    key : the titles that tell rows apart, that of the dataset first
    drop : rows for which it is true go too; it is given their texts by title
    """
    titles = list(dict.fromkeys(title for record in records for title in record))

    def plan(table: SheetTable) -> SheetChanges:
        places, changed = _locate_columns(table, titles)
        wanted = {_row_key(record, key): record for record in records}
        groups = {name[0] for name in wanted}
        removed = set()
        for row in range(1, len(table.rows)):
            texts = {title: table.cell(row, column) for title, column in places.items()}
            name = _row_key(texts, key)
            if name in wanted:
                record = wanted.pop(name)
                changed |= changed_cells(table, row, {places[one]: record[one] for one in record})
            elif name[0] in groups or (drop and drop(texts)):
                removed.add(row)
        added = [
            make_row({places[one]: record[one] for one in record}) for record in wanted.values()
        ]
        return SheetChanges(changed, frozenset(removed), tuple(added))

    return plan


def changed_cells(
    table: SheetTable, row: int, wanted: Mapping[int, Any]
) -> dict[tuple[int, int], CellValue]:
    """The cells of a row that are not yet as wanted."""
    written = {column: spreadsheet_cells.escape_cell(one) for column, one in wanted.items()}
    return {
        (row, column): one
        for column, one in written.items()
        if spreadsheet_cells.unescape_cell(spreadsheet_cells.display_text(one))
        != table.cell(row, column)
    }


def make_row(values: Mapping[int, Any]) -> tuple[CellValue, ...]:
    """A new row from its values by column."""
    return tuple(
        spreadsheet_cells.escape_cell(values.get(column))
        for column in range(max(values, default=-1) + 1)
    )


def _locate_columns(
    table: SheetTable, titles: Sequence[str]
) -> tuple[dict[str, int], dict[tuple[int, int], CellValue]]:
    """The columns of all titles, and the titles that are to be written for it."""
    there = list(table.rows[0]) if table.rows else []
    while there and not there[-1]:
        there.pop()
    new = [title for title in titles if title not in there]
    places = {title: column for column, title in enumerate(there) if title}
    places |= {title: len(there) + number for number, title in enumerate(new)}
    return places, {(0, places[title]): spreadsheet_cells.escape_cell(title) for title in new}


def _row_key(record: SheetRecord, key: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        spreadsheet_cells.display_text(spreadsheet_cells.escape_cell(record.get(title))).strip()
        for title in key
    )
