"""Trimmed setups: reduction files for PypeIt with the calibrations that it needs, and no more.

A dataset's own file takes the place of the default: `<mask>_<config>_<date>_<reduce...>.ini` has
other parameters, `...pypeit` is the whole reduction file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb import files
from kpfnb.adap import dataset as datasets
from kpfnb.adap.preparing import exposure, selection
from kpfnb.adap.preparing.exposure import Exposure
from kpfnb.adap.preparing.trimmed import Trimmed, TrimmedFile
from kpfnb.adap.profile import Profile
from kpfnb.adap.pypeit import pypeitfile, pypeitparameters, setupfile
from kpfnb.adap.reducing import frames, workplace
from kpfnb.adap.reducing.frames import RawFrame
from kpfnb.errors import BadInput

DEFAULT = "reduce"
INI, PYPEIT = ".ini", ".pypeit"


@dataclass(frozen=True)
class Custom:
    """A dataset's own parameters or reduction file; `reduction` is the folder it is for."""

    reduction: str
    path: Path | None = None


def trim(
    raw: Path,
    output: Path,
    profile: Profile,
    *,
    dataset: str = "",
    custom: Path | None = None,
    exclude: Path | Iterable[str] = (),
    dry_run: bool = False,
) -> Trimmed:
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
    BadInput : no frames, a wrong name, or a custom file that can't be used
    """
    wanted = customs(custom, dataset) or [Custom(DEFAULT)]
    excluded = excluded_names(exclude)
    raw = raw.absolute()
    found = [_look(frame, profile) for frame in frames.find(raw)]
    reasons = selection.left_out(found, profile, excluded)
    # A row of the table needs a time and a type
    rows = [frame for frame in found if frame.types and frame.values["mjd"] is not None]
    setup = f"{profile.spectrograph}_{setupfile.SETUP}"
    written = []
    for one in wanted:
        text = _text(one, raw, profile, rows, reasons)
        path = output / one.reduction / setup / f"{setup}{PYPEIT}"
        written.append(_write(path, text, one, raw, dry_run=dry_run))
    return Trimmed(dataset or str(raw), tuple(written), tuple(found), reasons, dry_run)


def customs(folder: Path | None, dataset: str) -> list[Custom]:
    """A dataset's own files in that folder or below it, by the reductions that they are for.

    The name must be exact: `..._2011-01-28_reduce` is no file of `2011-01-28_2011-01-29`.

    Raises
    ------
    BadInput : no such folder, no such dataset, or two files for one reduction
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise BadInput(f"the folder of custom files {folder} does not exist", "check the name")
    begin = str(datasets.parse(dataset)).replace("/", "_") + "_"
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{DEFAULT}*")):
        reduction = path.stem.removeprefix(begin)
        if path.suffix not in (INI, PYPEIT) or reduction == path.stem:
            continue
        if not datasets.is_reduction(reduction):
            continue
        if other := found.get(reduction):
            raise BadInput(f"{path} and {other} are for the same reduction", "remove one")
        found[reduction] = path
    return [Custom(reduction, path) for reduction, path in found.items()]


def excluded_names(exclude: Path | Iterable[str]) -> list[str]:
    """The names of frames not to be used, given so or in a file."""
    if not isinstance(exclude, Path):
        return list(exclude)
    lines = [line.partition("#")[0].strip() for line in _read(exclude).splitlines()]
    return [line for line in lines if line]


def _look(frame: RawFrame, profile: Profile) -> Exposure:
    """What the header tells; a file that is not whole is no frame, whatever its header tells."""
    found = exposure.read(frame.path, profile)
    return replace(found, defect=found.defect or frame.defect)


def _text(
    one: Custom, raw: Path, profile: Profile, rows: Sequence[Exposure], reasons: dict[str, str]
) -> str:
    if one.path and one.path.suffix == PYPEIT:
        return setupfile.with_raw_path(_read(one.path), raw, one.path)
    parameters = _custom(one.path, profile) if one.path else profile.parameter_lines
    return setupfile.text(raw, profile, rows, reasons, parameters)


def _custom(path: Path, profile: Profile) -> Sequence[str]:
    """The parameters of a dataset's own file; the spectrograph, without which PypeIt stops, too."""
    own = _read(path).splitlines()
    named = pypeitparameters.parse(own, str(path))
    default = {"rdx": {"spectrograph": profile.spectrograph}}
    full = pypeitparameters.merge(default, named)
    return own if full == named else pypeitparameters.lines(full)


def _write(path: Path, text: str, one: Custom, raw: Path, *, dry_run: bool) -> TrimmedFile:
    changed = not path.is_file() or path.read_text(encoding="utf-8") != text
    is_reduced = workplace.finished(path.parents[1]) is not None
    if changed and is_reduced and path.is_file():
        # Reduced on another machine, or in another folder, from the same frames
        changed = setupfile.with_raw_path(_read(path), raw, path) != text
    plan = pypeitfile.parse(text, path)
    used = [frame for frame in plan.frames if frame.used]
    problems = [f"no {' and no '.join(plan.lacking)} frame"] if plan.lacking else []
    if not plan.targets:
        problems.append("no science or standard frame")
    gone = [frame.file for frame in used if not (raw / frame.file).is_file()]
    if gone:
        problems.append(f"{', '.join(gone)} not in {raw}")
    if changed and is_reduced:
        problems.append("it is reduced already, with other frames or parameters: left as it is")
    elif changed and not dry_run:
        files.write_text(path, text)
    custom = one.path.name if one.path else ""
    counts = len(used), len(plan.frames)
    return TrimmedFile(path, custom, *counts, changed=changed, problem="; ".join(problems))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"can't read {path}: {error}", "check the name") from error
