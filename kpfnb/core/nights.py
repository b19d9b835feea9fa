"""The nights that have raw files: the newest one, which people call `last`, and counts by month.

Only the names of directories and files are read, so that it is fast in a tree of a thousand nights.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError

LAST = "last"
"""What people write for the newest night that has raw files."""
RAW_DIRECTORY = "L0"
ROOT_HINT = "set KPFNB_DATA_ROOT to the directory that holds L0, or name a night as YYYYMMDD"


def find_last_night(root: Path | None = None) -> str:
    """The newest night with a raw file.

    root : the data root; that of the settings if None

    Raises
    ------
    InvalidSettingsError : the data root has no L0
    InvalidInputError : no night has a raw file
    """
    directory = _raw_directory(root)
    for night in sorted(_night_names(directory), reverse=True):
        if any(_raw_names(directory, night)):
            return night
    raise InvalidInputError(f"no night in {directory}: no directory YYYYMMDD with files", ROOT_HINT)


def resolve_night(text: str) -> str:
    """The night that a person names: the newest one for `last`, otherwise the text itself.

    Raises as `find_last_night`.
    """
    return find_last_night() if is_last(text) else text


def resolve_target(text: str) -> str:
    """A target, such as a night, a range START:END or a file, with `last` as the newest night."""
    return ":".join(map(resolve_night, text.split(":")))


def is_last(text: str) -> bool:
    """Whether a person means the newest night."""
    return text.strip().lower() == LAST


def count_raw_files(month: str, root: Path | None = None) -> dict[str, int]:
    """The number of raw files of each night of a month that has any.

    Parameters
    ----------
    month : YYYYMM
    root : the data root; that of the settings if None

    Raises
    ------
    InvalidSettingsError : the data root has no L0
    """
    directory = _raw_directory(root)
    nights = sorted(night for night in _night_names(directory) if night.startswith(month))
    counts = {night: sum(1 for _ in _raw_names(directory, night)) for night in nights}
    return {night: count for night, count in counts.items() if count}


def _raw_directory(root: Path | None) -> Path:
    if root is None:
        from kpfnb.core import settings

        root = settings.load_settings().kpf_root
    return root / RAW_DIRECTORY


def _night_names(directory: Path) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise InvalidSettingsError(
            f"no night in {directory}: {error.strerror}", ROOT_HINT
        ) from None
    yield from filter(_is_night, names)


def _raw_names(directory: Path, night: str) -> Iterator[str]:
    """The names of the raw files in the directory of a night."""
    try:
        with os.scandir(directory / night) as entries:
            for entry in entries:
                if entry.name.startswith(f"KP.{night}.") and entry.name.endswith(".fits"):
                    yield entry.name
    except OSError:
        return


def _is_night(name: str) -> bool:
    try:
        return bool(check_night(name))
    except ValueError:
        return False
