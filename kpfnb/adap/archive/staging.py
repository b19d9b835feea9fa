"""A folder of links: files as they are to be in the delivery, wherever they are here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kpfnb.adap.archive.unit import Unit


@contextmanager
def folder(desk: Path, unit: Unit, links: Mapping[str, Path] | None = None) -> Iterator[Path]:
    """A folder of the unit's own with links by their path in it; it is gone after the block."""
    path = desk / "staging" / unit.name.replace("/", "+")
    # What a killed run has left
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        for place, target in (links or {}).items():
            link = path / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
