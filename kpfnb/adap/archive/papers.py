"""The small text files of a delivery, read and written whole; carried where it is a remote."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from kpfnb import files, storage
from kpfnb.errors import ServiceUnavailable
from kpfnb.storage import Location


def bring(place: Location, folder: Path) -> Path:
    """All files of a folder of the delivery: where they are here, brought where they are not.

    Only those that are new or changed are carried; `folder` is kept for them.
    """
    if place.is_local:
        return Path(place.argument)
    if place.kind() != "folder":
        return folder / "none"
    _carry(place, folder, mirror=True)
    return folder


def read(place: Location) -> str | None:
    """The text of one file; None where it is not there."""
    if place.is_local:
        path = Path(place.argument)
        return path.read_text(encoding="utf-8") if path.is_file() else None
    return place.read_text() if place.kind() == "file" else None


def write(place: Location, texts: Mapping[str, str]) -> None:
    """Write texts to their paths below a place; those that are there already are left alone."""
    if place.is_local:
        for name, text in texts.items():
            if read(place / name) != text:
                files.write_text(Path(place.argument) / name, text)
        return
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as folder:
        for name, text in texts.items():
            files.write_text(Path(folder) / name, text)
        _carry(storage.at(folder), place)


def _carry(source: Location, destination: Location | Path, *, mirror: bool = False) -> None:
    carried = storage.carry(source, destination, mirror=mirror, progress=False)
    if carried.failed:
        raise ServiceUnavailable(f"{source} to {destination}: {carried.reason}")
