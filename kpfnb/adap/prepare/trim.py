"""Trimmed setups: `.pypeit` files with the calibrations that PypeIt needs, and no more.

A dataset's custom file replaces the default: `<mask>_<config>_<date>_<reduce...>.ini` has other
parameters, `...pypeit` is a complete `.pypeit` file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import storage
from kpfnb.adap.prepare import trimmed_setup
from kpfnb.adap.prepare.frames import RawExposure, read_exposure
from kpfnb.adap.prepare.trim_result import TrimFileResult, TrimResult
from kpfnb.adap.products import remote_datasets
from kpfnb.adap.products.dataset import (
    COMPLETE,
    DATASETS_FOLDER,
    RAW,
    RawFrame,
    find_datasets,
    find_raw_frames,
    is_reduction_folder,
    parse_dataset,
)
from kpfnb.adap.products.reduction import read_finished_record
from kpfnb.adap.profiles.spectrograph import Profile, load_profile
from kpfnb.adap.pypeit import input_files
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    from kpfnb.queue.lease import Lease

DEFAULT_REDUCTION = "reduce"
INI_SUFFIX, PYPEIT_SUFFIX = ".ini", ".pypeit"

LOCK_WAIT_SECONDS = 60
"""How long to wait for the end of a killed worker."""


@dataclass(frozen=True)
class CustomFile:
    """A dataset's own parameters or `.pypeit` file, for the reduction of that name."""

    reduction: str
    path: Path | None = None


def trim_dataset(
    raw: Path,
    output: Path,
    profile: Profile,
    *,
    dataset: str = "",
    custom: Path | None = None,
    exclude: Path | Iterable[str] = (),
    dry_run: bool = False,
) -> TrimResult:
    """Write the `.pypeit` files of a dataset; unchanged files are not written again.

    Their paths are `<output>/<reduce...>/<spectrograph>_A/<spectrograph>_A.pypeit`.

    Parameters
    ----------
    raw : directory of its raw frames, only read
    output : directory of its reductions, as `mask/config/date/complete`
    dataset : its name, which selects its custom files
    custom : directory with custom files of datasets, at any depth
    exclude : names of frames not to use, or a file with one name a line (# begins a comment)

    Raises
    ------
    InvalidInputError : no frames, a name that is not valid, or a custom file that can't be used
    """
    custom_files = find_custom_files(custom, dataset) or [CustomFile(DEFAULT_REDUCTION)]
    excluded = read_excluded_names(exclude)
    raw = raw.absolute()
    exposures = [_read_frame(frame, profile) for frame in find_raw_frames(raw)]
    reasons = trimmed_setup.rejected_frames(exposures, profile, excluded)
    # A row of the table needs a time and a type
    rows = [frame for frame in exposures if frame.types and frame.values["mjd"] is not None]
    setup = f"{profile.spectrograph}_{trimmed_setup.SETUP_LETTER}"
    results = []
    for custom_file in custom_files:
        text = _setup_text(custom_file, raw, profile, rows, reasons)
        path = output / custom_file.reduction / setup / f"{setup}{PYPEIT_SUFFIX}"
        results.append(_write_file(path, text, custom_file, raw, dry_run=dry_run))
    return TrimResult(dataset or str(raw), tuple(results), tuple(exposures), reasons, dry_run)


def find_custom_files(folder: Path | None, dataset: str) -> list[CustomFile]:
    """The custom files of a dataset in that directory or below it.

    The name must be exact: `..._2011-01-28_reduce` is not a file of `2011-01-28_2011-01-29`.

    Raises
    ------
    InvalidInputError : no such directory, a dataset name that is not valid, or two files for one
        reduction
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise InvalidInputError(
            f"the directory of custom files {folder} does not exist", "check the name"
        )
    prefix = str(parse_dataset(dataset)).replace("/", "_") + "_"
    by_reduction: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{DEFAULT_REDUCTION}*")):
        reduction = path.stem.removeprefix(prefix)
        if path.suffix not in (INI_SUFFIX, PYPEIT_SUFFIX) or reduction == path.stem:
            continue
        if not is_reduction_folder(reduction):
            continue
        if other := by_reduction.get(reduction):
            raise InvalidInputError(f"{path} and {other} are for the same reduction", "remove one")
        by_reduction[reduction] = path
    return [CustomFile(reduction, path) for reduction, path in by_reduction.items()]


def read_excluded_names(exclude: Path | Iterable[str]) -> list[str]:
    """The names of frames not to use, from a list or a file."""
    if not isinstance(exclude, Path):
        return list(exclude)
    lines = [line.partition("#")[0].strip() for line in _read_text(exclude).splitlines()]
    return [line for line in lines if line]


def _read_frame(frame: RawFrame, profile: Profile) -> RawExposure:
    """The frame by its header; an incomplete file is not used, whatever its header says."""
    exposure = read_exposure(frame.path, profile)
    return replace(exposure, defect=exposure.defect or frame.defect)


def _setup_text(
    custom_file: CustomFile,
    raw: Path,
    profile: Profile,
    rows: Sequence[RawExposure],
    reasons: dict[str, str],
) -> str:
    path = custom_file.path
    if path and path.suffix == PYPEIT_SUFFIX:
        return trimmed_setup.replace_raw_path(_read_text(path), raw, path)
    parameters = _custom_parameters(path, profile) if path else profile.parameter_lines
    return trimmed_setup.format_setup_file(raw, profile, rows, reasons, parameters)


def _custom_parameters(path: Path, profile: Profile) -> Sequence[str]:
    """The parameters of a custom file; the spectrograph, which PypeIt needs, is added."""
    lines = _read_text(path).splitlines()
    parameters = input_files.parse_parameters(lines, str(path))
    default = {"rdx": {"spectrograph": profile.spectrograph}}
    merged = input_files.merge_parameters(default, parameters)
    return lines if merged == parameters else input_files.format_parameters(merged)


def _write_file(
    path: Path, text: str, custom_file: CustomFile, raw: Path, *, dry_run: bool
) -> TrimFileResult:
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    is_reduced = read_finished_record(path.parents[1]) is not None
    if changed and is_reduced and path.is_file():
        # Reduced on another machine, or in another directory, from the same frames
        changed = trimmed_setup.replace_raw_path(_read_text(path), raw, path) != text
    pypeit_file = input_files.parse_pypeit_file(text, path)
    used = [frame for frame in pypeit_file.frames if frame.used]
    problems = []
    if pypeit_file.missing_types:
        problems.append(f"no {' and no '.join(pypeit_file.missing_types)} frame")
    if not pypeit_file.targets:
        problems.append("no science or standard frame")
    if missing := [frame.file for frame in used if not (raw / frame.file).is_file()]:
        problems.append(f"{', '.join(missing)} not in {raw}")
    if changed and is_reduced:
        problems.append("already reduced with other frames or parameters: not changed")
    elif changed and not dry_run:
        atomic.write_text(path, text)
    custom = custom_file.path.name if custom_file.path else ""
    counts = len(used), len(pypeit_file.frames)
    return TrimFileResult(path, custom, *counts, changed=changed, problem="; ".join(problems))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"can't read {path}: {error}", "check the name") from error


def trim_item(
    item: str,
    lease: Lease,
    *,
    spectrograph: str = "keck_deimos",
    custom: str = "",
    exclude: str = "",
) -> TrimResult:
    """The queue task `trim`: the trimmed setups of a dataset on the remote, without a reduction.

    Downloads the raw frames, trims, and uploads the `.pypeit` files, verified. Raw frames that
    were downloaded for this are removed afterwards.

    spectrograph : name of a profile, or the path of one
    custom : directory of custom files of datasets
    exclude : file with names of frames not to use, one a line
    """
    profile = load_profile(spectrograph)
    name = str(parse_dataset(item))
    folder = settings.load_settings().work_dir / DATASETS_FOLDER / name / COMPLETE
    custom_folder = Path(custom) if custom else None
    # A reduction of the dataset takes the same lock: it needs the raw frames
    with locks.acquire_lock(f"dataset-{name}", wait_seconds=LOCK_WAIT_SECONDS):
        return _trim_locked(
            name, lease, folder, profile, custom_folder, Path(exclude) if exclude else ()
        )


def _trim_locked(
    item: str,
    lease: Lease,
    folder: Path,
    profile: Profile,
    custom: Path | None,
    exclude: Path | tuple[str, ...],
) -> TrimResult:
    raw = folder / RAW
    was_present = raw.is_dir()
    lease.note("download")
    storage.transfer_files(_remote_location(item) / RAW, raw, progress=False).require_complete()
    lease.note("trim")
    result = trim_dataset(raw, folder, profile, dataset=item, custom=custom, exclude=exclude)
    lease.confirm()
    lease.note("upload")
    paths = [str(path.relative_to(folder)) for path in result.paths]
    storage.transfer_files(
        folder, _remote_location(item), only=paths, progress=False
    ).require_complete()
    if not was_present:
        shutil.rmtree(raw)
    return result


def _remote_location(item: str) -> storage.Location:
    location = storage.resolve_location(remote_datasets.DATA_REMOTE) / item / COMPLETE
    if location.kind() != "folder":
        raise InvalidInputError(
            f"{location} is not a complete dataset", "check its name; is it incomplete?"
        )
    return location


def scan_items(queue: str) -> dict[str, bool]:
    """The complete datasets on the remote, and whether they have `.pypeit` files."""
    origin = storage.resolve_location(remote_datasets.DATA_REMOTE)
    items = {}
    for name in find_datasets(origin):
        folder = origin / name / COMPLETE
        if folder.kind() == "folder":
            files = [entry.path for entry in folder.list(recursive=True) if not entry.is_folder]
            items[name] = any(path.endswith(PYPEIT_SUFFIX) for path in files)
    return items
