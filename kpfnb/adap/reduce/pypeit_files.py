"""All .pypeit files below a folder, each run where it lies, so many at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb.adap.products import dataset as frames
from kpfnb.adap.products import reduction
from kpfnb.adap.products.dataset import RawFrame
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import input_files, installation, memory, useful_warnings
from kpfnb.adap.pypeit import installation as pack
from kpfnb.adap.pypeit.command import CommandLimits, CommandRunner
from kpfnb.adap.pypeit.input_files import PypeItFile
from kpfnb.adap.reduce import job as task
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome

RECORD_SUFFIX = ".run.json"
"""Ends the name of the record beside each .pypeit file, which begins as that does."""
REDO_OPTIONS = ("-o", "-m")
"""Make all anew: PypeIt would take up what a killed run left, or one with other parameters."""


@dataclass(frozen=True)
class _PypeItFileJob:
    path: Path
    name: str
    limits: CommandLimits
    variables: dict[str, str]
    force: bool

    @property
    def record(self) -> Path:
        return self.path.with_name(self.path.stem + RECORD_SUFFIX)


def run_pypeit_files(
    root: str | Path,
    *,
    workers: int | None = None,
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> ReductionBatchResult:
    """Run PypeIt on every .pypeit file below a folder; what became of each is in the result.

    A file whose products are whole and whose inputs have not changed is not run again. How many
    run at once is also a matter of memory: each is expected to take what its last run took.

    Parameters
    ----------
    workers : so many at a time; by default as the settings say
    silence_minutes, timeout_minutes : a run that writes nothing, or takes, so long is stopped
    force : run also where there is nothing to do

    Raises
    ------
    InvalidInputError : no such folder, or no .pypeit file below it
    ServiceUnavailableError : PypeIt is not installed
    """
    folder = task.expand_path(root, "root")
    installation.find_command("run_pypeit")
    paths = sorted(folder.rglob("*.pypeit"))
    if not paths:
        what = "no .pypeit file below" if folder.is_dir() else "no folder"
        raise InvalidInputError(f"{what} {folder}", "make them with kpfnb prepare, or pypeit_setup")
    if dry_run:
        told = f"{len(paths)} .pypeit files below {folder}"
        return ReductionBatchResult((), f"dry run: would run PypeIt on {told}")
    limits = CommandLimits(silence_minutes, timeout_minutes)
    variables = pack.pack_environment(settings.load_settings().work_dir)
    jobs = [
        _PypeItFileJob(path, _display_name(path, folder), limits, variables, force)
        for path in paths
    ]
    done = map_items(
        _run_file,
        jobs,
        key=lambda job: job.name,
        workers=workers,
        # Not to be tried here first: one takes minutes
        isolate=len(jobs) > 1 or None,
        title="PypeIt",
        progress=progress,
    )
    parts = (
        one.value or DatasetResult(one.key, Outcome.FAILED, one.error or "not reached")
        for one in done
    )
    return ReductionBatchResult(tuple(parts))


def _display_name(path: Path, root: Path) -> str:
    """What people see of a file: PypeIt puts each into a folder of its name, which is enough."""
    below = path.relative_to(root)
    return str(below.parent if below.stem == below.parent.name else below)


def _run_file(job: _PypeItFileJob) -> DatasetResult:
    """Run PypeIt on one file, or find that there is nothing to do."""
    try:
        plan = input_files.read_pypeit_file(job.path)
    except InvalidInputError as error:
        return DatasetResult(job.name, Outcome.FAILED, error.what)
    used = [frame for frame in plan.frames if frame.used]
    found = {frame.file: _find_raw(plan, frame.file) for frame in used}
    if wrong := _why_unusable(plan, found):
        return DatasetResult(job.name, Outcome.FAILED, wrong)
    inputs = {
        "raw": ", ".join(map(str, plan.raw_paths)),
        "pypeit": installation.pypeit_version(),
        "plan": hashlib.sha256(job.path.read_bytes()).hexdigest(),
        "frames": frames.frame_signatures([RawFrame(path) for path in found.values() if path]),
    }
    lock = f"pypeit-{job.path.stem}-{hashlib.sha256(bytes(job.path)).hexdigest()[:8]}"
    with locks.acquire_lock(lock):
        with locks.acquire_lock(f"{lock}-processes", wait_seconds=task.SHUTDOWN_WAIT_SECONDS):
            old = atomic.read_json(job.record) if job.record.is_file() else None
        if old and not job.force and old["inputs"] == inputs:
            earlier = ReductionResult.from_dict(old, job.path.parent.parent)
            if earlier.is_still_complete():
                reason = f"nothing to do: {earlier.reason}, inputs unchanged"
                return DatasetResult(job.name, earlier.outcome, reason, (earlier,))
        made = _run_pypeit(job, plan, inputs, old, locks.lock_path(f"{lock}-processes"))
    return DatasetResult(job.name, made.outcome, made.reason, (made,))


def _run_pypeit(
    job: _PypeItFileJob,
    plan: PypeItFile,
    inputs: dict[str, Any],
    old: dict[str, Any] | None,
    lock: Path,
) -> ReductionResult:
    log = job.path.with_suffix(".log")
    began = datetime.now(UTC)
    # Until it is judged, there is no record that could be taken for that of these products
    job.record.unlink(missing_ok=True)
    with memory.reserve_memory(_expected_bytes(job, old), name=job.name, folder=job.path.parent):
        # A second run must not be judged by the words of the first
        log.unlink(missing_ok=True)
        steps = CommandRunner(job.limits, job.variables, lock, progress=False)
        arguments = [job.path.name, *REDO_OPTIONS]
        step = steps.run("run_pypeit", arguments, log, label=job.path.stem, expect_time=True)
    verdicts = [
        _reject_old_products(one, plan, began.timestamp())
        for one in reduction.evaluate_frames(plan, step.failure)
    ]
    made = ReductionResult(
        output=job.path.parent.parent,
        inputs=inputs,
        science=tuple(verdicts),
        types=tuple(FrameType.from_pypeit_files([plan])),
        steps=(step,),
        problems=(f"{step.name}: {step.failure}",) if step.failure else (),
        started=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if log.is_file():
        useful_warnings.write_warnings(log)
    atomic.write_json(job.record, made.to_dict())
    return made


def _reject_old_products(verdict: FrameResult, plan: PypeItFile, began: float) -> FrameResult:
    """The verdict; products of an earlier run do not count."""
    folder = plan.path.parent / SCIENCE_FOLDER
    names = [name for name in (verdict.spec1d, verdict.spec2d) if name]
    # Times of files are coarse
    old = [name for name in names if (folder / name).stat().st_mtime < began - 1]
    return replace(verdict, reason=f"{old[0]} is of an earlier run") if old else verdict


def _why_unusable(plan: PypeItFile, found: dict[str, Path | None]) -> str:
    """Why it is of no use to run it; '' where it is of use."""
    if lacking := plan.missing_types:
        return f"no {' and no '.join(lacking)} frame"
    if not plan.targets:
        return "no science or standard frame"
    gone = [file for file, path in found.items() if path is None]
    return f"not there: {', '.join(gone)}" if gone else ""


def _find_raw(plan: PypeItFile, file: str) -> Path | None:
    paths = (folder / file for folder in (*plan.raw_paths, plan.path.parent))
    return next((path for path in paths if path.is_file()), None)


def _expected_bytes(job: _PypeItFileJob, old: dict[str, Any] | None) -> int:
    dataset = job.path.parents[1] / reduction.RECORD_NAME
    return memory.estimate_bytes(old or (atomic.read_json(dataset) if dataset.is_file() else None))
