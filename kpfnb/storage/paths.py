"""Which names may be carried: a strict list, safe in every shell, URL, list and file system."""

from __future__ import annotations

import re
import string

from kpfnb.errors import BadInput
from kpfnb.files import TEMPORARY_PREFIX

ALLOWED = frozenset(string.ascii_letters + string.digits + "._-+=@,~()")
LONGEST_NAME = 255
LONGEST_PATH = 1000

_UNFINISHED = re.compile(rf"(^|/){re.escape(TEMPORARY_PREFIX)}[^/]*$|\.[0-9a-f]{{8}}\.partial$")


def defect(path: str) -> str:
    """What is wrong with a relative path as `mask/config/date`; '' where nothing is."""
    if len(path) > LONGEST_PATH:
        return f"longer than {LONGEST_PATH} characters"
    for name in path.split("/"):
        if name in ("", ".", ".."):
            return f"{name!r} is no name of a file or folder"
        if len(name) > LONGEST_NAME:
            return f"a name longer than {LONGEST_NAME} characters"
        for character in name:
            if character not in ALLOWED:
                return f"the character {character!a} is not allowed"
    return ""


def check(path: str) -> str:
    """The path itself, if it may be carried.

    Raises
    ------
    BadInput : names the path and the character
    """
    if wrong := defect(path):
        raise BadInput(
            f"{path[:100]!a}: {wrong}",
            "names are of letters, digits and . _ - + = @ , ~ ( )",
        )
    return path


def is_unfinished(path: str) -> bool:
    """True for what a writer that was killed left: kpfnb's temporary files and rclone's."""
    return bool(_UNFINISHED.search(path))
