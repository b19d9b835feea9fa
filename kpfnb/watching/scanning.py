"""A walk over a whole tree for files that no event told of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from kpfnb.watching.kind import Stamp

Known = Callable[[str], dict[str, Stamp]]
"""Gives what is remembered of a folder: name to stamp."""


def changed(
    top: Path, wanted: Callable[[str], bool], known: Known, trouble: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Stamp]]]:
    """Each folder below `top` with its files that are not as remembered, the last names first.

    Folders that can't be read are told to `trouble`; what vanishes meanwhile is passed over.
    """
    todo = [str(top)]
    while todo:
        folder = todo.pop()
        try:
            folders, files = _look(folder, wanted)
        except FileNotFoundError:
            continue
        except OSError as error:
            trouble(f"{folder} can't be read: {error.strerror}")
            continue
        # The last is taken first: of folders named by date, the newest
        todo += sorted(folders)
        if files:
            before = known(folder)
            yield folder, {n: stamp for n, stamp in files.items() if before.get(n) != stamp}


def _look(folder: str, wanted: Callable[[str], bool]) -> tuple[list[str], dict[str, Stamp]]:
    folders, files = [], {}
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if wanted(entry.path):
                    status = entry.stat()
                    files[entry.name] = Stamp(status.st_size, status.st_mtime_ns)
                elif entry.is_dir() and not entry.name.startswith("."):
                    folders.append(entry.path)
            except OSError:
                # It vanished, or is a link to nothing: no file to handle
                continue
    return folders, files
