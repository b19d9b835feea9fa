"""Sheets that people look at: a Google spreadsheet or a local workbook, behind one interface.

    book = sheets.open_workbook()              # the one that the setting `sheet` names
    book.update("Scores", sheets.replace_rows(records))

People sort, add and edit rows while programs write. So every change is planned from the rows as
they are at that moment, finds them by their names, touches only the cells that differ, and is sent
as one batch. A sheet is never the source of truth, and no work waits for it.
"""

from __future__ import annotations

from pathlib import Path

from kpfnb.core import settings
from kpfnb.storage.sheets.google import RETRY_SECONDS, GoogleWorkbook
from kpfnb.storage.sheets.local import LocalWorkbook
from kpfnb.storage.sheets.workbook import (
    SheetChanges,
    SheetTable,
    Workbook,
    parse_address,
    replace_rows,
)

__all__ = ["SheetChanges", "SheetTable", "Workbook", "open_workbook", "replace_rows"]


def open_workbook(
    spec: str | Path | None = None, *, retry_seconds: float = RETRY_SECONDS
) -> Workbook:
    """Open a Google spreadsheet or a local workbook; nothing is read yet.

    Parameters
    ----------
    spec : `spreadsheet/worksheet@COLUMN`, `key=...`, or a Path: the directory of a workbook; by
        default the setting `sheet`. If that is empty, the workbook in the work directory.
    retry_seconds : how long a call is tried again while Google is busy or does not answer

    Raises
    ------
    InvalidParameterError : the address can't be read
    """
    chosen = settings.load_settings()
    address = spec or chosen.sheet or chosen.work_dir / "workbook"
    if isinstance(address, Path):
        return LocalWorkbook(address)
    return GoogleWorkbook(
        parse_address(address), chosen.sheet_credentials, retry_seconds=retry_seconds
    )
