"""Reduce one folder of raw frames with PypeIt, and evaluate the products."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.products.dataset import RawFrame
from kpfnb.adap.products.reduction import FrameResult
from kpfnb.adap.pypeit import input_files, installation, memory
from kpfnb.adap.pypeit.command import CommandResult, CommandRunner
from kpfnb.adap.pypeit.input_files import PypeItFile
from kpfnb.adap.reduce import job
from kpfnb.adap.reduce.job import ReductionConfig, ReductionTask
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.core import atomic, clock, locks, settings
from kpfnb.core.errors import InvalidInputError


def reduce_folder(
    raw: str | Path,
    output: str | Path,
    config: ReductionConfig,
    *,
    pypeit_files: Path | None = None,
    expected_bytes: int = 0,
    dry_run: bool = False,
    progress: bool = True,
    on_status: Callable[[str], None] = lambda text: None,
) -> ReductionResult:
    """Reduce the frames of a folder; what can't be reduced is in the result, never raised.

    A complete reduction of the same inputs is not repeated. An incomplete one is repeated; it
    replaces an earlier one only if no good frame is lost by that.

    Parameters
    ----------
    raw : folder of the raw frames, only read; environment variables are filled in; '' for the
        example frames of the Kast spectrograph
    output : folder of the reduction; '' for one in the work directory, named as the dataset
    config : spectrograph, setup, parameters, limits and force; its options of datasets are ignored
    pypeit_files : a folder of reduction files, `<setup>/<setup>.pypeit`, to be used unchanged; by
        default pypeit_setup makes them
    expected_bytes : memory that it is expected to take; 0: as much as its last run, or the setting
    dry_run : report what would be done; change nothing
    on_status : called from time to time with what is being done

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing usable; before any work
    AlreadyRunningError : another run is making the same output
    ServiceUnavailableError : PypeIt is not installed, or the example frames are not available
    """
    task = job.prepare_task(raw, output, config, pypeit_files)
    frames = dataset.find_raw_frames(task.raw)
    inputs = task.inputs(frames)
    if dry_run:
        return _describe_plan(task, frames)
    name = f"reduction-{task.output.name}-{_path_digest(task.output)}"
    with locks.acquire_lock(name):
        # The processes of a killed run hold this lock until they have ended
        with locks.acquire_lock(f"{name}-processes", wait_seconds=job.SHUTDOWN_WAIT_SECONDS):
            earlier = _earlier_reduction(task, force=config.force)
        if earlier and not config.force and earlier.is_unchanged(inputs):
            return replace(earlier, note=f"nothing to do: {earlier.reason}, inputs unchanged")
        runner = CommandRunner(
            config.limits,
            installation.pack_environment(settings.load_settings().work_dir),
            locks.lock_path(f"{name}-processes"),
            progress,
            on_status,
        )
        expected = expected_bytes or memory.estimate_bytes(earlier.to_dict() if earlier else None)
        reduction.stage_new(task.output, inputs)
        try:
            with memory.reserve_memory(
                expected,
                name=_display_path(task.output),
                folder=task.output,
                on_status=on_status,
            ):
                result = _ReductionRun(task, runner).run(frames, inputs)
            atomic.write_json(task.output / reduction.RECORD_NAME, result.to_dict())
        except BaseException:
            # Stopped or failed: an earlier reduction is restored at once
            reduction.recover_folder(task.output)
            raise
        place = reduction.commit_better(task.output)
    if place != task.output:
        problem = (
            f"the earlier reduction is kept in {task.output.name}, this one is in {place.name}"
        )
        result = replace(result, output=place, problems=(*result.problems, problem))
    return result


@dataclass(frozen=True)
class _ReductionRun:
    """The commands of one reduction, in their order."""

    task: ReductionTask
    runner: CommandRunner

    def run(self, frames: Sequence[RawFrame], inputs: dict[str, Any]) -> ReductionResult:
        """Everything from the raw frames to the evaluated products."""
        result = self._run_commands(frames, inputs)
        return replace(result, steps=tuple(self.runner.completed))

    def _run_commands(self, frames: Sequence[RawFrame], inputs: dict[str, Any]) -> ReductionResult:
        output = self.task.output
        result = ReductionResult(
            output=output,
            inputs=inputs,
            unusable=_list_unusable(frames),
            started=clock.format_utc(),
        )
        if len(result.unusable) == len(frames):
            return replace(result, problems=("no raw frame can be read",))
        if self.task.pypeit_files:
            for folder in sorted(path.parent for path in self.task.pypeit_files.glob("*/*.pypeit")):
                shutil.copytree(folder, output / folder.name)
        else:
            step = self._make_pypeit_files(frames)
            if step.failure:
                return replace(result, problems=(f"{step.name}: {step.failure}",))
        files = [input_files.read_pypeit_file(path) for path in sorted(output.glob("*/*.pypeit"))]
        result = replace(result, types=tuple(FrameType.from_pypeit_files(files)))
        return self._reduce_all(result, [file for file in files if file.targets])

    def _make_pypeit_files(self, frames: Sequence[RawFrame]) -> CommandResult:
        output = self.task.output
        folder = dataset.link_usable(frames, output / "frames")
        arguments = ["-s", self.task.spectrograph, "-r", str(folder), "-d", str(output)]
        arguments += ["-c", self.task.setup]
        if self.task.parameters:
            parameter_file = output / "parameters.cfg"
            atomic.write_text(parameter_file, "\n".join(self.task.parameters) + "\n")
            arguments += ["-p", str(parameter_file)]
        return self.runner.run("pypeit_setup", arguments, output / "pypeit_setup.log")

    def _reduce_all(self, result: ReductionResult, files: Sequence[PypeItFile]) -> ReductionResult:
        if not files:
            return replace(result, problems=("no science or standard frame",))
        for file in files:
            if missing := file.missing_types:
                reason = f"no {' and no '.join(missing)} frame in setup {file.setup}"
                result = _add_frames(result, reason, reduction.reject_frames(file, reason))
                continue
            step = self.runner.run(
                "run_pypeit",
                [file.path.name],
                file.path.with_suffix(".log"),
                label=file.path.parent.name,
                expect_time=True,
            )
            problem = f"{step.name}: {step.failure}" if step.failure else ""
            result = _add_frames(result, problem, reduction.evaluate_frames(file, step.failure))
        return result


def _add_frames(
    result: ReductionResult, problem: str, frames: Sequence[FrameResult]
) -> ReductionResult:
    return replace(
        result,
        problems=(*result.problems, *([problem] if problem else [])),
        science=(*result.science, *frames),
    )


def _earlier_reduction(task: ReductionTask, *, force: bool) -> ReductionResult | None:
    """The finished reduction in the output; `InvalidInputError` if it is of another dataset."""
    record = reduction.recover_folder(task.output)
    if not record:
        return None
    earlier = ReductionResult.from_dict(record, task.output)
    if earlier.inputs["raw"] != str(task.raw) and not force:
        raise InvalidInputError(
            f"the output {task.output} holds the reduction of {earlier.inputs['raw']}",
            "name another output, or use force to replace it",
        )
    return earlier


def _list_unusable(frames: Sequence[RawFrame]) -> tuple[tuple[str, str], ...]:
    return tuple((frame.file, frame.defect) for frame in frames if frame.defect)


def _describe_plan(task: ReductionTask, frames: Sequence[RawFrame]) -> ReductionResult:
    unusable = _list_unusable(frames)
    note = f"dry run: would reduce {len(frames) - len(unusable)} of {len(frames)} frames"
    note += f" of {task.raw} as {task.spectrograph}, setup {task.setup}"
    inputs = task.inputs(frames)
    return ReductionResult(task.output, inputs, unusable=unusable, note=note, dry_run=True)


def _display_path(output: Path) -> str:
    """The output as people see it: relative to the work directory if it is in there."""
    work_dir = settings.load_settings().work_dir
    return str(output.relative_to(work_dir) if output.is_relative_to(work_dir) else output)


def _path_digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]
