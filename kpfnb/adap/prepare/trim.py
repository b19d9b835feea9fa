"""Trimmed setups: reduction files for PypeIt with the calibrations that it needs, and no more.

A dataset's own file takes the place of the default: `<mask>_<config>_<date>_<reduce...>.ini` has
other parameters, `...pypeit` is the whole reduction file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb import storage
from kpfnb.adap.prepare import frames as exposure
from kpfnb.adap.prepare import trimmed_setup
from kpfnb.adap.prepare.frames import RawExposure
from kpfnb.adap.prepare.trim_result import TrimFileResult, TrimResult
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.products import dataset as datasets
from kpfnb.adap.products import dataset as frames
from kpfnb.adap.products import reduction as workplace
from kpfnb.adap.products.dataset import RawFrame
from kpfnb.adap.profiles import spectrograph as profiles
from kpfnb.adap.profiles.spectrograph import Profile
from kpfnb.adap.pypeit import input_files
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    from kpfnb.adap.prepare.trim_result import TrimResult
    from kpfnb.adap.profiles.spectrograph import Profile
    from kpfnb.queue.lease import Lease

DEFAULT_REDUCTION = "reduce"
INI_SUFFIX, PYPEIT_SUFFIX = ".ini", ".pypeit"


@dataclass(frozen=True)
class CustomFile:
    """A dataset's own parameters or reduction file; `reduction` is the folder it is for."""

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
    """Write the reduction files of a dataset; what is the same already is not written again.

    Each is `<output>/<reduce...>/<spectrograph>_A/<spectrograph>_A.pypeit`.

    Parameters
    ----------
    raw : the folder of its raw frames, only read
    output : the folder of its reductions, as `mask/config/date/complete`
    dataset : its name, by which its own files are found
    custom : the folder that holds datasets' own files, at any depth
    exclude : names of frames not to be used, or a file with one a line (# begins a comment)

    Raises
    ------
    InvalidInputError : no frames, a wrong name, or a custom file that can't be used
    """
    wanted = find_custom_files(custom, dataset) or [CustomFile(DEFAULT_REDUCTION)]
    excluded = read_excluded_names(exclude)
    raw = raw.absolute()
    found = [_read_frame(frame, profile) for frame in frames.find_raw_frames(raw)]
    reasons = trimmed_setup.rejected_frames(found, profile, excluded)
    # A row of the table needs a time and a type
    rows = [frame for frame in found if frame.types and frame.values["mjd"] is not None]
    setup = f"{profile.spectrograph}_{trimmed_setup.SETUP_LETTER}"
    written = []
    for one in wanted:
        text = _setup_text(one, raw, profile, rows, reasons)
        path = output / one.reduction / setup / f"{setup}{PYPEIT_SUFFIX}"
        written.append(_write_file(path, text, one, raw, dry_run=dry_run))
    return TrimResult(dataset or str(raw), tuple(written), tuple(found), reasons, dry_run)


def find_custom_files(folder: Path | None, dataset: str) -> list[CustomFile]:
    """A dataset's own files in that folder or below it, by the reductions that they are for.

    The name must be exact: `..._2011-01-28_reduce` is no file of `2011-01-28_2011-01-29`.

    Raises
    ------
    InvalidInputError : no such folder, no such dataset, or two files for one reduction
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise InvalidInputError(
            f"the folder of custom files {folder} does not exist", "check the name"
        )
    begin = str(datasets.parse_dataset(dataset)).replace("/", "_") + "_"
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{DEFAULT_REDUCTION}*")):
        reduction = path.stem.removeprefix(begin)
        if path.suffix not in (INI_SUFFIX, PYPEIT_SUFFIX) or reduction == path.stem:
            continue
        if not datasets.is_reduction_folder(reduction):
            continue
        if other := found.get(reduction):
            raise InvalidInputError(f"{path} and {other} are for the same reduction", "remove one")
        found[reduction] = path
    return [CustomFile(reduction, path) for reduction, path in found.items()]


def read_excluded_names(exclude: Path | Iterable[str]) -> list[str]:
    """The names of frames not to be used, given so or in a file."""
    if not isinstance(exclude, Path):
        return list(exclude)
    lines = [line.partition("#")[0].strip() for line in _read_text(exclude).splitlines()]
    return [line for line in lines if line]


def _read_frame(frame: RawFrame, profile: Profile) -> RawExposure:
    """What the header tells; a file that is not whole is no frame, whatever its header tells."""
    found = exposure.read_exposure(frame.path, profile)
    return replace(found, defect=found.defect or frame.defect)


def _setup_text(
    one: CustomFile,
    raw: Path,
    profile: Profile,
    rows: Sequence[RawExposure],
    reasons: dict[str, str],
) -> str:
    if one.path and one.path.suffix == PYPEIT_SUFFIX:
        return trimmed_setup.replace_raw_path(_read_text(one.path), raw, one.path)
    parameters = _custom_parameters(one.path, profile) if one.path else profile.parameter_lines
    return trimmed_setup.format_setup_file(raw, profile, rows, reasons, parameters)


def _custom_parameters(path: Path, profile: Profile) -> Sequence[str]:
    """The parameters of a dataset's own file; the spectrograph, without which PypeIt stops, too."""
    own = _read_text(path).splitlines()
    named = input_files.parse_parameters(own, str(path))
    default = {"rdx": {"spectrograph": profile.spectrograph}}
    full = input_files.merge_parameters(default, named)
    return own if full == named else input_files.format_parameters(full)


def _write_file(
    path: Path, text: str, one: CustomFile, raw: Path, *, dry_run: bool
) -> TrimFileResult:
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    is_reduced = workplace.read_finished_record(path.parents[1]) is not None
    if changed and is_reduced and path.is_file():
        # Reduced on another machine, or in another folder, from the same frames
        changed = trimmed_setup.replace_raw_path(_read_text(path), raw, path) != text
    plan = input_files.parse_pypeit_file(text, path)
    used = [frame for frame in plan.frames if frame.used]
    problems = [f"no {' and no '.join(plan.missing_types)} frame"] if plan.missing_types else []
    if not plan.targets:
        problems.append("no science or standard frame")
    gone = [frame.file for frame in used if not (raw / frame.file).is_file()]
    if gone:
        problems.append(f"{', '.join(gone)} not in {raw}")
    if changed and is_reduced:
        problems.append("it is reduced already, with other frames or parameters: left as it is")
    elif changed and not dry_run:
        atomic.write_text(path, text)
    custom = one.path.name if one.path else ""
    counts = len(used), len(plan.frames)
    return TrimFileResult(path, custom, *counts, changed=changed, problem="; ".join(problems))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"can't read {path}: {error}", "check the name") from error


# The task `trim`: the trimmed setup of a dataset on the remote, without reducing it.

LOCK_WAIT_SECONDS = 60
"""For a worker that was killed to be gone."""


def trim_item(
    item: str,
    lease: Lease,
    *,
    spectrograph: str = "keck_deimos",
    custom: str = "",
    exclude: str = "",
) -> TrimResult:
    """Bring the raw frames here, trim, and put the reduction files on the remote, verified.

    Raw frames that were brought for it are removed after that.

    spectrograph : name of a profile, or a profile file's path
    custom : folder of datasets' own files
    exclude : file with names of frames not to be used, one a line
    """
    profile = profiles.load_profile(spectrograph)
    name = str(dataset.parse_dataset(item))
    folder = settings.load_settings().work_dir / dataset.DATASETS_FOLDER / name / dataset.COMPLETE
    own = Path(custom) if custom else None
    # The reduction of a dataset holds it too: its raw frames are not to go meanwhile
    with locks.acquire_lock(f"dataset-{name}", wait_seconds=LOCK_WAIT_SECONDS):
        return _trim_locked(name, lease, folder, profile, own, Path(exclude) if exclude else ())


def _trim_locked(
    item: str,
    lease: Lease,
    folder: Path,
    profile: Profile,
    custom: Path | None,
    exclude: Path | tuple[str, ...],
) -> TrimResult:
    raw = folder / dataset.RAW
    was_here = raw.is_dir()
    lease.note("download")
    remote_datasets.require_complete(
        storage.transfer_files(_remote_location(item) / dataset.RAW, raw, progress=False)
    )
    lease.note("trim")
    found = trim_dataset(
        raw,
        folder,
        profile,
        dataset=item,
        custom=custom,
        exclude=exclude,
    )
    lease.confirm()
    lease.note("upload")
    below = [str(path.relative_to(folder)) for path in found.paths]
    remote_datasets.require_complete(
        storage.transfer_files(folder, _remote_location(item), only=below, progress=False)
    )
    if not was_here:
        shutil.rmtree(raw)
    return found


def _remote_location(item: str) -> storage.Location:
    place = storage.resolve_location(remote_datasets.DATA_REMOTE) / item / dataset.COMPLETE
    if place.kind() != "folder":
        raise InvalidInputError(
            f"{place} is no complete dataset", "check its name; is it incomplete?"
        )
    return place


def scan_items(queue: str) -> dict[str, bool]:
    """The complete datasets on the remote, and whether they have reduction files."""
    origin = storage.resolve_location(remote_datasets.DATA_REMOTE)
    found = {}
    for name in dataset.find_datasets(origin):
        folder = origin / name / dataset.COMPLETE
        if folder.kind() == "folder":
            paths = [one.path for one in folder.list(recursive=True) if not one.is_folder]
            found[name] = any(path.endswith(PYPEIT_SUFFIX) for path in paths)
    return found
