"""The raw frames of a dataset: which there are, and which of them can be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kpfnb import fitsheader
from kpfnb.errors import BadInput

SUFFIXES = (".fits", ".fits.gz")


@dataclass(frozen=True)
class RawFrame:
    """One raw file; `defect` says why it can't be used ('' where it can)."""

    path: Path
    defect: str = ""

    @property
    def file(self) -> str:
        """Its name, which PypeIt's tables use too."""
        return self.path.name


def find(folder: Path) -> list[RawFrame]:
    """The raw frames in the folder itself, by name, each looked at.

    Raises
    ------
    BadInput : there is no such folder, or no FITS file in it
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise BadInput(f"the raw folder {folder} {what}", "name the folder of the raw frames")
    paths = sorted(path for path in folder.iterdir() if _is_frame(path))
    if not paths:
        raise BadInput(
            f"no raw frames in {folder}",
            f"name the folder that holds the files themselves ({' or '.join(SUFFIXES)})",
        )
    return [RawFrame(path, _defect(path, _stamp(path))) for path in paths]


def _status(path: Path) -> os.stat_result:
    """Of the file that a link leads to; of the link itself where it leads nowhere."""
    try:
        return path.stat()
    except FileNotFoundError:
        return path.lstat()


def _stamp(path: Path) -> tuple[int, ...]:
    status = _status(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=10_000)
def _defect(path: Path, stamp: tuple[int, ...]) -> str:
    """Of the file that has this stamp: compressed ones are read to their end for it."""
    return fitsheader.defect(path)


def stamps(frames: Sequence[RawFrame]) -> dict[str, list[int]]:
    """Size (bytes) and time of change (ns) of each file by name: they tell that one changed."""
    status = {frame.file: _status(frame.path) for frame in frames}
    return {file: [found.st_size, found.st_mtime_ns] for file, found in status.items()}


def offered(frames: Sequence[RawFrame], links: Path) -> Path:
    """A folder that holds the usable frames and nothing else that PypeIt would take for a frame.

    It is their own folder where that is so; otherwise `links` is made, with a link to each.
    (PypeIt makes a setup of the files that it can't read, and calls it A.)
    """
    usable = [frame.path for frame in frames if not frame.defect]
    folder = frames[0].path.parent
    if {path for path in folder.iterdir() if ".fit" in path.name.lower()} == set(usable):
        return folder
    links.mkdir(parents=True)
    for path in usable:
        (links / path.name).symlink_to(path)
    return links


def _is_frame(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) and not path.name.startswith(".") and not path.is_dir()
