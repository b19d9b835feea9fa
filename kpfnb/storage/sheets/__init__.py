"""Sheets that people look at: a Google spreadsheet, or a local workbook, by one interface.

    book = sheets.open()                       # what the setting `sheet` names
    sheets.blank_items(book)                   # what waits to be queued
    mirror = sheets.Mirror(book)
    print(mirror.update(sheets.standings(queue)))

People sort, add and edit rows while programs write. So every change is planned from the rows as
they are at that moment, finds them by their names, touches no cell but those that differ, and is
sent as one batch. A sheet is never the truth of anything, and nothing waits for it.
"""

from kpfnb.sheets.mirror import Mirror, Mirrored
from kpfnb.sheets.opening import open
from kpfnb.sheets.plans import replace
from kpfnb.sheets.standing import Standing, StatusTab, blank_items, standings
from kpfnb.sheets.table import Book, Changes, Table

__all__ = [
    "Book",
    "Changes",
    "Mirror",
    "Mirrored",
    "Standing",
    "StatusTab",
    "Table",
    "blank_items",
    "open",
    "replace",
    "standings",
]
