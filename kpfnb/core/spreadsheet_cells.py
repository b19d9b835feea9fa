"""What stands in one cell: text that no spreadsheet takes for a formula, or a number."""

from __future__ import annotations

import re
from typing import Any

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import to_jsonable

CellValue = str | int | float | bool
MAX_CELL_CHARACTERS = 50_000
"""Characters that Google takes in a cell."""

_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+){1,2}(\.\d*)?")
_LETTERS = re.compile(r"[A-Z]{1,3}")


def escape_cell(given: Any) -> CellValue:
    """What is written for a value.

    Numbers and truth values stay what they are; None and what is not finite leave the cell empty;
    all else is text. Text that a program might take for a formula (now, or once it is exported as
    CSV and opened) gets an apostrophe before it, as a person would type.
    """
    made = to_jsonable(given)
    if isinstance(made, bool | int | float):
        return made
    text = "" if made is None else str(made).replace("\0", "")
    if len(text) > MAX_CELL_CHARACTERS:
        raise InvalidInputError(
            f"{text[:40]!r}... is longer than {MAX_CELL_CHARACTERS} characters", "shorten it"
        )
    return f"'{text}" if _is_risky(text) else text


def escape_csv_text(text: str) -> str:
    """A text in a CSV that people open with a spreadsheet: never a formula.

    Numbers stay as they are, also sexagesimal ones, which other programs read.
    """
    return text if _SEXAGESIMAL.fullmatch(text) else str(escape_cell(text))


def display_text(written: CellValue) -> str:
    """What a person sees of it."""
    return str(written).upper() if isinstance(written, bool) else str(written)


def unescape_cell(text: str) -> str:
    """What a cell's text stands for: without the apostrophe that `value` gave it."""
    return text[1:] if text.startswith("'") and _is_risky(text[1:]) else text


def column_letters(index: int) -> str:
    """The letters of a column: A for 0, Z for 25, AA for 26."""
    name = ""
    while index >= 0:
        index, letter = divmod(index, 26)
        name, index = chr(ord("A") + letter) + name, index - 1
    return name


def column_index(name: str) -> int | None:
    """The column of such letters, from 0; None for what is no column."""
    if not _LETTERS.fullmatch(name):
        return None
    number = 0
    for letter in name:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _is_risky(text: str) -> bool:
    # An apostrophe before such text is doubled too, or reading would take it away
    bare = text.lstrip("'")
    return bare.startswith(_STARTS) and not (bare == text and _NUMBER.fullmatch(text))
