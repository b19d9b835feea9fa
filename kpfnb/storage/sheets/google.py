"""A Google spreadsheet, through gspread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.spreadsheet_cells import CellValue
from kpfnb.storage.sheets import google_errors
from kpfnb.storage.sheets.workbook import (
    ChangePlan,
    SheetAddress,
    SheetChanges,
    SheetTable,
    missing_tab_error,
)

if TYPE_CHECKING:
    import gspread


# Changes as one batch of Google's Sheets API: all of it is done, or nothing.
#
# Values are sent with their types, which is what RAW means: text stays text, whatever it looks like,
# and numbers stay numbers.

VALUE_FIELD = "userEnteredValue"


def make_requests(sheet: int, size: tuple[int, int], changes: SheetChanges) -> list[dict[str, Any]]:
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
        *_extend_sheet(sheet, "ROWS", last_row + 1 - size[0]),
        *_extend_sheet(sheet, "COLUMNS", last_column + 1 - size[1]),
        *(
            _update_cells(sheet, row, column, values)
            for row, column, values in _adjacent_cells(changes)
        ),
        *_delete_rows(sheet, changes),
        # After the last row that has anything in it then: nobody's new row is written over
        *_append_rows(sheet, changes),
    ]


def _extend_sheet(sheet: int, dimension: str, missing: int) -> list[dict[str, Any]]:
    if missing <= 0:
        return []
    room = {"sheetId": sheet, "dimension": dimension, "length": missing}
    return [{"appendDimension": room}]


def _update_cells(sheet: int, row: int, column: int, values: list[CellValue]) -> dict[str, Any]:
    start = {"sheetId": sheet, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": [_row_data(values)], "fields": VALUE_FIELD}}


def _adjacent_cells(changes: SheetChanges) -> list[tuple[int, int, list[CellValue]]]:
    """The changed cells, those side by side together: row, first column, values."""
    ordered = sorted(changes.cells.items())
    numbered = enumerate(ordered)
    runs = []
    for _, group in groupby(numbered, lambda one: (one[1][0][0], one[1][0][1] - one[0])):
        members = [cell for _, cell in group]
        (row, column), _ = members[0]
        runs.append((row, column, [value for _, value in members]))
    return runs


def _delete_rows(sheet: int, changes: SheetChanges) -> list[dict[str, Any]]:
    """From the last row to the first, so that none moves another that is yet to go."""
    place = {"sheetId": sheet, "dimension": "ROWS"}
    return [
        {"deleteDimension": {"range": {**place, "startIndex": row, "endIndex": row + 1}}}
        for row in sorted(changes.removed, reverse=True)
    ]


def _append_rows(sheet: int, changes: SheetChanges) -> list[dict[str, Any]]:
    if not changes.added:
        return []
    rows = [_row_data(row) for row in changes.added]
    return [{"appendCells": {"sheetId": sheet, "rows": rows, "fields": VALUE_FIELD}}]


def _row_data(values: Any) -> dict[str, Any]:
    return {"values": [_cell_data(value) for value in values]}


def _cell_data(value: CellValue) -> dict[str, Any]:
    if value == "":
        return {}
    if isinstance(value, bool):
        return {VALUE_FIELD: {"boolValue": value}}
    kind = "stringValue" if isinstance(value, str) else "numberValue"
    return {VALUE_FIELD: {kind: value}}


T = TypeVar("T")

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
RETRY_SECONDS = 120.0
"""The quota is one of each minute: after two it must have been there again."""
NEW_SIZE = {"rows": 100, "cols": 26}


class GoogleWorkbook:
    """A spreadsheet; it is looked for at the first call."""

    def __init__(
        self,
        address: SheetAddress,
        credentials: Path | None = None,
        *,
        patience_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Credentials are a file: the key of a service account with whom the sheet is shared.

        patience_seconds : how long a call is tried again while Google is busy or does not answer
        """
        self._address = address
        self._credentials = credentials
        self._patience_seconds = patience_seconds
        self._opened_spreadsheet: gspread.Spreadsheet | None = None

    @property
    def name(self) -> str:
        """Its title, or key."""
        return self._address.name

    @property
    def tab(self) -> str:
        """The tab and column of its address."""
        return self._address.tab

    def tabs(self) -> list[str]:
        """The titles of its tabs."""
        return self._retry(lambda: list(self._worksheets()))

    def read(self, tab: str) -> SheetTable:
        """A tab as it is now."""
        return self._retry(lambda: self._table(self._find_worksheet(tab, self._worksheets())))

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Change a tab by a plan; see `Workbook.revise`."""
        return self.update_many({tab: plan}, create=create)[tab]

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """Change several tabs in one batch; see `Workbook.revise_all`.

        After trouble nobody knows whether the batch was taken. So it is never sent again as it
        was: the tabs are read once more, and planned anew from what is there then.
        """
        return self._retry(lambda: self._update_once(plans, create))

    def _update_once(
        self, plans: Mapping[str, ChangePlan], create: bool
    ) -> dict[str, SheetChanges]:
        batch: list[dict[str, Any]] = []
        done = {}
        there = self._worksheets()
        for tab, plan in plans.items():
            if create and tab not in there:
                there[tab] = self._spreadsheet().add_worksheet(tab, **NEW_SIZE)
            worksheet = self._find_worksheet(tab, there)
            changes = done[tab] = plan(self._table(worksheet))
            if changes:
                size = (worksheet.row_count, worksheet.col_count)
                batch += make_requests(worksheet.id, size, changes)
        if batch:
            self._spreadsheet().batch_update({"requests": batch})
        return done

    def _table(self, worksheet: gspread.Worksheet) -> SheetTable:
        # As text, as people see it: gspread's get_all_records would make 20240101 a number
        return SheetTable.from_rows(
            worksheet.get_all_values(), f"{self.name}, tab {worksheet.title}"
        )

    def _worksheets(self) -> dict[str, gspread.Worksheet]:
        return {one.title: one for one in self._spreadsheet().worksheets()}

    def _find_worksheet(
        self, tab: str, there: Mapping[str, gspread.Worksheet]
    ) -> gspread.Worksheet:
        if tab not in there:
            raise missing_tab_error(self.name, tab, there)
        return there[tab]

    def _spreadsheet(self) -> gspread.Spreadsheet:
        if self._opened_spreadsheet is None:
            client = self._client()
            client.set_timeout((CONNECT_SECONDS, ANSWER_SECONDS))
            self._opened_spreadsheet = client.open_by_key(
                self._address.key or self._find_key(client)
            )
        return self._opened_spreadsheet

    def _find_key(self, client: gspread.Client) -> str:
        title = self._address.title
        found = [one for one in client.list_spreadsheet_files(title) if one["name"] == title]
        if len(found) == 1:
            return str(found[0]["id"])
        if found:
            keys = ", ".join(f"key={one['id']}" for one in found)
            raise InvalidInputError(
                f"{len(found)} spreadsheets are called {title!r}", f"name one: {keys}"
            )
        raise InvalidInputError(f"no spreadsheet {title!r}", google_errors.SHARE_HINT)

    def _client(self) -> gspread.Client:
        import gspread

        hint = "set KPFNB_SHEET_CREDENTIALS to the JSON key of a Google service account"
        if self._credentials is None:
            raise InvalidSettingsError(
                f"no credentials for the Google spreadsheet {self.name!r}", hint
            )
        try:
            return gspread.service_account(self._credentials)
        except OSError as error:
            raise InvalidSettingsError(
                f"can't read {self._credentials}: {error.strerror}", hint
            ) from None
        except (ValueError, KeyError):
            # Its message may hold parts of the key
            raise InvalidSettingsError(
                f"{self._credentials} is no key of a service account", hint
            ) from None

    def _retry(self, call: Callable[[], T]) -> T:
        return google_errors.retry_transient(call, self.name, self._patience_seconds)
