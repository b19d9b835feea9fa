"""The results of a reduction on the remote: the new ones are there and verified before old ones go.

Where there are results already, the new ones are first brought to a folder beside them. Only when
all are verified there they take the old ones' place, by a copy within the remote. The last file is
the manifest: it names the files and their sizes, so it tells whether results are whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb import files, storage
from kpfnb.adap import dataset
from kpfnb.adap.reducing import workplace
from kpfnb.adap.scoring import badslits, scorecard, scoreslits
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.storage import Carried, Location, State, StorageError, Trouble

MANIFEST = "publication.json"
RESCORED = (scorecard.FILE, badslits.FILE, scoreslits.FILE)
"""Not in the manifest: they may be made anew, with other limits, from what is there."""
STAGED = "publishing_"
"""Begins the name of the folder beside the old results; it is none of a reduction."""
FAILED = "failed"
"""The folder, beside the reductions, for the logs of a run that made nothing better."""


@dataclass(frozen=True)
class Published:
    """Where the results went.

    Attributes
    ----------
    kept : True where the earlier results on the remote are better, and stay; of the new ones only
        the logs are there then
    """

    place: str
    copied: int
    kept: bool = False

    def __str__(self) -> str:
        if self.kept:
            return f"earlier results are kept; logs in {self.place}"
        return f"{self.copied} files copied to {self.place}"


def record_on(place: Location, *, name: str = workplace.RECORD) -> dict[str, Any] | None:
    """The record of the results that are on a remote; None where there is none."""
    return _json(place / name)


def publish(
    folder: Path,
    target: Location,
    name: str = "",
    *,
    token: int = 0,
    confirm: Callable[[], None] = lambda: None,
) -> Published:
    """Make `<target>/<name>` the same as the folder of a reduction.

    Stopped anywhere, it can be called again. A run that lost a frame that the remote has leaves
    the results there alone: only its logs are brought, beside them.

    Parameters
    ----------
    target : `mask/config/date/complete` on the remote
    name : of the folder there; that of the local one by default
    token : the fencing token of whoever publishes, for the manifest
    confirm : called before anything changes on the remote; raises where it must not

    Raises
    ------
    StorageError : not every file is there; the earlier results are as they were, or are being
        replaced by verified ones
    LeaseLost : by `confirm`
    """
    new = files.read_json(folder / workplace.RECORD)
    name = name or folder.name
    place = target / name
    # Once: each look at a remote is a program and a connection
    there = {one.path for one in place.list(recursive=True, if_there=True)}
    old = record_on(place) if workplace.RECORD in there else None
    confirm()
    if old and old["outcome"] and workplace.loses(old, new):
        failed = target / FAILED / name
        logs = [one for one in _paths(folder) if dataset.is_log(f"complete/reduce/{one}")]
        return Published(str(failed), _carry(folder, failed, only=logs), kept=True)
    manifest = _manifest(folder, new)
    if MANIFEST in there:
        if _is_there(folder, place, manifest):
            return Published(str(place), 0)
        # Until the new one is there, nobody takes a mixture for results
        (place / MANIFEST).delete()
    if not there or old == new:
        copied = _carry(folder, place, mirror=True)
    else:
        staged = target / f"{STAGED}{name}"
        copied = _carry(folder, staged, mirror=True)
        confirm()
        _carry(staged, place, mirror=True)
        staged.delete()
    written = folder.with_name(f"{STAGED}{folder.name}.json")
    files.write_json(written, {**manifest, "token": token})
    confirm()
    _carry(written, place / MANIFEST)
    written.unlink()
    return Published(str(place), copied)


def is_whole(manifest: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether results are all there and good, by their manifest and the sizes of files by path."""
    return manifest["outcome"] == Outcome.SUCCEEDED and all(
        sizes.get(path) == size for path, size in manifest["files"].items()
    )


def manifest_on(place: Location) -> dict[str, Any] | None:
    """The manifest of results on a remote; None where there is none."""
    return _json(place / MANIFEST)


def _json(place: Location) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(place.read_text())
    except (ValueError, BadInput):
        # One that is not there or damaged tells nothing; it is replaced
        return None
    return found


def _manifest(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    later = {MANIFEST, *RESCORED}
    sizes = {path: (folder / path).stat().st_size for path in _paths(folder) if path not in later}
    return {**{name: record[name] for name in ("outcome", "reason", "started")}, "files": sizes}


def _paths(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not Path(path).name.startswith(files.TEMPORARY_PREFIX))


def _is_there(folder: Path, place: Location, manifest: Mapping[str, Any]) -> bool:
    """Whether just these results, and their manifest, are on the remote."""
    there = manifest_on(place)
    if not there or any(there.get(name) != value for name, value in manifest.items()):
        return False
    planned = storage.carry(folder, place, mirror=True, dry_run=True, progress=False)
    return all(item.state is State.THERE or item.path == MANIFEST for item in planned.items)


def _carry(source: Path | Location, place: Location, **options: Any) -> int:
    """Copy, and raise where not every file is there; how many files were copied."""
    carried = storage.carry(source, place, progress=False, **options)
    check(carried)
    return sum(item.state is State.COPIED for item in carried.items)


def check(carried: Carried) -> None:
    """`StorageError` where a file is not at its destination."""
    if carried.interrupted:
        raise KeyboardInterrupt
    if carried.failed:
        first = carried.failed[0]
        told = f"{carried.source} → {carried.destination}: {carried.reason}"
        raise StorageError(first.trouble or Trouble.OTHER, told)


def sizes_below(entries: Iterable[storage.Entry], folder: str) -> dict[str, int]:
    """The sizes of the files below a folder, by their paths there."""
    begin = f"{folder}/"
    return {
        one.path.removeprefix(begin): one.size
        for one in entries
        if one.path.startswith(begin) and not one.is_folder
    }
