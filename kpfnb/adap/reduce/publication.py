"""Publication of results: new ones are verified on the remote before old ones are removed.

If there are results already, the new ones are first uploaded to a folder beside them. Only when all
are verified there, a copy within the remote replaces the old ones. The manifest is uploaded last:
it lists the files and their sizes, so it shows whether results are complete.
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
from kpfnb.storage import FileOutcome, Location

MANIFEST_FILE = "publication.json"
RESCORED_FILES = (
    scorecard.SCORECARD_FILE,
    scored_slits.BAD_SLITS_FILE,
    scored_slits.SCORED_SLITS_FILE,
)
"""Files that are not in the manifest: scoring again, with other limits, changes them."""
STAGED_PREFIX = "publishing_"
"""Begins the name of the folder of new results, so that it is not taken for a reduction."""
FAILED_LOGS_FOLDER = "failed"
"""The folder, beside the reductions, for the logs of runs that were no improvement."""


@dataclass(frozen=True)
class PublicationResult:
    """Where the results were uploaded to.

    Attributes
    ----------
    kept : True if the earlier results on the remote are better, and stay; then only the logs of
        the new ones were uploaded
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
    """The record of the results on a remote; None if there is none."""
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

    If it is stopped, it can be called again. If it has not reduced a frame that the one on the
    remote has, the results there stay: only its logs are uploaded, beside them.

    Parameters
    ----------
    target : `mask/config/date/complete` on the remote
    name : of the folder there; by default the name of the local one
    token : the fencing token of the publishing worker, for the manifest
    confirm : called before anything changes on the remote; raises if it must not change

    Raises
    ------
    StorageError : not every file is there; the earlier results are unchanged, or are being
        replaced by verified ones
    LeaseLostError : by `confirm`
    """
    record = atomic.read_json(folder / reduction.RECORD_NAME)
    name = name or folder.name
    place = target / name
    # Listed once: each request to a remote starts a program and a connection
    remote_paths = {entry.path for entry in place.list(recursive=True, missing_ok=True)}
    remote_record = read_remote_record(place) if reduction.RECORD_NAME in remote_paths else None
    confirm()
    if remote_record and remote_record["outcome"] and reduction.loses_frames(remote_record, record):
        return _publish_logs(folder, target / FAILED_LOGS_FOLDER / name)
    manifest = _make_manifest(folder, record)
    if MANIFEST_FILE in remote_paths:
        if _is_published(folder, place, manifest):
            return PublicationResult(str(place), 0)
        # Until the new manifest is there, a mixture is never taken for results
        (place / MANIFEST_FILE).delete()
    if not remote_paths or remote_record == record:
        copied = _transfer_all(folder, place, mirror=True)
    else:
        staged = target / f"{STAGED_PREFIX}{name}"
        copied = _transfer_all(folder, staged, mirror=True)
        confirm()
        _transfer_all(staged, place, mirror=True)
        staged.delete()
    local_manifest = folder.with_name(f"{STAGED_PREFIX}{folder.name}.json")
    atomic.write_json(local_manifest, {**manifest, "token": token})
    confirm()
    _transfer_all(local_manifest, place / MANIFEST_FILE)
    local_manifest.unlink()
    return PublicationResult(str(place), copied)


def _publish_logs(folder: Path, place: Location) -> PublicationResult:
    paths = _relative_paths(folder)
    logs = [path for path in paths if dataset.is_log_file(f"complete/reduce/{path}")]
    return PublicationResult(str(place), _transfer_all(folder, place, only=logs), kept=True)


def is_complete(manifest: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether results succeeded and are all there, by their manifest and the file sizes by path."""
    return manifest["outcome"] == Outcome.SUCCEEDED and all(
        sizes.get(path) == size for path, size in manifest["files"].items()
    )


def read_remote_manifest(place: Location) -> dict[str, Any] | None:
    """The manifest of the results on a remote; None if there is none."""
    return _read_json(place / MANIFEST_FILE)


def _read_json(place: Location) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(place.read_text())
    except (ValueError, InvalidInputError):
        # A missing or damaged file says nothing; it is replaced
        return None
    return content


def _make_manifest(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {MANIFEST_FILE, *RESCORED_FILES}
    paths = [path for path in _relative_paths(folder) if path not in left_out]
    sizes = {path: (folder / path).stat().st_size for path in paths}
    return {**{key: record[key] for key in ("outcome", "reason", "started")}, "files": sizes}


def _relative_paths(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        path.relative_to(folder).as_posix()
        for path in paths
        if not path.name.startswith(atomic.TEMPORARY_PREFIX)
    )


def _is_published(folder: Path, place: Location, manifest: Mapping[str, Any]) -> bool:
    """Whether exactly these results, and their manifest, are on the remote."""
    remote_manifest = read_remote_manifest(place)
    if not remote_manifest:
        return False
    if any(remote_manifest.get(key) != value for key, value in manifest.items()):
        return False
    plan = storage.transfer_files(folder, place, mirror=True, dry_run=True, progress=False)
    return all(
        item.state is FileOutcome.UNCHANGED or item.path == MANIFEST_FILE for item in plan.items
    )


def _transfer_all(source: Path | Location, place: Location, **options: Any) -> int:
    """Copy, and raise if not every file is there; the number of files that were copied."""
    transfer = storage.transfer_files(source, place, progress=False, **options).require_complete()
    return sum(item.state is FileOutcome.COPIED for item in transfer.items)


def file_sizes_below(entries: Iterable[storage.StorageEntry], folder: str) -> dict[str, int]:
    """The sizes of the files below a folder, by their paths in it."""
    prefix = f"{folder}/"
    return {
        entry.path.removeprefix(prefix): entry.size
        for entry in entries
        if entry.path.startswith(prefix) and not entry.is_folder
    }


def fetch_if_same(
    place: Location,
    folder: Path,
    record: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    progress: bool = True,
) -> ReductionResult | None:
    """Download the reduction on the remote to `folder`; None if it is not the wanted one.

    Only one that succeeded counts: partial and failed ones are always repeated, since the cause may
    have been the machine's, and the better of both stays. So a dataset whose worker was killed
    between publishing and reporting costs the next worker only a download.

    A finished reduction in `folder` is left alone; it has precedence over the remote.

    Parameters
    ----------
    place : of the reduction on the remote
    record : of the reduction on the remote
    inputs : of the wanted reduction

    Raises
    ------
    StorageError : it can't be downloaded
    """
    if _without_locations(record["inputs"]) != _without_locations(inputs):
        return None
    if reduction.recover_folder(folder):
        return None
    manifest = read_remote_manifest(place)
    sizes = {entry.path: entry.size for entry in place.list(recursive=True) if not entry.is_folder}
    if manifest is None or not is_complete(manifest, sizes):
        return None
    storage.transfer_files(place, folder, mirror=True, progress=progress).require_complete()
    # It says that all is there, so it must be the last file to be uploaded again
    (folder / MANIFEST_FILE).unlink()
    result = ReductionResult.from_dict(dict(record), folder)
    return replace(result, note=f"nothing to do: {result.reason}, as on the remote")


def _without_locations(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs without the folder of the raw frames, which is another one on each machine."""
    raw, plans = inputs["raw"], inputs.get("plans", {})
    texts = {name: text.replace(raw, "") for name, text in plans.items()}
    return {**inputs, "raw": "", "plans": texts}
