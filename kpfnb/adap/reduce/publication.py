"""The results of a reduction on the remote: the new ones are there and verified before old ones go.

Where there are results already, the new ones are first brought to a folder beside them. Only when
all are verified there they take the old ones' place, by a copy within the remote. The last file is
the manifest: it names the files and their sizes, so it tells whether results are whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import scorecard, scored_slits
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.storage import FileOutcome, Location, StorageError, StorageErrorKind, TransferResult

MANIFEST_FILE = "publication.json"
RESCORED_FILES = (
    scorecard.SCORECARD_FILE,
    scored_slits.BAD_SLITS_FILE,
    scored_slits.SCORED_SLITS_FILE,
)
"""Not in the manifest: they may be made anew, with other limits, from what is there."""
STAGED_PREFIX = "publishing_"
"""Begins the name of the folder beside the old results; it is none of a reduction."""
FAILED_LOGS_FOLDER = "failed"
"""The folder, beside the reductions, for the logs of a run that made nothing better."""


@dataclass(frozen=True)
class PublicationResult:
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


def read_remote_record(
    place: Location, *, name: str = reduction.RECORD_NAME
) -> dict[str, Any] | None:
    """The record of the results that are on a remote; None where there is none."""
    return _read_json(place / name)


def publish_reduction(
    folder: Path,
    target: Location,
    name: str = "",
    *,
    token: int = 0,
    confirm: Callable[[], None] = lambda: None,
) -> PublicationResult:
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
    new = atomic.read_json(folder / reduction.RECORD_NAME)
    name = name or folder.name
    place = target / name
    # Once: each look at a remote is a program and a connection
    there = {one.path for one in place.list(recursive=True, if_there=True)}
    old = read_remote_record(place) if reduction.RECORD_NAME in there else None
    confirm()
    if old and old["outcome"] and reduction.loses_frames(old, new):
        failed = target / FAILED_LOGS_FOLDER / name
        logs = [
            one for one in _relative_paths(folder) if dataset.is_log_file(f"complete/reduce/{one}")
        ]
        return PublicationResult(str(failed), _transfer(folder, failed, only=logs), kept=True)
    manifest = _make_manifest(folder, new)
    if MANIFEST_FILE in there:
        if _is_published(folder, place, manifest):
            return PublicationResult(str(place), 0)
        # Until the new one is there, nobody takes a mixture for results
        (place / MANIFEST_FILE).delete()
    if not there or old == new:
        copied = _transfer(folder, place, mirror=True)
    else:
        staged = target / f"{STAGED_PREFIX}{name}"
        copied = _transfer(folder, staged, mirror=True)
        confirm()
        _transfer(staged, place, mirror=True)
        staged.delete()
    written = folder.with_name(f"{STAGED_PREFIX}{folder.name}.json")
    atomic.write_json(written, {**manifest, "token": token})
    confirm()
    _transfer(written, place / MANIFEST_FILE)
    written.unlink()
    return PublicationResult(str(place), copied)


def is_complete(manifest: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether results are all there and good, by their manifest and the sizes of files by path."""
    return manifest["outcome"] == Outcome.SUCCEEDED and all(
        sizes.get(path) == size for path, size in manifest["files"].items()
    )


def read_remote_manifest(place: Location) -> dict[str, Any] | None:
    """The manifest of results on a remote; None where there is none."""
    return _read_json(place / MANIFEST_FILE)


def _read_json(place: Location) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(place.read_text())
    except (ValueError, InvalidInputError):
        # One that is not there or damaged tells nothing; it is replaced
        return None
    return found


def _make_manifest(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    later = {MANIFEST_FILE, *RESCORED_FILES}
    sizes = {
        path: (folder / path).stat().st_size
        for path in _relative_paths(folder)
        if path not in later
    }
    return {**{name: record[name] for name in ("outcome", "reason", "started")}, "files": sizes}


def _relative_paths(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not Path(path).name.startswith(atomic.TEMPORARY_PREFIX))


def _is_published(folder: Path, place: Location, manifest: Mapping[str, Any]) -> bool:
    """Whether just these results, and their manifest, are on the remote."""
    there = read_remote_manifest(place)
    if not there or any(there.get(name) != value for name, value in manifest.items()):
        return False
    planned = storage.transfer_files(folder, place, mirror=True, dry_run=True, progress=False)
    return all(
        item.state is FileOutcome.UNCHANGED or item.path == MANIFEST_FILE for item in planned.items
    )


def _transfer(source: Path | Location, place: Location, **options: Any) -> int:
    """Copy, and raise where not every file is there; how many files were copied."""
    carried = storage.transfer_files(source, place, progress=False, **options)
    require_transferred(carried)
    return sum(item.state is FileOutcome.COPIED for item in carried.items)


def require_transferred(carried: TransferResult) -> None:
    """`StorageError` where a file is not at its destination."""
    if carried.interrupted:
        raise KeyboardInterrupt
    if carried.failed:
        first = carried.failed[0]
        told = f"{carried.source} → {carried.destination}: {carried.reason}"
        raise StorageError(first.error_kind or StorageErrorKind.OTHER, told)


def file_sizes_below(entries: Iterable[storage.StorageEntry], folder: str) -> dict[str, int]:
    """The sizes of the files below a folder, by their paths there."""
    begin = f"{folder}/"
    return {
        one.path.removeprefix(begin): one.size
        for one in entries
        if one.path.startswith(begin) and not one.is_folder
    }


# Results that are on the remote already: where their inputs are the same, PypeIt is not run again.
#
# That is so for those that have succeeded. Partial and failed ones are always made again: what was
# lacking may have been the machine's fault, and the better of both stays.
#
# So a dataset whose worker died between publishing and reporting costs its successor a download.


def fetch_if_same(
    place: Location,
    folder: Path,
    record: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    progress: bool = True,
) -> ReductionResult | None:
    """The reduction on the remote, brought to `folder`; None where it is not the one wanted.

    A finished one in `folder` is left alone, since it goes before what is on the remote.

    Parameters
    ----------
    place : of the reduction on the remote
    record : of the reduction that is there
    inputs : of the reduction that is wanted

    Raises
    ------
    StorageError : it can't be brought
    """
    if _without_locations(record["inputs"]) != _without_locations(inputs):
        return None
    if reduction.recover_folder(folder):
        return None
    manifest = read_remote_manifest(place)
    sizes = {one.path: one.size for one in place.list(recursive=True) if not one.is_folder}
    if manifest is None or not is_complete(manifest, sizes):
        return None
    require_transferred(storage.transfer_files(place, folder, mirror=True, progress=progress))
    # It tells that all is there; it must never go back before all else has
    (folder / MANIFEST_FILE).unlink()
    made = ReductionResult.from_dict(dict(record), folder)
    return replace(made, note=f"nothing to do: {made.reason}, as on the remote")


def _without_locations(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs without where the raw frames were: each machine has them in another place."""
    raw, plans = inputs["raw"], inputs.get("plans", {})
    texts = {name: text.replace(raw, "") for name, text in plans.items()}
    return {**inputs, "raw": "", "plans": texts}
