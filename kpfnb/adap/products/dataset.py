"""Datasets: their names, the layout of their directories, and their raw frames.

A dataset is named `mask/config/date` or `mask/config/date_date`. Its directory holds `complete` (at
least one science, one flat and one arc frame) with `raw` and the reductions `reduce*`, or
`incomplete` with `raw` only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.storage import Location, paths

DATASETS_FOLDER = "datasets"
"""The folder of the datasets on this machine, in the work directory."""
COMPLETE, INCOMPLETE, RAW = "complete", "incomplete", "raw"
REDUCTION_PATTERN = "reduce*"
OLD_REDUCTION = "reduce_old"
"""A folder of early backups beside the reductions; it is not a reduction."""
LOG_PATTERNS = ("*.log", "*.out", "*stdout.txt", "*_useful_warns.log", "reduction.json")
FITS_SUFFIXES = (".fits", ".fits.gz")

_DATES_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d)(?:_(\d{4}-\d\d-\d\d))?")
_NAME_HINT = "datasets are named mask/config/date, as 041615B1/1200G_8800_OG550/2015-10-16"


@dataclass(frozen=True, order=True)
class Dataset:
    """The name of a dataset: the frames of one mask in one configuration, of one or more nights.

    Attributes
    ----------
    first, last : UT dates of the first and the last night; equal for a single night
    """

    mask: str
    config: str
    first: date
    last: date

    def __str__(self) -> str:
        nights = [self.first] if self.first == self.last else [self.first, self.last]
        return f"{self.mask}/{self.config}/{'_'.join(night.isoformat() for night in nights)}"


def parse_dataset(name: str) -> Dataset:
    """The dataset of that name. `InvalidInputError` says which part of it is wrong."""
    parts = paths.check_path(name.strip().rstrip("/")).split("/")
    if len(parts) != 3:
        raise InvalidInputError(f"{name!r} has {len(parts)} parts, not 3", _NAME_HINT)
    mask, config, dates = parts
    match = _DATES_PATTERN.fullmatch(dates)
    try:
        if not match:
            raise ValueError(dates)
        first = date.fromisoformat(match[1])
        last = date.fromisoformat(match[2]) if match[2] else first
    except ValueError:
        raise InvalidInputError(
            f"dataset {name!r}: {dates!r} is not a valid date or date_date", _NAME_HINT
        ) from None
    if last < first:
        raise InvalidInputError(f"dataset {name!r}: {last} is before {first}", _NAME_HINT)
    return Dataset(mask, config, first, last)


def is_result_file(path: str) -> bool:
    """Whether a path below a dataset is a file of a reduction."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] == COMPLETE and is_reduction_folder(parts[1])


def is_reduction_folder(folder: str) -> bool:
    """Whether a directory of that name is a reduction."""
    return fnmatchcase(folder, REDUCTION_PATTERN) and folder != OLD_REDUCTION


def is_log_file(path: str) -> bool:
    """Whether a path below a dataset is a log of a reduction."""
    name = path.rpartition("/")[2]
    return is_result_file(path) and any(fnmatchcase(name, pattern) for pattern in LOG_PATTERNS)


def is_raw_file(path: str) -> bool:
    """Whether a path below a dataset is a raw frame."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] in (COMPLETE, INCOMPLETE) and parts[1] == RAW


def list_reductions(location: Location) -> list[str]:
    """The reductions of the dataset at `location`, as `complete/reduce`, sorted."""
    entries = (location / COMPLETE).list(missing_ok=True)
    names = [entry.path for entry in entries if entry.is_folder and is_reduction_folder(entry.path)]
    return [f"{COMPLETE}/{name}" for name in names]


def find_datasets(root: Location) -> list[str]:
    """The names of all datasets below a location, sorted; other directories are skipped."""
    if root.kind() != "folder":
        return []
    return select_dataset_names(entry.path for entry in root.list(depth=3) if entry.is_folder)


def select_dataset_names(candidates: Iterable[str]) -> list[str]:
    """The paths that are names of datasets, sorted."""
    return sorted(path for path in candidates if _is_dataset_name(path))


def _is_dataset_name(path: str) -> bool:
    try:
        return str(parse_dataset(path)) == path
    except InvalidInputError:
        return False


@dataclass(frozen=True)
class RawFrame:
    """One raw file; `defect` says why it can't be used ('' if it can)."""

    path: Path
    defect: str = ""

    @property
    def file(self) -> str:
        """Its name, as in PypeIt's tables."""
        return self.path.name


def find_raw_frames(folder: Path) -> list[RawFrame]:
    """The raw frames directly in a directory, sorted by name; each file is checked.

    Raises
    ------
    InvalidInputError : there is no such directory, or no FITS file in it
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise InvalidInputError(
            f"the raw directory {folder} {what}", "name the directory of the raw frames"
        )
    files = sorted(path for path in folder.iterdir() if _is_frame(path))
    if not files:
        raise InvalidInputError(
            f"no raw frames in {folder}",
            f"name the directory that holds the files themselves ({' or '.join(FITS_SUFFIXES)})",
        )
    return [RawFrame(path, _cached_defect(path, _file_signature(path))) for path in files]


def frame_signatures(frames: Sequence[RawFrame]) -> dict[str, list[int]]:
    """Size (bytes) and time of change (ns) by file name; they differ after any change."""
    status = {frame.file: _file_status(frame.path) for frame in frames}
    return {file: [entry.st_size, entry.st_mtime_ns] for file, entry in status.items()}


def link_usable(frames: Sequence[RawFrame], links: Path) -> Path:
    """A directory with the usable frames and nothing else that PypeIt would take for a frame.

    This is their own directory if nothing else is in it; otherwise `links` is created, with a
    symbolic link to each frame. (PypeIt makes a setup A of the files that it can't read.)
    """
    usable = [frame.path for frame in frames if not frame.defect]
    folder = frames[0].path.parent
    if {path for path in folder.iterdir() if ".fit" in path.name.lower()} == set(usable):
        return folder
    links.mkdir(parents=True)
    for path in usable:
        (links / path.name).symlink_to(path)
    return links


def _file_status(path: Path) -> os.stat_result:
    """The status of the link's target; of the link itself if the target is missing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return path.lstat()


def _file_signature(path: Path) -> tuple[int, ...]:
    status = _file_status(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=10_000)
def _cached_defect(path: Path, signature: tuple[int, ...]) -> str:
    """The defect of the file with this signature. Cached: compressed files are read to the end."""
    return headers.find_defect(path)


def _is_frame(path: Path) -> bool:
    return path.name.endswith(FITS_SUFFIXES) and not path.name.startswith(".") and not path.is_dir()
