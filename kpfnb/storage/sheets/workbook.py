"""Workbooks: their addresses, the table of a tab, changes to it, and plans that make changes.

`Workbook` is the interface that a Google spreadsheet and a local workbook share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.spreadsheet_cells import (
    CellValue,
    column_index,
    display_text,
    escape_cell,
    unescape_cell,
)
from kpfnb.core.text import format_count

_URL = re.compile(
    r"https://docs\.google\.com/spreadsheets/d/([\w-]+)(?:/(?:edit|view)?[?#].*|/\w*)?"
)
_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class SheetAddress:
    """The address of a sheet.
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
        """The spreadsheet's title or key, as people write it."""
        return self.title or f"key={self.key}"


def parse_address(text: str) -> SheetAddress:
    """Parse `Scores`, `Scores/WorkQueue@B`, `key=1aBc/WorkQueue@AB`, or a web address."""
    if match := _URL.fullmatch(text):
        return SheetAddress(key=match[1])
    book, _, tab = text.partition("/")
    is_key = book.startswith("key=")
    name = book.removeprefix("key=").strip()
    if not name or (is_key and not _KEY.fullmatch(name)) or '"' in name or "\\" in name:
        raise InvalidParameterError(
            f"sheet {text!r} is not the address of a spreadsheet",
            "write it as SPREADSHEET/WORKSHEET@COLUMN or key=KEY/WORKSHEET@COLUMN",
        )
    return SheetAddress(key=name, tab=tab) if is_key else SheetAddress(title=name, tab=tab)


def split_tab(text: str) -> tuple[str, str]:
    """The worksheet and the column of `worksheet@COLUMN`; either may be ''."""
    tab, _, column = text.partition("@")
    return tab.strip(), column.strip()


@dataclass(frozen=True)
class SheetTable:
    """The rows of a tab as text, including the first; all have the same width.

    Attributes
    ----------
    place : workbook and tab, for messages
    """

    rows: tuple[tuple[str, ...], ...] = ()
    place: str = "the sheet"

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[str]], place: str = "the sheet") -> SheetTable:
        """From rows of any length; undoes `escape_cell` and drops empty rows at the end."""
        unescaped = [[unescape_cell(text) for text in row] for row in rows]
        while unescaped and not any(unescaped[-1]):
            unescaped.pop()
        width = max(map(len, unescaped), default=0)
        return cls(tuple((*row, *[""] * (width - len(row))) for row in unescaped), place)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.rows[0]) if self.rows else 0

    def column(self, name: str) -> int:
        """The index of a column by its title (in the first row, in any case) or its letters."""
        titles = [title.strip().lower() for title in self.rows[0]] if self.rows else []
        if name.strip().lower() in titles:
            return titles.index(name.strip().lower())
        index = column_index(name)
        if index is None:
            known = ", ".join(filter(None, self.rows[0])) if self.rows else "none"
            raise InvalidInputError(
                f"{self.place} has no column {name!r}",
                f"name it by letters, such as B or AB, or by its title; titles are: {known}",
            )
        return index

    def cell(self, row: int, column: int) -> str:
        """The text of a cell; '' outside the table."""
        in_table = row < len(self.rows) and column < self.width
        return self.rows[row][column] if in_table else ""

    def rows_by_name(self, column: int, start: int = 0) -> dict[str, list[int]]:
        """Row indices by the name in a column; a name may occur more than once."""
        rows: dict[str, list[int]] = {}
        for row in range(start, len(self.rows)):
            if name := self.cell(row, column).strip():
                rows.setdefault(name, []).append(row)
        return rows


@dataclass(frozen=True)
class SheetChanges:
    """Changes to a table, all or none of which are made; indices are those before the change.

    Attributes
    ----------
    cells : new values by row and column
    removed : indices of rows to delete
    added : rows to append after the last one
    """

    cells: Mapping[tuple[int, int], CellValue] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: tuple[tuple[CellValue, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.cells or self.removed or self.added)

    def __str__(self) -> str:
        counts = {"changed": len({row for row, _ in self.cells}), "removed": len(self.removed)}
        counts["added"] = len(self.added)
        parts = [f"{format_count(count, 'row')} {verb}" for verb, count in counts.items() if count]
        return ", ".join(parts) or "nothing changed"


ChangePlan = Callable[[SheetTable], SheetChanges]
"""Decides on changes from the current table. It may be called again after an error."""


class Workbook(Protocol):
    """A spreadsheet with its tabs.

    Every call may raise `InvalidInputError` or `ServiceUnavailableError`.
    """

    @property
    def name(self) -> str:
        """Its name, as people write it."""

    @property
    def tab(self) -> str:
        """Tab and column in its address, such as `WorkQueue@B`, or ''."""

    def tabs(self) -> list[str]:
        """The titles of its tabs."""

    def read(self, tab: str) -> SheetTable:
        """Read a tab."""

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Read a tab, let `plan` decide on the changes, and make them in one batch.

        Parameters
        ----------
        create : create the tab, empty, if it does not exist
        """

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """Update several tabs in one batch; returns the changes by tab."""


def missing_tab_error(book: str, tab: str, known: Iterable[str]) -> InvalidInputError:
    """The error for a tab that does not exist."""
    return InvalidInputError(
        f"{book} has no tab {tab!r}", f"its tabs are: {', '.join(known) or 'none'}"
    )


SheetRecord = Mapping[str, Any]
"""A row with its values by column title."""


def replace_rows(
    records: Sequence[SheetRecord],
    *,
    key: Sequence[str] = ("dataset",),
    drop: Callable[[Mapping[str, str]], bool] | None = None,
) -> ChangePlan:
    """A plan that makes these records the only rows of their datasets; other rows remain.

    A row with the same key as a record is overwritten in place; columns that no record has (notes
    of people) are kept. Rows of those datasets without a record are deleted, records without a row
    are appended. Missing titles are added to the first row.

    Parameters
    ----------
    records : values by column title
    key : the titles that identify a row, the dataset's title first
    drop : called with a row's texts by title; rows for which it returns True are deleted too
    """
    titles = list(dict.fromkeys(title for record in records for title in record))

    def plan(table: SheetTable) -> SheetChanges:
        columns, changed = _locate_columns(table, titles)

        def by_column(record: SheetRecord) -> dict[int, Any]:
            return {columns[title]: value for title, value in record.items()}

        new_records = {_row_key(record, key): record for record in records}
        datasets = {row_key[0] for row_key in new_records}
        removed = set()
        for row in range(1, len(table.rows)):
            texts = {title: table.cell(row, column) for title, column in columns.items()}
            row_key = _row_key(texts, key)
            if row_key in new_records:
                changed |= changed_cells(table, row, by_column(new_records.pop(row_key)))
            elif row_key[0] in datasets or (drop and drop(texts)):
                removed.add(row)
        added = tuple(make_row(by_column(record)) for record in new_records.values())
        return SheetChanges(changed, frozenset(removed), added)

    return plan


def changed_cells(
    table: SheetTable, row: int, wanted: Mapping[int, Any]
) -> dict[tuple[int, int], CellValue]:
    """The cells of a row that differ from the wanted values (by column)."""
    values = {column: escape_cell(value) for column, value in wanted.items()}
    return {
        (row, column): value
        for column, value in values.items()
        if unescape_cell(display_text(value)) != table.cell(row, column)
    }


def make_row(values: Mapping[int, Any]) -> tuple[CellValue, ...]:
    """A new row from its values by column."""
    return tuple(escape_cell(values.get(column)) for column in range(max(values, default=-1) + 1))


def _locate_columns(
    table: SheetTable, titles: Sequence[str]
) -> tuple[dict[str, int], dict[tuple[int, int], CellValue]]:
    """The column of each title, and the cells of the titles that must be added."""
    existing = list(table.rows[0]) if table.rows else []
    while existing and not existing[-1]:
        existing.pop()
    new = [title for title in titles if title not in existing]
    columns = {title: column for column, title in enumerate(existing) if title}
    columns |= {title: len(existing) + number for number, title in enumerate(new)}
    return columns, {(0, columns[title]): escape_cell(title) for title in new}


def _row_key(record: SheetRecord, key: Sequence[str]) -> tuple[str, ...]:
    return tuple(display_text(escape_cell(record.get(title))).strip() for title in key)
