"""Which names may be carried: a strict list, safe in every shell, URL, list and file system."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from kpfnb.core.atomic import TEMPORARY_PREFIX
from kpfnb.core.errors import InvalidInputError

# What is in a folder: its entries, and those that match a pattern.


class StorageEntry(NamedTuple):
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


def matches_pattern(path: str, pattern: str) -> bool:
    """True where a path is as the pattern: `*` and `?` in a name, `**` for any folders."""
    return _match_parts(path.split("/"), pattern.split("/"))


def _match_parts(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_match_parts(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return (
        bool(parts) and fnmatchcase(parts[0], pattern[0]) and _match_parts(parts[1:], pattern[1:])
    )


ALLOWED = frozenset(string.ascii_letters + string.digits + "._-+=@,~()")
MAX_NAME_LENGTH = 255
MAX_PATH_LENGTH = 1000

_TEMPORARY = re.compile(rf"(^|/){re.escape(TEMPORARY_PREFIX)}[^/]*$|\.[0-9a-f]{{8}}\.partial$")


def invalid_path_reason(path: str) -> str:
    """What is wrong with a relative path as `mask/config/date`; '' where nothing is."""
    if len(path) > MAX_PATH_LENGTH:
        return f"longer than {MAX_PATH_LENGTH} characters"
    for name in path.split("/"):
        if name in ("", ".", ".."):
            return f"{name!r} is no name of a file or folder"
        if len(name) > MAX_NAME_LENGTH:
            return f"a name longer than {MAX_NAME_LENGTH} characters"
        for character in name:
            if character not in ALLOWED:
                return f"the character {character!a} is not allowed"
    return ""


def check_path(path: str) -> str:
    """The path itself, if it may be carried.

    Raises
    ------
    InvalidInputError : names the path and the character
    """
    if wrong := invalid_path_reason(path):
        raise InvalidInputError(
            f"{path[:100]!a}: {wrong}",
            "names are of letters, digits and . _ - + = @ , ~ ( )",
        )
    return path


def is_temporary(path: str) -> bool:
    """True for what a writer that was killed left: kpfnb's temporary files and rclone's."""
    return bool(_TEMPORARY.search(path))
