"""The manifest of a night's masters: from which calibrations they were made.

It is written last, so a run that was killed leaves none, and without a readable manifest the
masters of the night are made again.
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
    """The present state of files."""
    return {path.name: list(product_signature(path)[1:]) for path in sorted(paths)}


def write_manifest(
    directory: Path, calibrations: FileStates, masters: Iterable[Path], version: str
) -> None:
    """Write that these masters in a directory are made from these calibrations."""
    content = {"version": version, "calibrations": calibrations, "masters": file_states(masters)}
    atomic.write_json(directory / MANIFEST_NAME, content)


def remove_manifest(directory: Path) -> None:
    """Remove the manifest before the masters are made again."""
    (directory / MANIFEST_NAME).unlink(missing_ok=True)


def is_current(directory: Path, calibrations: FileStates, version: str) -> bool:
    """Whether the masters were made from these calibrations and are unchanged since.

    version : the lowest DRP version that they may have; '' for any
    """
    content = _read_manifest(directory / MANIFEST_NAME)
    masters = content.get("masters")
    if content.get("calibrations") != calibrations or not masters:
        return False
    if version and not drp.satisfies_version(str(content.get("version")), version):
        return False
    return bool(file_states(directory / name for name in masters) == masters)


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        content = atomic.read_json(file)
    except (FileNotFoundError, NotADirectoryError, InvalidInputError):
        return {}
    return content if isinstance(content, dict) else {}
