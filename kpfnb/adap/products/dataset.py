"""Datasets: their names, `mask/config/date` or `mask/config/date_date`, and what belongs to them.

Below a dataset are `complete` (at least a science, a flat and an arc frame) with `raw` and the
reductions `reduce*`, or `incomplete` with `raw` only.
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
from kpfnb.storage import Location
from kpfnb.storage import paths as allowed

# The raw frames of a dataset: which there are, and which of them can be used.

FITS_SUFFIXES = (".fits", ".fits.gz")


@dataclass(frozen=True)
class RawFrame:
    """One raw file; `defect` says why it can't be used ('' where it can)."""

    path: Path
    defect: str = ""

    @property
    def file(self) -> str:
        """Its name, which PypeIt's tables use too."""
        return self.path.name


def find_raw_frames(folder: Path) -> list[RawFrame]:
    """The raw frames in the folder itself, by name, each looked at.

    Raises
    ------
    InvalidInputError : there is no such folder, or no FITS file in it
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise InvalidInputError(
            f"the raw folder {folder} {what}", "name the folder of the raw frames"
        )
    paths = sorted(path for path in folder.iterdir() if _is_frame(path))
    if not paths:
        raise InvalidInputError(
            f"no raw frames in {folder}",
            f"name the folder that holds the files themselves ({' or '.join(FITS_SUFFIXES)})",
        )
    return [RawFrame(path, _cached_defect(path, _file_signature(path))) for path in paths]


def _file_status(path: Path) -> os.stat_result:
    """Of the file that a link leads to; of the link itself where it leads nowhere."""
    try:
        return path.stat()
    except FileNotFoundError:
        return path.lstat()


def _file_signature(path: Path) -> tuple[int, ...]:
    status = _file_status(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=10_000)
def _cached_defect(path: Path, stamp: tuple[int, ...]) -> str:
    """Of the file that has this stamp: compressed ones are read to their end for it."""
    return headers.find_defect(path)


def frame_signatures(frames: Sequence[RawFrame]) -> dict[str, list[int]]:
    """Size (bytes) and time of change (ns) of each file by name: they tell that one changed."""
    status = {frame.file: _file_status(frame.path) for frame in frames}
    return {file: [found.st_size, found.st_mtime_ns] for file, found in status.items()}


def link_usable(frames: Sequence[RawFrame], links: Path) -> Path:
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
    return path.name.endswith(FITS_SUFFIXES) and not path.name.startswith(".") and not path.is_dir()


DATASETS_FOLDER = "datasets"
"""Below the work directory: the datasets that are here."""
COMPLETE, INCOMPLETE, RAW = "complete", "incomplete", "raw"
REDUCTION_PATTERN = "reduce*"
OLD_REDUCTION = "reduce_old"
"""Early backups, kept beside the results; they are none."""
LOG_PATTERNS = ("*.log", "*.out", "*stdout.txt", "*_useful_warns.log", "reduction.json")

_DATES_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d)(?:_(\d{4}-\d\d-\d\d))?")
_NAME_HINT = "datasets are named mask/config/date, as 041615B1/1200G_8800_OG550/2015-10-16"


@dataclass(frozen=True, order=True)
class Dataset:
    """The frames of one mask in one configuration, of one night or of joined nights.

    Attributes
    ----------
    first, last : UT dates of the first and the last night; the same for one night
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
    parts = allowed.check_path(name.strip().rstrip("/")).split("/")
    if len(parts) != 3:
        raise InvalidInputError(f"{name!r} has {len(parts)} parts, not 3", _NAME_HINT)
    mask, config, dates = parts
    found = _DATES_PATTERN.fullmatch(dates)
    try:
        if not found:
            raise ValueError(dates)
        first = date.fromisoformat(found[1])
        last = date.fromisoformat(found[2]) if found[2] else first
    except ValueError:
        raise InvalidInputError(
            f"dataset {name!r}: {dates!r} is no date or date_date", _NAME_HINT
        ) from None
    if last < first:
        raise InvalidInputError(f"dataset {name!r}: {last} is before {first}", _NAME_HINT)
    return Dataset(mask, config, first, last)


def is_result_file(path: str) -> bool:
    """True for a file of a reduction, by its path below the dataset."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] == COMPLETE and is_reduction_folder(parts[1])


def is_reduction_folder(folder: str) -> bool:
    """True for the name of a folder of results."""
    return fnmatchcase(folder, REDUCTION_PATTERN) and folder != OLD_REDUCTION


def is_log_file(path: str) -> bool:
    """True for a log of a reduction, by its path below the dataset."""
    name = path.rpartition("/")[2]
    return is_result_file(path) and any(fnmatchcase(name, pattern) for pattern in LOG_PATTERNS)


def is_raw_file(path: str) -> bool:
    """True for a raw frame, by its path below the dataset."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] in (COMPLETE, INCOMPLETE) and parts[1] == RAW


def list_reductions(place: Location) -> list[str]:
    """The folders of results of the dataset at `place`, as `complete/reduce`, by name."""
    found = (place / COMPLETE).list(if_there=True)
    return [
        f"{COMPLETE}/{one.path}" for one in found if one.is_folder and is_reduction_folder(one.path)
    ]


def find_datasets(root: Location) -> list[str]:
    """The names of all datasets below a place, sorted; other folders are passed over."""
    if root.kind() != "folder":
        return []
    return select_dataset_names(one.path for one in root.list(depth=3) if one.is_folder)


def select_dataset_names(paths: Iterable[str]) -> list[str]:
    """Those of the paths that are names of datasets, sorted."""
    return sorted(path for path in paths if _is_dataset_name(path))


def _is_dataset_name(path: str) -> bool:
    try:
        return str(parse_dataset(path)) == path
    except InvalidInputError:
        return False
