"""The stamp beside a night's masters: from which calibrations they were made, and what they were.

It is written last. A run that was killed left none, and one that nobody can read says nothing: the
night is made again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kpfnb import files
from kpfnb.errors import BadInput
from kpfnb.kpf import version as versions
from kpfnb.kpf.newproducts import signature_of

NAME = ".kpfnb-masters.json"

States = dict[str, list[int]]
"""File name to size in bytes and modification time in ns."""


def states(paths: Iterable[Path]) -> States:
    """How the files are now."""
    return {path.name: list(signature_of(path)[1:]) for path in sorted(paths)}


def write(place: Path, calibrations: States, masters: Iterable[Path], version: str) -> None:
    """Say that these masters in `place` are made, from these calibrations."""
    stamp = {"version": version, "calibrations": calibrations, "masters": states(masters)}
    files.write_json(place / NAME, stamp)


def remove(place: Path) -> None:
    """The masters are about to be made anew."""
    (place / NAME).unlink(missing_ok=True)


def holds(place: Path, calibrations: States, version: str) -> bool:
    """Whether the masters were made from these calibrations, and are there as they were made.

    version : the DRP version that they must have at least; '' for any
    """
    stamp = _read(place / NAME)
    masters = stamp.get("masters")
    if stamp.get("calibrations") != calibrations or not masters:
        return False
    if version and not versions.is_current(str(stamp.get("version")), version):
        return False
    return bool(states(place / name for name in masters) == masters)


def _read(file: Path) -> dict[str, Any]:
    try:
        stamp = files.read_json(file)
    except (FileNotFoundError, NotADirectoryError, BadInput):
        return {}
    return stamp if isinstance(stamp, dict) else {}
