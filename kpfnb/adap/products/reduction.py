"""A reduction on disk: its directory, its record, and the results of its frames.

A reduction is judged by its products, because PypeIt's own report is not enough: a frame is reduced
if there are a complete spec2d with all detectors and a complete spec1d with at least one object.

Each directory has a record, `reduction.json`. Its outcome is null until the products were judged.
PypeIt writes the path of its directory into its products, so it has to run where they will stay.
During that time an earlier reduction is kept beside it as `<name>.previous`, and a good reduction
is never replaced by a worse or incomplete one. The records alone tell the next run what a killed
run left. Coadds use the same scheme, with a record of another name.
"""

from __future__ import annotations

import glob
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb.adap.pypeit import input_files, log
from kpfnb.adap.pypeit.input_files import PypeItFile, PypeItFrame
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers

RECORD_NAME = "reduction.json"
FAILED_SUFFIX = ".failed"
"""Ends the directory name of a reduction that was worse than the earlier one."""
SCIENCE_FOLDER = "Science"


def recover_folder(output: Path, *, name: str = RECORD_NAME) -> dict[str, Any] | None:
    """Clean up after a killed run; returns the record of the finished reduction, if there is one.

    name : of the record

    `InvalidInputError` if the directory holds anything but a reduction; it is not touched.
    """
    previous, discarded = _folder_beside(output, ".previous"), _folder_beside(output, ".discarded")
    if discarded.exists():
        shutil.rmtree(discarded)
    if output.exists():
        _refuse_foreign_folder(output, name)
    if previous.exists():
        if output.exists() and read_finished_record(output, name=name):
            commit_better(output, name=name)
        else:
            _discard_folder(output)
            previous.rename(output)
    return read_finished_record(output, name=name)


def stage_new(output: Path, inputs: dict[str, Any], *, name: str = RECORD_NAME) -> None:
    """Create an empty directory for a new reduction; an earlier one with reduced frames is kept."""
    old = read_finished_record(output, name=name)
    if old and _reduced_files(old):
        output.rename(_folder_beside(output, ".previous"))
    else:
        _discard_folder(output)
    output.mkdir(parents=True)
    atomic.write_json(output / name, {"outcome": None, "inputs": inputs})


def commit_better(output: Path, *, name: str = RECORD_NAME) -> Path:
    """Decide between the new reduction and an earlier one; returns where the new one is then.

    The new one stays unless it has not reduced a frame that the earlier one had. In that case the
    earlier one is restored, and the new one is kept in `<name>.failed` for inspection.
    """
    previous, failed = _folder_beside(output, ".previous"), _folder_beside(output, FAILED_SUFFIX)
    old, new = read_finished_record(previous, name=name), read_finished_record(output, name=name)
    if not old:
        return output
    if new and not loses_frames(old, new):
        _discard_folder(previous)
        return output
    _discard_folder(failed)
    output.rename(failed)
    previous.rename(output)
    return failed


def loses_frames(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a frame that was reduced by the old record is not reduced by the new one."""
    # A frame that was taken out of the dataset is not a loss
    wanted = _reduced_files(old) & set(new["inputs"]["frames"])
    return bool(_reduced_files(old)) and not (_reduced_files(new) and _reduced_files(new) >= wanted)


def read_finished_record(folder: Path, *, name: str = RECORD_NAME) -> dict[str, Any] | None:
    """The record of a finished reduction; None if there is none, or it has no outcome yet."""
    path = folder / name
    record = atomic.read_json(path) if path.is_file() else None
    return record if record and record["outcome"] else None


def _reduced_files(record: dict[str, Any]) -> set[str]:
    return {frame["file"] for frame in record["science"] if not frame["reason"]}


def _refuse_foreign_folder(output: Path, name: str) -> None:
    if output.is_dir() and ((output / name).is_file() or not any(output.iterdir())):
        return
    raise InvalidInputError(
        f"the output {output} holds something that is not a reduction of kpfnb",
        "name another output; nothing was changed",
    )


def _discard_folder(folder: Path) -> None:
    """Remove a directory; renamed first, so that half of it is never taken for a reduction."""
    if folder.exists():
        discarded = _folder_beside(folder, ".discarded")
        folder.rename(discarded)
        shutil.rmtree(discarded)


def _folder_beside(output: Path, suffix: str) -> Path:
    return output.with_name(output.name + suffix)


@dataclass(frozen=True)
class FrameResult:
    """The result for one science or standard frame.

    Attributes
    ----------
    kind : science or standard
    setup : directory of the setup, for example shane_kast_blue_A
    reason : why it is not reduced; '' if it is
    spec2d, spec1d : names of the products in its Science directory; '' if missing
    objects : number of extracted spectra
    best_snr : signal-to-noise ratio per pixel of the best spectrum (PypeIt's)
    """

    file: str
    kind: str
    target: str
    setup: str
    reason: str = ""
    spec2d: str = ""
    spec1d: str = ""
    objects: int = 0
    best_snr: float | None = None

    @property
    def is_reduced(self) -> bool:
        """True if all products of the frame are complete."""
        return not self.reason

    @property
    def products(self) -> list[str]:
        """The names of the spec1d and spec2d files that it has."""
        return [name for name in (self.spec1d, self.spec2d) if name]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def evaluate_frames(pypeit_file: PypeItFile, failure: str) -> list[FrameResult]:
    """The results of the science and standard frames of a `.pypeit` file after its run.

    The products are expected beside the file.

    failure : why the run as a whole failed ('' if it did not); the reason of all frames without
        products
    """
    detectors = log.read_log(pypeit_file.path.with_suffix(".log")).detectors
    return [
        _evaluate_frame(frame, pypeit_file, failure, detectors) for frame in pypeit_file.targets
    ]


def reject_frames(pypeit_file: PypeItFile, reason: str) -> list[FrameResult]:
    """The results of the frames of a `.pypeit` file that was not run."""
    return [_blank_result(frame, pypeit_file, reason) for frame in pypeit_file.targets]


def find_product(folder: Path, kind: str, file: str) -> Path | None:
    """The spec1d or spec2d (`kind`) of a raw file, by its name and checked by its header."""
    stem = file.removesuffix(".gz").removesuffix(".fits")
    candidates = sorted(folder.glob(f"{kind}_{glob.escape(stem)}-*.fits"))
    # An unreadable file is returned too: its defect is reported later
    return next((path for path in candidates if _raw_file_of(path) in (file, None)), None)


def _raw_file_of(path: Path) -> str | None:
    if headers.find_defect(path):
        return None
    return str(headers.read_header(path, ["FILENAME"]).get("FILENAME"))


def _evaluate_frame(
    frame: PypeItFrame, pypeit_file: PypeItFile, failure: str, detectors: int
) -> FrameResult:
    folder = pypeit_file.path.parent / SCIENCE_FOLDER
    file = pypeit_file.first_frame(frame).file
    spec2d, spec1d = (find_product(folder, kind, file) for kind in ("spec2d", "spec1d"))
    if spec2d is None:
        return _blank_result(frame, pypeit_file, failure or "PypeIt wrote no spec2d for it")
    result = replace(
        _blank_result(frame, pypeit_file, _spec2d_defect(spec2d, detectors)), spec2d=spec2d.name
    )
    if spec1d is None:
        reason = result.reason or failure or "no spec1d: PypeIt found no object in it"
        return replace(result, reason=reason)
    defect = product_defect(spec1d)
    count, best_snr = (0, None) if defect else count_objects(spec1d)
    problem = f"spec1d is {defect}" if defect else "" if count else "spec1d has no object"
    return replace(
        result,
        reason=result.reason or problem,
        spec1d=spec1d.name,
        objects=count,
        best_snr=best_snr,
    )


def _blank_result(frame: PypeItFrame, pypeit_file: PypeItFile, reason: str) -> FrameResult:
    kind = next(kind for kind in input_files.TARGET_TYPES if kind in frame.types)
    return FrameResult(frame.file, kind, frame.target, pypeit_file.path.parent.name, reason)


def _spec2d_defect(path: Path, detectors: int) -> str:
    if defect := product_defect(path):
        return f"spec2d is {defect}"
    names = headers.read_header(path, ["ALLSPEC2D_DETS"]).get("ALLSPEC2D_DETS", "")
    reduced = len([name for name in str(names).split(",") if name])
    if reduced < max(detectors, 1):
        return f"only {reduced} of {max(detectors, 1)} detectors are in its spec2d"
    return ""


def product_defect(path: Path) -> str:
    """Why a spec1d or spec2d is not complete, in a few words; '' if it is.

    A file that was cut exactly between two extensions is valid FITS, but has fewer extensions or
    objects than its header says (tables of detectors may follow the objects).
    """
    if defect := headers.find_defect(path):
        return defect
    header, *extensions = (hdu.header for hdu in headers.iterate_hdus(path))
    expected = cards.select_values(header, ["NSPEC"]).get("NSPEC")
    if not isinstance(expected, int):
        return _cut_off_reason("extensions", len(extensions), _count_listed(header.names))
    kinds = [cards.select_values(item, ["DMODCLS"]).get("DMODCLS") for item in extensions]
    return _cut_off_reason("objects", kinds.count("SpecObj"), expected)


def _count_listed(names: Sequence[bytes]) -> int:
    """The number of extensions that a header lists, as `EXT0001`."""
    return sum(name.startswith(b"EXT0") for name in names)


def _cut_off_reason(what: str, count: int, expected: int) -> str:
    return f"cut off: it has {count} of {expected} {what}" if count < expected else ""


def count_objects(path: Path) -> tuple[int, float | None]:
    """The number of objects in a spec1d, and the best of their signal-to-noise ratios."""
    values = [
        cards.select_values(hdu.header, ["DMODCLS", "S2N"]) for hdu in headers.iterate_hdus(path)
    ]
    ratios = [entry.get("S2N") for entry in values if entry.get("DMODCLS") == "SpecObj"]
    numbers = [float(ratio) for ratio in ratios if isinstance(ratio, float | int)]
    return len(ratios), max(filter(math.isfinite, numbers), default=None)
