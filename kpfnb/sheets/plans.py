"""Plans for rows with titles: each finds its rows by name, and touches only what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kpfnb import cells
from kpfnb.cells import Value
from kpfnb.sheets.table import Changes, Plan, Table

Record = Mapping[str, Any]


def replace(
    records: Sequence[Record],
    *,
    key: Sequence[str] = ("dataset",),
    drop: Callable[[Mapping[str, str]], bool] | None = None,
) -> Plan:
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

    def plan(table: Table) -> Changes:
        places, changed = _columns(table, titles)
        wanted = {_key(record, key): record for record in records}
        groups = {name[0] for name in wanted}
        removed = set()
        for row in range(1, len(table.rows)):
            texts = {title: table.cell(row, column) for title, column in places.items()}
            name = _key(texts, key)
            if name in wanted:
                record = wanted.pop(name)
                changed |= differing(table, row, {places[one]: record[one] for one in record})
            elif name[0] in groups or (drop and drop(texts)):
                removed.add(row)
        added = [row_of({places[one]: record[one] for one in record}) for record in wanted.values()]
        return Changes(changed, frozenset(removed), tuple(added))

    return plan


def differing(table: Table, row: int, wanted: Mapping[int, Any]) -> dict[tuple[int, int], Value]:
    """The cells of a row that are not yet as wanted."""
    written = {column: cells.value(one) for column, one in wanted.items()}
    return {
        (row, column): one
        for column, one in written.items()
        if cells.read(cells.shown(one)) != table.cell(row, column)
    }


def row_of(values: Mapping[int, Any]) -> tuple[Value, ...]:
    """A new row from its values by column."""
    return tuple(cells.value(values.get(column)) for column in range(max(values, default=-1) + 1))


def _columns(
    table: Table, titles: Sequence[str]
) -> tuple[dict[str, int], dict[tuple[int, int], Value]]:
    """The columns of all titles, and the titles that are to be written for it."""
    there = list(table.rows[0]) if table.rows else []
    while there and not there[-1]:
        there.pop()
    new = [title for title in titles if title not in there]
    places = {title: column for column, title in enumerate(there) if title}
    places |= {title: len(there) + number for number, title in enumerate(new)}
    return places, {(0, places[title]): cells.value(title) for title in new}


def _key(record: Record, key: Sequence[str]) -> tuple[str, ...]:
    return tuple(cells.shown(cells.value(record.get(title))).strip() for title in key)
