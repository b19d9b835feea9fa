"""Addresses of sheets: `spreadsheet/worksheet@COLUMN`, with `key=...` for a key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kpfnb.errors import BadParameter

_URL = re.compile(
    r"https://docs\.google\.com/spreadsheets/d/([\w-]+)(?:/(?:edit|view)?[?#].*|/\w*)?"
)
_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Address:
    """Where a sheet is.

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
        """The spreadsheet, as people call it."""
        return self.title or f"key={self.key}"


def parse(text: str) -> Address:
    """`Scores`, `Scores/WorkQueue@B`, `key=1aBc/WorkQueue@AB`, or a spreadsheet's web address."""
    if found := _URL.fullmatch(text):
        return Address(key=found[1])
    book, _, tab = text.partition("/")
    is_key = book.startswith("key=")
    name = book.removeprefix("key=").strip()
    if not name or (is_key and not _KEY.fullmatch(name)) or '"' in name or "\\" in name:
        raise BadParameter(
            f"sheet {text!r} is no address of a spreadsheet",
            "write it as SPREADSHEET/WORKSHEET@COLUMN or key=KEY/WORKSHEET@COLUMN",
        )
    return Address(key=name, tab=tab) if is_key else Address(title=name, tab=tab)


def split_tab(text: str) -> tuple[str, str]:
    """The worksheet and the column of `worksheet@COLUMN`; either may be ''."""
    tab, _, column = text.partition("@")
    return tab.strip(), column.strip()
