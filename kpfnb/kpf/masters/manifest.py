"""The stamp beside a night's masters: from which calibrations they were made, and what they were.

It is written last. A run that was killed left none, and one that nobody can read says nothing: the
night is made again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files import drp
from kpfnb.kpf.reprocess.new_products import product_signature

MANIFEST_NAME = ".kpfnb-masters.json"

FileStates = dict[str, list[int]]
"""File name to size in bytes and modification time in ns."""


def file_states(paths: Iterable[Path]) -> FileStates:
    """How the files are now."""
    return {path.name: list(product_signature(path)[1:]) for path in sorted(paths)}


def write_manifest(
    place: Path, calibrations: FileStates, masters: Iterable[Path], version: str
) -> None:
    """Say that these masters in `place` are made, from these calibrations."""
    stamp = {"version": version, "calibrations": calibrations, "masters": file_states(masters)}
    atomic.write_json(place / MANIFEST_NAME, stamp)


def remove_manifest(place: Path) -> None:
    """The masters are about to be made anew."""
    (place / MANIFEST_NAME).unlink(missing_ok=True)


def is_current(place: Path, calibrations: FileStates, version: str) -> bool:
    """Whether the masters were made from these calibrations, and are there as they were made.

    version : the DRP version that they must have at least; '' for any
    """
    stamp = _read_manifest(place / MANIFEST_NAME)
    masters = stamp.get("masters")
    if stamp.get("calibrations") != calibrations or not masters:
        return False
    if version and not drp.satisfies_version(str(stamp.get("version")), version):
        return False
    return bool(file_states(place / name for name in masters) == masters)


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        stamp = atomic.read_json(file)
    except (FileNotFoundError, NotADirectoryError, InvalidInputError):
        return {}
    return stamp if isinstance(stamp, dict) else {}
