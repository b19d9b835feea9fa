"""Files copied from one local folder to another, without another program.

To start rclone under its guard costs as much CPU as copying 300 MB, and a dataset's way takes
several copies. As rclone does, a file is written beside its place and renamed, keeps its time of
change, and links are followed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from kpfnb import files


def copy(
    source: str, destination: str, paths: Iterable[str], tell: Callable[[int, int], None]
) -> dict[str, str]:
    """Copy files below the folder `source`, or (path '') the file itself.

    Parameters
    ----------
    tell : called before each file with the numbers of files and bytes that are copied

    Returns
    -------
    why a file could not be copied, by its path
    """
    failures: dict[str, str] = {}
    done = size = 0
    for path in paths:
        tell(done, size)
        origin, target = (os.path.join(top, path) if path else top for top in (source, destination))  # noqa: PTH118
        try:
            size += _copy(Path(origin), Path(target))
            done += 1
        except (OSError, shutil.SpecialFileError) as error:
            failures[path] = str(getattr(error, "strerror", None) or error).lower()
    return failures


def _copy(origin: Path, target: Path) -> int:
    """The size of the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same at each attempt: what a killed one has left is written over
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    temporary = target.with_name(f"{files.TEMPORARY_PREFIX}{digest}")
    try:
        shutil.copyfile(origin, temporary)
        status = origin.stat()
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()
        raise
    return status.st_size
