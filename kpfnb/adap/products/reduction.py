"""A reduction is judged by its products: what PypeIt says of itself is not enough.

A frame is reduced when there are a whole spec2d with all detectors and a whole spec1d with at least
one object for it. A run is well when its exit code is 0 and its log has an execution time.
"""

from __future__ import annotations

import glob
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb import fitscards, fitsheader
from kpfnb.adap.pypeit import pypeitfile, pypeitlog
from kpfnb.adap.pypeit.pypeitfile import Frame, PypeItFile

SCIENCE = "Science"
REASON_LENGTH = 300


@dataclass(frozen=True)
class Verdict:
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
    def good(self) -> bool:
        """True where the frame is reduced."""
        return not self.reason

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def judge(plan: PypeItFile, failure: str) -> list[Verdict]:
    """A verdict on each science and standard frame of a reduction file that was run.

    The products are looked for beside the reduction file. `failure` says why the run as a whole
    failed ('' where it did not); it is the reason of each frame that has no products.
    """
    detectors = pypeitlog.read(plan.path.with_suffix(".log")).detectors
    return [_judge_frame(frame, plan, failure, detectors) for frame in plan.targets]


def refuse(plan: PypeItFile, reason: str) -> list[Verdict]:
    """Verdicts on the frames of a reduction file that was not run."""
    return [_blank(frame, plan, reason) for frame in plan.targets]


def why_it_failed(
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
    said = pypeitlog.read(log_file)
    where = f" (last step: {said.last_step})" if said.last_step else ""
    if stopped:
        return stopped + where
    if exit_code == 0:
        untimed = timed and said.execution_seconds is None
        return f"PypeIt ended without an execution time in its log{where}" if untimed else ""
    error = said.errors[-1].splitlines()[0] if said.errors else _exception(printed)
    how = "was killed" if exit_code is None or exit_code < 0 else f"exited with code {exit_code}"
    reason = textwrap.shorten(error.removeprefix("PypeItError: "), REASON_LENGTH)
    return (reason or f"PypeIt {how} and gave no reason") + where


def _exception(printed: Path) -> str:
    if not printed.is_file():
        return ""
    return pypeitlog.last_exception(printed.read_text(encoding="utf-8", errors="replace"))


def product(folder: Path, kind: str, file: str) -> Path | None:
    """The spec1d or spec2d (`kind`) of a raw file, found by its name and told by its header."""
    stem = file.removesuffix(".gz").removesuffix(".fits")
    named = sorted(folder.glob(f"{kind}_{glob.escape(stem)}-*.fits"))
    # One that can't be read is returned too: what is wrong with it is told later
    return next((path for path in named if _raw_file(path) in (file, None)), None)


def _raw_file(path: Path) -> str | None:
    if fitsheader.defect(path):
        return None
    return str(fitsheader.read(path, ["FILENAME"]).get("FILENAME"))


def _judge_frame(frame: Frame, plan: PypeItFile, failure: str, detectors: int) -> Verdict:
    folder, leader = plan.path.parent / SCIENCE, plan.leader(frame).file
    spec2d, spec1d = (product(folder, kind, leader) for kind in ("spec2d", "spec1d"))
    if spec2d is None:
        return _blank(frame, plan, failure or "PypeIt wrote no spec2d for it")
    verdict = replace(_blank(frame, plan, _defect_2d(spec2d, detectors)), spec2d=spec2d.name)
    if spec1d is None:
        reason = verdict.reason or failure or "no spec1d: PypeIt found no object in it"
        return replace(verdict, reason=reason)
    wrong = defect(spec1d)
    count, ratio = (0, None) if wrong else objects(spec1d)
    wrong = f"spec1d is {wrong}" if wrong else "" if count else "spec1d holds no object"
    return replace(
        verdict,
        reason=verdict.reason or wrong,
        spec1d=spec1d.name,
        objects=count,
        best_snr=ratio,
    )


def _blank(frame: Frame, plan: PypeItFile, reason: str) -> Verdict:
    kind = next(kind for kind in pypeitfile.TARGET_TYPES if kind in frame.types)
    return Verdict(frame.file, kind, frame.target, plan.path.parent.name, reason)


def _defect_2d(path: Path, detectors: int) -> str:
    if wrong := defect(path):
        return f"spec2d is {wrong}"
    listed = fitsheader.read(path, ["ALLSPEC2D_DETS"]).get("ALLSPEC2D_DETS", "")
    reduced = len([name for name in str(listed).split(",") if name])
    if reduced < max(detectors, 1):
        return f"only {reduced} of {max(detectors, 1)} detectors are in its spec2d"
    return ""


def defect(path: Path) -> str:
    """Why a spec1d or spec2d is not whole, in a few words; '' where it is.

    One that was cut exactly between two extensions is a FITS file, but not what its header
    announces: so many extensions, or so many objects (tables of detectors may follow these).
    """
    if wrong := fitsheader.defect(path):
        return wrong
    header, *extensions = (hdu.header for hdu in fitsheader.hdus(path))
    announced = fitscards.pick(header, ["NSPEC"]).get("NSPEC")
    if not isinstance(announced, int):
        return _lacking("extensions", len(extensions), _listed(header.names))
    found = [fitscards.pick(one, ["DMODCLS"]).get("DMODCLS") for one in extensions]
    return _lacking("objects", found.count("SpecObj"), announced)


def _listed(names: Sequence[bytes]) -> int:
    """How many extensions a header lists, as `EXT0001`."""
    return sum(name.startswith(b"EXT0") for name in names)


def _lacking(what: str, found: int, announced: int) -> str:
    return f"cut off: it has {found} of {announced} {what}" if found < announced else ""


def objects(path: Path) -> tuple[int, float | None]:
    """How many objects a spec1d has, and the signal-to-noise ratio of the best of them."""
    found = [fitscards.pick(hdu.header, ["DMODCLS", "S2N"]) for hdu in fitsheader.hdus(path)]
    ratios = [one.get("S2N") for one in found if one.get("DMODCLS") == "SpecObj"]
    numbers = [float(one) for one in ratios if isinstance(one, float | int)]
    return len(ratios), max(filter(math.isfinite, numbers), default=None)
