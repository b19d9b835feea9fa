"""A reduction is judged by its products: what PypeIt says of itself is not enough.

A frame is reduced when there are a whole spec2d with all detectors and a whole spec1d with at least
one object for it. A run is well when its exit code is 0 and its log has an execution time.
"""

from __future__ import annotations

import glob
import math
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb.adap.pypeit import input_files, log
from kpfnb.adap.pypeit.input_files import PypeItFile, PypeItFrame
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers

# The folder of a reduction: a good one is never lost to a new one that is worse, or not finished.
#
# PypeIt writes its folder's path into its products, so it must work where they will stay. While it
# does, an earlier reduction waits beside it as `<name>.previous`. Each folder has a record,
# `reduction.json`, whose outcome is null until its products were judged; from the records alone any
# later run can tell what a killed one left, and go on from there. What is made of reductions has the
# same life, with a record of another name.

RECORD_NAME = "reduction.json"
FAILED_SUFFIX = ".failed"
"""Ends the name of the folder of a reduction that lost to an earlier one."""


def recover_folder(output: Path, *, name: str = RECORD_NAME) -> dict[str, Any] | None:
    """Tidy up after a killed run; the record of the finished reduction that is in place, if any.

    `InvalidInputError` where the folder holds something else than a reduction: it is not touched.
    """
    previous, discarded = _sibling(output, ".previous"), _sibling(output, ".discarded")
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
    """An empty folder for a new reduction; an earlier one with anything good in it is put aside."""
    old = read_finished_record(output, name=name)
    if old and _reduced_files(old):
        output.rename(_sibling(output, ".previous"))
    else:
        _discard_folder(output)
    output.mkdir(parents=True)
    atomic.write_json(output / name, {"outcome": None, "inputs": inputs})


def commit_better(output: Path, *, name: str = RECORD_NAME) -> Path:
    """Decide between the new reduction and an earlier one; where the new one is afterwards.

    The new one stays unless a frame that the earlier one had reduced is missing in it; then the
    earlier one is put back, and the new one is left in `<name>.failed` to be looked at.
    """
    previous, failed = _sibling(output, ".previous"), _sibling(output, FAILED_SUFFIX)
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
    """Whether a frame that the old reduction has, by its record, is missing in the new one."""
    # A frame that was taken out of the dataset is no loss
    wanted = _reduced_files(old) & set(new["inputs"]["frames"])
    return bool(_reduced_files(old)) and not (_reduced_files(new) and _reduced_files(new) >= wanted)


def read_finished_record(folder: Path, *, name: str = RECORD_NAME) -> dict[str, Any] | None:
    """The record of a reduction that was judged; None where there is none, or only a half one."""
    path = folder / name
    record = atomic.read_json(path) if path.is_file() else None
    return record if record and record["outcome"] else None


def _reduced_files(record: dict[str, Any]) -> set[str]:
    return {verdict["file"] for verdict in record["science"] if not verdict["reason"]}


def _refuse_foreign_folder(output: Path, name: str) -> None:
    if output.is_dir() and ((output / name).is_file() or not any(output.iterdir())):
        return
    raise InvalidInputError(
        f"the output {output} holds something that is not a reduction of kpfnb",
        "name another output; nothing was changed",
    )


def _discard_folder(folder: Path) -> None:
    """Remove a folder; renamed first, so that a half removed one is never taken for a reduction."""
    if folder.exists():
        discarded = _sibling(folder, ".discarded")
        folder.rename(discarded)
        shutil.rmtree(discarded)


def _sibling(output: Path, suffix: str) -> Path:
    return output.with_name(output.name + suffix)


SCIENCE_FOLDER = "Science"
MAX_REASON_LENGTH = 300


@dataclass(frozen=True)
class FrameResult:
    """What became of one science or standard frame.

    Attributes
    ----------
    kind : science or standard
    reason : why it is not reduced; '' where it is
    setup : the folder of the setup, as shane_kast_blue_A
    spec2d, spec1d : names of the products in its Science folder; '' where there is none
    objects : how many spectra were extracted
    best_snr : signal-to-noise ratio per pixel of the best of them (PypeIt's)
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
        """True where the frame is reduced."""
        return not self.reason

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def evaluate_frames(plan: PypeItFile, failure: str) -> list[FrameResult]:
    """A verdict on each science and standard frame of a reduction file that was run.

    The products are looked for beside the reduction file. `failure` says why the run as a whole
    failed ('' where it did not); it is the reason of each frame that has no products.
    """
    detectors = log.read_log(plan.path.with_suffix(".log")).detectors
    return [_evaluate_frame(frame, plan, failure, detectors) for frame in plan.targets]


def reject_frames(plan: PypeItFile, reason: str) -> list[FrameResult]:
    """Verdicts on the frames of a reduction file that was not run."""
    return [_blank_result(frame, plan, reason) for frame in plan.targets]


def failure_reason(
    log_file: Path, printed: Path, *, exit_code: int | None, stopped: str, timed: bool
) -> str:
    """Why a PypeIt command failed, in one line; '' where it ended well.

    Parameters
    ----------
    log_file : PypeIt's own log
    printed : the file with all that the command printed
    stopped : why it was stopped; '' where it ended by itself
    timed : whether the command tells its execution time at its end, as run_pypeit does
    """
    said = log.read_log(log_file)
    where = f" (last step: {said.last_step})" if said.last_step else ""
    if stopped:
        return stopped + where
    if exit_code == 0:
        untimed = timed and said.execution_seconds is None
        return f"PypeIt ended without an execution time in its log{where}" if untimed else ""
    error = said.errors[-1].splitlines()[0] if said.errors else _printed_exception(printed)
    how = "was killed" if exit_code is None or exit_code < 0 else f"exited with code {exit_code}"
    reason = textwrap.shorten(error.removeprefix("PypeItError: "), MAX_REASON_LENGTH)
    return (reason or f"PypeIt {how} and gave no reason") + where


def _printed_exception(printed: Path) -> str:
    if not printed.is_file():
        return ""
    return log.find_last_exception(printed.read_text(encoding="utf-8", errors="replace"))


def find_product(folder: Path, kind: str, file: str) -> Path | None:
    """The spec1d or spec2d (`kind`) of a raw file, found by its name and told by its header."""
    stem = file.removesuffix(".gz").removesuffix(".fits")
    named = sorted(folder.glob(f"{kind}_{glob.escape(stem)}-*.fits"))
    # One that can't be read is returned too: what is wrong with it is told later
    return next((path for path in named if _raw_file_of(path) in (file, None)), None)


def _raw_file_of(path: Path) -> str | None:
    if headers.find_defect(path):
        return None
    return str(headers.read_header(path, ["FILENAME"]).get("FILENAME"))


def _evaluate_frame(
    frame: PypeItFrame, plan: PypeItFile, failure: str, detectors: int
) -> FrameResult:
    folder, leader = plan.path.parent / SCIENCE_FOLDER, plan.first_frame(frame).file
    spec2d, spec1d = (find_product(folder, kind, leader) for kind in ("spec2d", "spec1d"))
    if spec2d is None:
        return _blank_result(frame, plan, failure or "PypeIt wrote no spec2d for it")
    verdict = replace(
        _blank_result(frame, plan, _spec2d_defect(spec2d, detectors)), spec2d=spec2d.name
    )
    if spec1d is None:
        reason = verdict.reason or failure or "no spec1d: PypeIt found no object in it"
        return replace(verdict, reason=reason)
    wrong = product_defect(spec1d)
    count, ratio = (0, None) if wrong else count_objects(spec1d)
    wrong = f"spec1d is {wrong}" if wrong else "" if count else "spec1d holds no object"
    return replace(
        verdict,
        reason=verdict.reason or wrong,
        spec1d=spec1d.name,
        objects=count,
        best_snr=ratio,
    )


def _blank_result(frame: PypeItFrame, plan: PypeItFile, reason: str) -> FrameResult:
    kind = next(kind for kind in input_files.TARGET_TYPES if kind in frame.types)
    return FrameResult(frame.file, kind, frame.target, plan.path.parent.name, reason)


def _spec2d_defect(path: Path, detectors: int) -> str:
    if wrong := product_defect(path):
        return f"spec2d is {wrong}"
    listed = headers.read_header(path, ["ALLSPEC2D_DETS"]).get("ALLSPEC2D_DETS", "")
    reduced = len([name for name in str(listed).split(",") if name])
    if reduced < max(detectors, 1):
        return f"only {reduced} of {max(detectors, 1)} detectors are in its spec2d"
    return ""


def product_defect(path: Path) -> str:
    """Why a spec1d or spec2d is not whole, in a few words; '' where it is.

    One that was cut exactly between two extensions is a FITS file, but not what its header
    announces: so many extensions, or so many objects (tables of detectors may follow these).
    """
    if wrong := headers.find_defect(path):
        return wrong
    header, *extensions = (hdu.header for hdu in headers.iterate_hdus(path))
    announced = cards.select_values(header, ["NSPEC"]).get("NSPEC")
    if not isinstance(announced, int):
        return _cut_off_reason("extensions", len(extensions), _count_listed(header.names))
    found = [cards.select_values(one, ["DMODCLS"]).get("DMODCLS") for one in extensions]
    return _cut_off_reason("objects", found.count("SpecObj"), announced)


def _count_listed(names: Sequence[bytes]) -> int:
    """How many extensions a header lists, as `EXT0001`."""
    return sum(name.startswith(b"EXT0") for name in names)


def _cut_off_reason(what: str, found: int, announced: int) -> str:
    return f"cut off: it has {found} of {announced} {what}" if found < announced else ""


def count_objects(path: Path) -> tuple[int, float | None]:
    """How many objects a spec1d has, and the signal-to-noise ratio of the best of them."""
    found = [
        cards.select_values(hdu.header, ["DMODCLS", "S2N"]) for hdu in headers.iterate_hdus(path)
    ]
    ratios = [one.get("S2N") for one in found if one.get("DMODCLS") == "SpecObj"]
    numbers = [float(one) for one in ratios if isinstance(one, float | int)]
    return len(ratios), max(filter(math.isfinite, numbers), default=None)
