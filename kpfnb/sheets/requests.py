"""Changes as one batch of Google's Sheets API: all of it is done, or nothing.

Values are sent with their types, which is what RAW means: text stays text, whatever it looks like,
and numbers stay numbers.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from kpfnb.cells import Value
from kpfnb.sheets.table import Changes

FIELDS = "userEnteredValue"


def batch(sheet: int, size: tuple[int, int], changes: Changes) -> list[dict[str, Any]]:
    """The requests, in the order in which indices stay true.

    Parameters
    ----------
    sheet : the id of the tab
    size : its rows and columns, with the empty ones; cells beyond them can't be written
    """
    last_row = max((row for row, _ in changes.cells), default=-1)
    last_column = max((column for _, column in changes.cells), default=-1)
    last_column = max([last_column, *(len(row) - 1 for row in changes.added)])
    return [
        *_room(sheet, "ROWS", last_row + 1 - size[0]),
        *_room(sheet, "COLUMNS", last_column + 1 - size[1]),
        *(_update(sheet, row, column, values) for row, column, values in _runs(changes)),
        *_removals(sheet, changes),
        # After the last row that has anything in it then: nobody's new row is written over
        *_appended(sheet, changes),
    ]


def _room(sheet: int, dimension: str, missing: int) -> list[dict[str, Any]]:
    if missing <= 0:
        return []
    room = {"sheetId": sheet, "dimension": dimension, "length": missing}
    return [{"appendDimension": room}]


def _update(sheet: int, row: int, column: int, values: list[Value]) -> dict[str, Any]:
    start = {"sheetId": sheet, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": [_row(values)], "fields": FIELDS}}


def _runs(changes: Changes) -> list[tuple[int, int, list[Value]]]:
    """The changed cells, those side by side together: row, first column, values."""
    ordered = sorted(changes.cells.items())
    numbered = enumerate(ordered)
    runs = []
    for _, group in groupby(numbered, lambda one: (one[1][0][0], one[1][0][1] - one[0])):
        members = [cell for _, cell in group]
        (row, column), _ = members[0]
        runs.append((row, column, [value for _, value in members]))
    return runs


def _removals(sheet: int, changes: Changes) -> list[dict[str, Any]]:
    """From the last row to the first, so that none moves another that is yet to go."""
    place = {"sheetId": sheet, "dimension": "ROWS"}
    return [
        {"deleteDimension": {"range": {**place, "startIndex": row, "endIndex": row + 1}}}
        for row in sorted(changes.removed, reverse=True)
    ]


def _appended(sheet: int, changes: Changes) -> list[dict[str, Any]]:
    if not changes.added:
        return []
    rows = [_row(row) for row in changes.added]
    return [{"appendCells": {"sheetId": sheet, "rows": rows, "fields": FIELDS}}]


def _row(values: Any) -> dict[str, Any]:
    return {"values": [_cell(value) for value in values]}


def _cell(value: Value) -> dict[str, Any]:
    if value == "":
        return {}
    if isinstance(value, bool):
        return {FIELDS: {"boolValue": value}}
    kind = "stringValue" if isinstance(value, str) else "numberValue"
    return {FIELDS: {kind: value}}
