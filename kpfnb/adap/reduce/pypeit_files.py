"""All .pypeit files below a folder: PypeIt runs on each in its own folder, N at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.products.dataset import RawFrame
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import input_files, installation, memory, useful_warnings
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import PypeItFile
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.job import SHUTDOWN_WAIT_SECONDS, ReductionConfig, expand_path
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, clock, locks, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome

RECORD_SUFFIX = ".run.json"
"""The record beside a .pypeit file has the file's stem and this suffix."""
REDO_OPTIONS = ("-o", "-m")
"""Make everything again: PypeIt would use what a killed run left, or one with other parameters."""


@dataclass(frozen=True)
class _PypeItFileJob:
    path: Path
    name: str
    config: ReductionConfig
    variables: dict[str, str]

    @property
    def record(self) -> Path:
        return self.path.with_name(self.path.stem + RECORD_SUFFIX)

    @property
    def output(self) -> Path:
        return self.path.parent.parent


def run_pypeit_files(
    root: str | Path,
    config: ReductionConfig,
    *,
    workers: int | None = None,
    dry_run: bool = False,
    progress: bool = True,
) -> ReductionBatchResult:
    """Run PypeIt on every .pypeit file below a folder; the outcome of each is in the result.

    A file with complete products and unchanged inputs is not run again. The number of runs at a
    time also depends on memory: each is expected to take what its last run took.

    Parameters
    ----------
    config : limits and force; the other options are ignored
    workers : files run at a time; by default as the settings say

    Raises
    ------
    InvalidInputError : no such folder, or no .pypeit file below it
    ServiceUnavailableError : PypeIt is not installed
    """
    folder = expand_path(root, "root")
    installation.find_command("run_pypeit")
    paths = sorted(folder.rglob("*.pypeit"))
    if not paths:
        what = "no .pypeit file below" if folder.is_dir() else "no folder"
        raise InvalidInputError(f"{what} {folder}", "make them with kpfnb prepare, or pypeit_setup")
    if dry_run:
        note = f"dry run: would run PypeIt on {len(paths)} .pypeit files below {folder}"
        return ReductionBatchResult((), note)
    variables = installation.pack_environment(settings.load_settings().work_dir)
    jobs = [_PypeItFileJob(path, _display_name(path, folder), config, variables) for path in paths]
    outcomes = map_items(
        _run_file,
        jobs,
        key=lambda job: job.name,
        workers=workers,
        # No trial run in this process: one takes minutes
        isolate=len(jobs) > 1 or None,
        title="PypeIt",
        progress=progress,
    )
    return ReductionBatchResult(
        tuple(
            item.value or DatasetResult(item.key, Outcome.FAILED, item.error or "not reached")
            for item in outcomes
        )
    )


def _display_name(path: Path, root: Path) -> str:
    """The name that people see: PypeIt gives the folder of a file the same name."""
    below = path.relative_to(root)
    return str(below.parent if below.stem == below.parent.name else below)


def _run_file(job: _PypeItFileJob) -> DatasetResult:
    """Run PypeIt on one file, unless its products are complete."""
    try:
        file = input_files.read_pypeit_file(job.path)
    except InvalidInputError as error:
        return DatasetResult(job.name, Outcome.FAILED, error.what)
    frames = {frame.file: _find_raw(file, frame.file) for frame in file.frames if frame.used}
    if reason := _why_unusable(file, frames):
        return DatasetResult(job.name, Outcome.FAILED, reason)
    inputs = {
        "raw": ", ".join(map(str, file.raw_paths)),
        "pypeit": installation.pypeit_version(),
        "plan": hashlib.sha256(job.path.read_bytes()).hexdigest(),
        "frames": dataset.frame_signatures([RawFrame(path) for path in frames.values() if path]),
    }
    lock = f"pypeit-{job.path.stem}-{hashlib.sha256(bytes(job.path)).hexdigest()[:8]}"
    with locks.acquire_lock(lock):
        with locks.acquire_lock(f"{lock}-processes", wait_seconds=SHUTDOWN_WAIT_SECONDS):
            record = atomic.read_json(job.record) if job.record.is_file() else None
        if record and not job.config.force:
            earlier = ReductionResult.from_dict(record, job.output)
            if earlier.is_unchanged(inputs):
                reason = f"nothing to do: {earlier.reason}, inputs unchanged"
                return DatasetResult(job.name, earlier.outcome, reason, (earlier,))
        result = _run_pypeit(job, file, inputs, record, locks.lock_path(f"{lock}-processes"))
    return DatasetResult(job.name, result.outcome, result.reason, (result,))


def _run_pypeit(
    job: _PypeItFileJob,
    file: PypeItFile,
    inputs: dict[str, Any],
    record: dict[str, Any] | None,
    lock: Path,
) -> ReductionResult:
    log = job.path.with_suffix(".log")
    start = clock.utc_now()
    # Until the products are evaluated, no record may describe them
    job.record.unlink(missing_ok=True)
    with memory.reserve_memory(_expected_bytes(job, record), name=job.name, folder=job.path.parent):
        # The log of the previous run must not decide about this one
        log.unlink(missing_ok=True)
        runner = CommandRunner(job.config.limits, job.variables, lock, progress=False)
        arguments = [job.path.name, *REDO_OPTIONS]
        step = runner.run("run_pypeit", arguments, log, label=job.path.stem, expect_time=True)
    frames = reduction.evaluate_frames(file, step.failure)
    result = ReductionResult(
        output=job.output,
        inputs=inputs,
        science=tuple(_reject_old_products(frame, file, start) for frame in frames),
        types=tuple(FrameType.from_pypeit_files([file])),
        steps=(step,),
        problems=(f"{step.name}: {step.failure}",) if step.failure else (),
        started=clock.format_utc(start),
    )
    if log.is_file():
        useful_warnings.write_warnings(log)
    atomic.write_json(job.record, result.to_dict())
    return result


def _reject_old_products(frame: FrameResult, file: PypeItFile, start: datetime) -> FrameResult:
    """The result of a frame; products of an earlier run do not count."""
    folder = file.path.parent / SCIENCE_FOLDER
    # Modification times are coarse on some file systems
    earliest = start.timestamp() - 1
    old = [name for name in frame.products if (folder / name).stat().st_mtime < earliest]
    return replace(frame, reason=f"{old[0]} is of an earlier run") if old else frame


def _why_unusable(file: PypeItFile, frames: dict[str, Path | None]) -> str:
    """Why PypeIt can't run on a file; '' if it can."""
    if missing := file.missing_types:
        return f"no {' and no '.join(missing)} frame"
    if not file.targets:
        return "no science or standard frame"
    absent = [name for name, path in frames.items() if path is None]
    return f"missing: {', '.join(absent)}" if absent else ""


def _find_raw(file: PypeItFile, name: str) -> Path | None:
    paths = (folder / name for folder in (*file.raw_paths, file.path.parent))
    return next((path for path in paths if path.is_file()), None)


def _expected_bytes(job: _PypeItFileJob, record: dict[str, Any] | None) -> int:
    if record is None:
        dataset_record = job.output / reduction.RECORD_NAME
        record = atomic.read_json(dataset_record) if dataset_record.is_file() else None
    return memory.estimate_bytes(record)
