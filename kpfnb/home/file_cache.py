"""What was read of files and directories, kept until they change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")

SETTLED_NS = 2_000_000_000
"""What changed so recently may change again without another modification time."""


class FileCache(Generic[Value]):
    """Values read from files or directories; each is read again only after a change."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, Value]] = {}

    def get(self, path: Path, read: Callable[[], Value]) -> Value:
        """The value of a path; `read` gives it if the path has changed, or is new."""
        try:
            modified = path.stat().st_mtime_ns
        except OSError:
            modified = 0
        known = self._known.get(path)
        if known and known[0] == modified:
            return known[1]
        value = read()
        if time.time_ns() - modified > SETTLED_NS:
            self._known[path] = modified, value
        else:
            self._known.pop(path, None)
        return value
