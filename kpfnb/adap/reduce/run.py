"""Reduce one dataset with PypeIt: from a folder of raw frames to judged products."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.products.dataset import RawFrame
from kpfnb.adap.products.reduction import FrameResult
from kpfnb.adap.pypeit import input_files, installation, memory
from kpfnb.adap.pypeit.command import CommandLimits, CommandResult, CommandRunner
from kpfnb.adap.pypeit.input_files import PypeItFile
from kpfnb.adap.reduce import job
from kpfnb.adap.reduce.job import ReductionTask
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError


def reduce_folder(
    raw: str | Path = "",
    output: str | Path = "",
    *,
    spectrograph: str,
    setup: str = "all",
    config: str | Sequence[str] = (),
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    pypeit_files: Path | None = None,
    expected_bytes: int = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    notify: Callable[[str], None] = lambda text: None,
) -> ReductionResult:
    """Reduce the frames of a folder; what can't be reduced is told in the result, never raised.

    A reduction that is there, whole and of the same inputs is not done again. One that is not whole
    is done anew; it replaces an earlier one only where nothing good is lost by that.

    Parameters
    ----------
    raw : folder of the raw frames, only read; environment variables are filled in; '' for the
        example frames of the Kast spectrograph
    output : folder of the reduction; '' for one in the work directory, named as the dataset
    spectrograph : PypeIt's name of it, as keck_deimos; may be '' with the example frames
    setup : PypeIt's letter of the setup to reduce, several with commas, or all
    config : user's parameters in PypeIt's notation: a list of lines, a text, or a file's name
    silence_minutes : a command that writes nothing for so long is stopped; 0 for no limit
    timeout_minutes : a command that takes longer is stopped; 0 for no limit
    plans : a folder of reduction files, `<setup>/<setup>.pypeit`, to be used as they are; by
        default pypeit_setup makes them
    expected_bytes : memory that it will take; 0 for that of its last run, or the setting
    force : reduce also where there is nothing to do, or another dataset in the output
    dry_run : say what would be done, and change nothing
    tell : called now and then with what is being done

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing that can be used; before any work
    AlreadyRunningError : the same output is being made by another run
    ServiceUnavailableError : PypeIt is not installed, or the example frames can't be had
    """
    plan = job.prepare_task(raw, output, spectrograph, setup, config, pypeit_files)
    found = dataset.find_raw_frames(plan.raw)
    inputs = plan.inputs(found)
    if dry_run:
        return _describe_plan(plan, found)
    name = f"reduction-{plan.output.name}-{_path_digest(plan.output)}"
    with locks.acquire_lock(name):
        # The processes of a killed run hold this one until they are gone
        with locks.acquire_lock(f"{name}-processes", wait_seconds=job.SHUTDOWN_WAIT_SECONDS):
            old = _earlier_reduction(plan, force=force)
        if old and not force and old.inputs == inputs and old.is_still_complete():
            return replace(old, note=f"nothing to do: {old.reason}, inputs unchanged")
        limits = CommandLimits(silence_minutes, timeout_minutes)
        variables = installation.pack_environment(settings.load_settings().work_dir)
        lock = locks.lock_path(f"{name}-processes")
        expected = expected_bytes or memory.estimate_bytes(old.to_dict() if old else None)
        steps = CommandRunner(limits, variables, lock, progress, notify)
        reduction.stage_new(plan.output, inputs)
        try:
            with memory.reserve_memory(
                expected, name=_display_path(plan.output), folder=plan.output, tell=notify
            ):
                result = _ReductionRun(plan, steps).run(found, inputs)
            atomic.write_json(plan.output / reduction.RECORD_NAME, result.to_dict())
        except BaseException:
            # Stopped or broken off: an earlier reduction is put back at once
            reduction.recover_folder(plan.output)
            raise
        place = reduction.commit_better(plan.output)
    if place != plan.output:
        kept = f"the earlier reduction is kept in {plan.output.name}, this one is in {place.name}"
        result = replace(result, output=place, problems=(*result.problems, kept))
    return result


@dataclass(frozen=True)
class _ReductionRun:
    """The commands of one reduction, in their order."""

    task: ReductionTask
    steps: CommandRunner

    def run(self, found: Sequence[RawFrame], inputs: dict[str, Any]) -> ReductionResult:
        """Everything from the raw frames to the judged products."""
        made = self._run_commands(found, inputs)
        return replace(made, steps=tuple(self.steps.completed))

    def _run_commands(self, found: Sequence[RawFrame], inputs: dict[str, Any]) -> ReductionResult:
        result = ReductionResult(
            output=self.task.output,
            inputs=inputs,
            unusable=tuple((frame.file, frame.defect) for frame in found if frame.defect),
            started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if len(result.unusable) == len(found):
            return replace(result, problems=("no raw frame can be read",))
        if self.task.pypeit_files:
            for folder in sorted(path.parent for path in self.task.pypeit_files.glob("*/*.pypeit")):
                shutil.copytree(folder, self.task.output / folder.name)
        else:
            step = self._make_pypeit_files(found)
            if step.failure:
                return replace(result, problems=(f"{step.name}: {step.failure}",))
        plans = [
            input_files.read_pypeit_file(p) for p in sorted(self.task.output.glob("*/*.pypeit"))
        ]
        result = replace(result, types=tuple(FrameType.from_pypeit_files(plans)))
        return self._reduce_all(result, [plan for plan in plans if plan.targets])

    def _make_pypeit_files(self, found: Sequence[RawFrame]) -> CommandResult:
        output = self.task.output
        folder = dataset.link_usable(found, output / "frames")
        arguments = ["-s", self.task.spectrograph, "-r", str(folder), "-d", str(output)]
        arguments += ["-c", self.task.setup]
        if self.task.config:
            config = output / "parameters.cfg"
            atomic.write_text(config, "\n".join(self.task.config) + "\n")
            arguments += ["-p", str(config)]
        return self.steps.run("pypeit_setup", arguments, output / "pypeit_setup.log")

    def _reduce_all(self, result: ReductionResult, plans: Sequence[PypeItFile]) -> ReductionResult:
        if not plans:
            return replace(result, problems=("no science or standard frame",))
        for plan in plans:
            if lacking := plan.missing_types:
                reason = f"no {' and no '.join(lacking)} frame in setup {plan.setup}"
                result = _add_results(result, reason, reduction.reject_frames(plan, reason))
                continue
            name = plan.path.parent.name
            log = plan.path.with_suffix(".log")
            step = self.steps.run("run_pypeit", [plan.path.name], log, label=name, expect_time=True)
            problem = f"{step.name}: {step.failure}" if step.failure else ""
            result = _add_results(result, problem, reduction.evaluate_frames(plan, step.failure))
        return result


def _add_results(
    result: ReductionResult, problem: str, verdicts: Sequence[FrameResult]
) -> ReductionResult:
    return replace(
        result,
        problems=(*result.problems, *([problem] if problem else [])),
        science=(*result.science, *verdicts),
    )


def _earlier_reduction(plan: ReductionTask, *, force: bool) -> ReductionResult | None:
    """The finished reduction in the output; `InvalidInputError` where it is one of another dataset."""
    record = reduction.recover_folder(plan.output)
    if not record:
        return None
    old = ReductionResult.from_dict(record, plan.output)
    if old.inputs["raw"] != str(plan.raw) and not force:
        raise InvalidInputError(
            f"the output {plan.output} holds the reduction of {old.inputs['raw']}",
            "name another output, or use force to replace it",
        )
    return old


def _describe_plan(plan: ReductionTask, found: Sequence[RawFrame]) -> ReductionResult:
    unusable = tuple((frame.file, frame.defect) for frame in found if frame.defect)
    usable = len(found) - len(unusable)
    note = f"dry run: would reduce {usable} of {len(found)} frames of {plan.raw}"
    note += f" as {plan.spectrograph}, setup {plan.setup}"
    return ReductionResult(
        plan.output, plan.inputs(found), unusable=unusable, note=note, dry_run=True
    )


def _display_path(output: Path) -> str:
    """The output for those who watch: below the work directory where it is there."""
    work_dir = settings.load_settings().work_dir
    return str(output.relative_to(work_dir) if output.is_relative_to(work_dir) else output)


def _path_digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]
