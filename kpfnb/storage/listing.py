"""What is in a folder: its entries, and those that match a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Entry(NamedTuple):
    """One file or folder in a listing.

    Attributes
    ----------
    path : below the place that was listed; of any characters, as it is there
    size : bytes; -1 for a folder
    hash : as hexadecimal digits; '' where none was asked for, or none is known there
    """

    path: str
    size: int
    is_folder: bool = False
    hash: str = ""


def matches(path: str, pattern: str) -> bool:
    """True where a path is as the pattern: `*` and `?` in a name, `**` for any folders."""
    return _match(path.split("/"), pattern.split("/"))


def _match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_match(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _match(parts[1:], pattern[1:])
