"""Sheets that people look at: a Google spreadsheet, or a local workbook, by one interface.

    book = sheets.open()                       # what the setting `sheet` names
    sheets.blank_items(book)                   # what waits to be queued
    mirror = sheets.Mirror(book)
    print(mirror.update(sheets.standings(queue)))

People sort, add and edit rows while programs write. So every change is planned from the rows as
they are at that moment, finds them by their names, touches no cell but those that differ, and is
sent as one batch. A sheet is never the truth of anything, and nothing waits for it.
"""

from __future__ import annotations

from pathlib import Path

from kpfnb.core import settings
from kpfnb.queue.sheet_mirror import MirrorResult, SheetMirror
from kpfnb.queue.sheet_status import SheetStatus, StatusTab, item_statuses, unqueued_items
from kpfnb.storage.sheets import workbook
from kpfnb.storage.sheets.google import RETRY_SECONDS, GoogleWorkbook
from kpfnb.storage.sheets.local import LocalWorkbook
from kpfnb.storage.sheets.workbook import SheetChanges, SheetTable, Workbook, replace_rows

# The book that an address, or the setting `sheet`, names.


def open_workbook(
    spec: str | Path | None = None, *, patience_seconds: float = RETRY_SECONDS
) -> Workbook:
    """A Google spreadsheet, or a local workbook; nothing is read yet.

    Parameters
    ----------
    spec : `spreadsheet/worksheet@COLUMN`, `key=...`, or a Path: the folder of a workbook; by
        default the setting `sheet`. Where that is empty, it is the workbook in the work directory.
    patience_seconds : how long a call is tried again while Google is busy or does not answer

    Raises
    ------
    InvalidParameterError : the address can't be read
    """
    chosen = settings.load_settings()
    wanted = spec or chosen.sheet or chosen.work_dir / "workbook"
    if isinstance(wanted, Path):
        return LocalWorkbook(wanted)
    return GoogleWorkbook(
        workbook.parse_address(wanted), chosen.sheet_credentials, patience_seconds=patience_seconds
    )


__all__ = [
    "Workbook",
    "SheetChanges",
    "SheetMirror",
    "MirrorResult",
    "SheetStatus",
    "StatusTab",
    "SheetTable",
    "unqueued_items",
    "open_workbook",
    "replace_rows",
    "item_statuses",
]
