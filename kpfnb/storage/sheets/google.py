"""A Google spreadsheet, through gspread, and the requests that change it.

A change is one batch of Google's Sheets API: all of it is done, or nothing. Values are sent with
their types (RAW): text stays text, whatever it looks like, and numbers stay numbers.
"""

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

T = TypeVar("T")

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
RETRY_SECONDS = 120.0
"""The quota is per minute: after two minutes it must be available again."""
NEW_SIZE = {"rows": 100, "cols": 26}
VALUE_FIELD = "userEnteredValue"


class GoogleWorkbook:
    """A Google spreadsheet; it is opened at the first call."""

    def __init__(
        self,
        address: SheetAddress,
        credentials: Path | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """
        Parameters
        ----------
        credentials : file with the key of a service account that the sheet is shared with
        retry_seconds : how long a call is tried again while Google is busy or does not answer
        """
        self._address = address
        self._credentials = credentials
        self._retry_seconds = retry_seconds
        self._opened_spreadsheet: gspread.Spreadsheet | None = None

    @property
    def name(self) -> str:
        """Its title, or its key."""
        return self._address.name

    @property
    def tab(self) -> str:
        """Tab and column in its address."""
        return self._address.tab

    def tabs(self) -> list[str]:
        """The titles of its tabs."""
        return self._retry(lambda: list(self._worksheets()))

    def read(self, tab: str) -> SheetTable:
        """Read a tab."""
        return self._retry(lambda: self._table(self._find_worksheet(tab, self._worksheets())))

    def update(self, tab: str, plan: ChangePlan, *, create: bool = False) -> SheetChanges:
        """Change a tab by a plan; see `Workbook.update`."""
        return self.update_many({tab: plan}, create=create)[tab]

    def update_many(
        self, plans: Mapping[str, ChangePlan], *, create: bool = False
    ) -> dict[str, SheetChanges]:
        """Change several tabs in one batch; see `Workbook.update_many`.

        After an error nobody knows whether Google took the batch. So it is never sent again: the
        tabs are read once more, and the changes planned from their new content.
        """
        return self._retry(lambda: self._update_once(plans, create))

    def _update_once(
        self, plans: Mapping[str, ChangePlan], create: bool
    ) -> dict[str, SheetChanges]:
        batch: list[dict[str, Any]] = []
        changes_by_tab = {}
        worksheets = self._worksheets()
        for tab, plan in plans.items():
            if create and tab not in worksheets:
                worksheets[tab] = self._spreadsheet().add_worksheet(tab, **NEW_SIZE)
            worksheet = self._find_worksheet(tab, worksheets)
            changes = changes_by_tab[tab] = plan(self._table(worksheet))
            if changes:
                size = (worksheet.row_count, worksheet.col_count)
                batch += make_requests(worksheet.id, size, changes)
        if batch:
            self._spreadsheet().batch_update({"requests": batch})
        return changes_by_tab

    def _table(self, worksheet: gspread.Worksheet) -> SheetTable:
        # The displayed text: gspread's get_all_records would turn 20240101 into a number
        return SheetTable.from_rows(
            worksheet.get_all_values(), f"{self.name}, tab {worksheet.title}"
        )

    def _worksheets(self) -> dict[str, gspread.Worksheet]:
        return {worksheet.title: worksheet for worksheet in self._spreadsheet().worksheets()}

    def _find_worksheet(
        self, tab: str, worksheets: Mapping[str, gspread.Worksheet]
    ) -> gspread.Worksheet:
        if tab not in worksheets:
            raise missing_tab_error(self.name, tab, worksheets)
        return worksheets[tab]

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
        files = [file for file in client.list_spreadsheet_files(title) if file["name"] == title]
        if len(files) == 1:
            return str(files[0]["id"])
        if files:
            keys = ", ".join(f"key={file['id']}" for file in files)
            raise InvalidInputError(
                f"{len(files)} spreadsheets are called {title!r}", f"name one: {keys}"
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
                f"{self._credentials} is not the key of a service account", hint
            ) from None

    def _retry(self, call: Callable[[], T]) -> T:
        return google_errors.retry_transient(call, self.name, self._retry_seconds)


def make_requests(sheet: int, size: tuple[int, int], changes: SheetChanges) -> list[dict[str, Any]]:
    """The requests for changes, in an order that keeps row and column indices valid.

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
        # After the last row that is not empty by then, so that no new row is overwritten
        *_append_rows(sheet, changes),
    ]


def _extend_sheet(sheet: int, dimension: str, missing: int) -> list[dict[str, Any]]:
    if missing <= 0:
        return []
    extension = {"sheetId": sheet, "dimension": dimension, "length": missing}
    return [{"appendDimension": extension}]


def _update_cells(sheet: int, row: int, column: int, values: list[CellValue]) -> dict[str, Any]:
    start = {"sheetId": sheet, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": [_row_data(values)], "fields": VALUE_FIELD}}


def _adjacent_cells(changes: SheetChanges) -> list[tuple[int, int, list[CellValue]]]:
    """Groups of changed cells side by side: row, first column, values."""

    def run_of(numbered: tuple[int, tuple[tuple[int, int], CellValue]]) -> tuple[int, int]:
        number, ((row, column), _) = numbered
        return row, column - number

    runs = []
    for _, group in groupby(enumerate(sorted(changes.cells.items())), run_of):
        cells = [cell for _, cell in group]
        (row, column), _ = cells[0]
        runs.append((row, column, [value for _, value in cells]))
    return runs


def _delete_rows(sheet: int, changes: SheetChanges) -> list[dict[str, Any]]:
    """From the last row to the first, so that the indices of the others stay valid."""
    rows = {"sheetId": sheet, "dimension": "ROWS"}
    return [
        {"deleteDimension": {"range": {**rows, "startIndex": row, "endIndex": row + 1}}}
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
