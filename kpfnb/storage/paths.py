"""Paths below a location: entries of a listing, patterns, and the names that are allowed.

The list of allowed characters is strict: such names are safe in every shell, URL, list and file
system.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from kpfnb.core.atomic import TEMPORARY_PREFIX
from kpfnb.core.errors import InvalidInputError

ALLOWED = frozenset(string.ascii_letters + string.digits + "._-+=@,~()")
MAX_NAME_LENGTH = 255
MAX_PATH_LENGTH = 1000

_TEMPORARY = re.compile(rf"(^|/){re.escape(TEMPORARY_PREFIX)}[^/]*$|\.[0-9a-f]{{8}}\.partial$")


class StorageEntry(NamedTuple):
    """One file or directory in a listing.

    Attributes
    ----------
    path : below the location that was listed, unchanged, with any characters
    size : bytes; -1 for a directory
    hash : as hexadecimal digits; '' if none was requested, or the storage knows none
    """

    path: str
    size: int
    is_folder: bool = False
    hash: str = ""


def matches_pattern(path: str, pattern: str) -> bool:
    """True if a path matches: `*` and `?` within a name, `**` for any directories."""
    return _match_segments(path.split("/"), pattern.split("/"))


def _match_segments(segments: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not segments
    if pattern[0] == "**":
        return any(
            _match_segments(segments[skip:], pattern[1:]) for skip in range(len(segments) + 1)
        )
    return (
        bool(segments)
        and fnmatchcase(segments[0], pattern[0])
        and _match_segments(segments[1:], pattern[1:])
    )


def invalid_path_reason(path: str) -> str:
    """Why a relative path such as `mask/config/date` is not allowed; '' if it is."""
    if len(path) > MAX_PATH_LENGTH:
        return f"longer than {MAX_PATH_LENGTH} characters"
    for name in path.split("/"):
        if name in ("", ".", ".."):
            return f"{name!r} is not a valid name of a file or directory"
        if len(name) > MAX_NAME_LENGTH:
            return f"a name longer than {MAX_NAME_LENGTH} characters"
        for character in name:
            if character not in ALLOWED:
                return f"the character {character!a} is not allowed"
    return ""


def check_path(path: str) -> str:
    """The path itself, if it is allowed.

    Raises
    ------
    InvalidInputError : names the path and the character
    """
    if reason := invalid_path_reason(path):
        raise InvalidInputError(
            f"{path[:100]!a}: {reason}",
            "use letters, digits and . _ - + = @ , ~ ( ) in names",
        )
    return path


def is_temporary(path: str) -> bool:
    """True for a file that a killed writer left behind: kpfnb's temporary files and rclone's."""
    return bool(_TEMPORARY.search(path))
