"""The observations' files of a level and night, by what their names and the directory tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kpfnb.errors import BadInput
from kpfnb.kpf.obsid import KPF, level_dir


def files(root: Path, level: str, night: str) -> Iterator[tuple[str, os.stat_result]]:
    """ObsID and status of each file; nothing where there is no such directory.

    A file that vanished meanwhile, or a link to nothing, is passed over and takes no other with it.
    A directory that can't be listed is a `BadInput`.
    """
    folder = level_dir(root, level, night)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = KPF.filename.fullmatch(entry.name)
                if match and (match["night"], match["suffix"]) == (night, KPF.levels[level]):
                    with suppress(FileNotFoundError):
                        yield match["obsid"], entry.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BadInput(f"can't list {folder}: {error.strerror}", "make it readable") from error
