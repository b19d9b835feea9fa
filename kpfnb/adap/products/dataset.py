"""Datasets: their names, `mask/config/date` or `mask/config/date_date`, and what belongs to them.

Below a dataset are `complete` (at least a science, a flat and an arc frame) with `raw` and the
reductions `reduce*`, or `incomplete` with `raw` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from kpfnb.errors import BadInput
from kpfnb.storage import Location
from kpfnb.storage import names as allowed

FOLDER = "datasets"
"""Below the work directory: the datasets that are here."""
COMPLETE, INCOMPLETE, RAW = "complete", "incomplete", "raw"
REDUCTIONS = "reduce*"
OLD_REDUCTION = "reduce_old"
"""Early backups, kept beside the results; they are none."""
LOGS = ("*.log", "*.out", "*stdout.txt", "*_useful_warns.log", "reduction.json")

_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:_(\d{4}-\d\d-\d\d))?")
_HINT = "datasets are named mask/config/date, as 041615B1/1200G_8800_OG550/2015-10-16"


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


def parse(name: str) -> Dataset:
    """The dataset of that name. `BadInput` says which part of it is wrong."""
    parts = allowed.check(name.strip().rstrip("/")).split("/")
    if len(parts) != 3:
        raise BadInput(f"{name!r} has {len(parts)} parts, not 3", _HINT)
    mask, config, dates = parts
    found = _DATES.fullmatch(dates)
    try:
        if not found:
            raise ValueError(dates)
        first = date.fromisoformat(found[1])
        last = date.fromisoformat(found[2]) if found[2] else first
    except ValueError:
        raise BadInput(f"dataset {name!r}: {dates!r} is no date or date_date", _HINT) from None
    if last < first:
        raise BadInput(f"dataset {name!r}: {last} is before {first}", _HINT)
    return Dataset(mask, config, first, last)


def is_result(path: str) -> bool:
    """True for a file of a reduction, by its path below the dataset."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] == COMPLETE and is_reduction(parts[1])


def is_reduction(folder: str) -> bool:
    """True for the name of a folder of results."""
    return fnmatchcase(folder, REDUCTIONS) and folder != OLD_REDUCTION


def is_log(path: str) -> bool:
    """True for a log of a reduction, by its path below the dataset."""
    name = path.rpartition("/")[2]
    return is_result(path) and any(fnmatchcase(name, pattern) for pattern in LOGS)


def is_raw(path: str) -> bool:
    """True for a raw frame, by its path below the dataset."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] in (COMPLETE, INCOMPLETE) and parts[1] == RAW


def reductions(place: Location) -> list[str]:
    """The folders of results of the dataset at `place`, as `complete/reduce`, by name."""
    found = (place / COMPLETE).list(if_there=True)
    return [f"{COMPLETE}/{one.path}" for one in found if one.is_folder and is_reduction(one.path)]


def find(root: Location) -> list[str]:
    """The names of all datasets below a place, sorted; other folders are passed over."""
    if root.kind() != "folder":
        return []
    return names_of(one.path for one in root.list(depth=3) if one.is_folder)


def names_of(paths: Iterable[str]) -> list[str]:
    """Those of the paths that are names of datasets, sorted."""
    return sorted(path for path in paths if _is_name(path))


def _is_name(path: str) -> bool:
    try:
        return str(parse(path)) == path
    except BadInput:
        return False
