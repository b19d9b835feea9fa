"""Values of spreadsheet cells: numbers, and text that no spreadsheet takes for a formula."""

from __future__ import annotations

import re
from typing import Any

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import to_jsonable

CellValue = str | int | float | bool
MAX_CELL_CHARACTERS = 50_000
"""The limit of Google Sheets."""

_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+){1,2}(\.\d*)?")
_LETTERS = re.compile(r"[A-Z]{1,3}")


def escape_cell(value: Any) -> CellValue:
    """The content of a cell that shows a value.

    Numbers and truth values are unchanged; None and numbers that are not finite give an empty cell;
    everything else is text. Text that a program might take for a formula (now, or after an export
    as CSV) gets an apostrophe before it, as a person would type it.
    """
    value = to_jsonable(value)
    if isinstance(value, bool | int | float):
        return value
    text = "" if value is None else str(value).replace("\0", "")
    if len(text) > MAX_CELL_CHARACTERS:
        raise InvalidInputError(
            f"{text[:40]!r}... is longer than {MAX_CELL_CHARACTERS} characters", "shorten it"
        )
    return f"'{text}" if _is_risky(text) else text


def escape_csv_text(text: str) -> str:
    """A text for a CSV file that people open with a spreadsheet: never a formula.

    Numbers are unchanged, sexagesimal ones as well, which other programs read.
    """
    return text if _SEXAGESIMAL.fullmatch(text) else str(escape_cell(text))


def display_text(cell: CellValue) -> str:
    """The text that a person sees in the cell."""
    return str(cell).upper() if isinstance(cell, bool) else str(cell)


def unescape_cell(text: str) -> str:
    """The text of a cell without the apostrophe of `escape_cell`."""
    return text[1:] if text.startswith("'") and _is_risky(text[1:]) else text


def column_letters(index: int) -> str:
    """The letters of a column: A for 0, Z for 25, AA for 26."""
    name = ""
    while index >= 0:
        index, letter = divmod(index, 26)
        name, index = chr(ord("A") + letter) + name, index - 1
    return name


def column_index(name: str) -> int | None:
    """The number of a column from its letters, from 0; None if they are not a column."""
    if not _LETTERS.fullmatch(name):
        return None
    number = 0
    for letter in name:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _is_risky(text: str) -> bool:
    # An apostrophe before such text is doubled: `unescape_cell` removes one
    bare = text.lstrip("'")
    return bare.startswith(_STARTS) and not (bare == text and _NUMBER.fullmatch(text))
