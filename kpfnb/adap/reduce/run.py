"""Reduce one dataset with PypeIt: from a folder of raw frames to judged products."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb import files, locks, settings
from kpfnb.adap.pypeit import memory, pack, pypeitfile
from kpfnb.adap.pypeit.command import Limits, Step
from kpfnb.adap.pypeit.pypeitfile import PypeItFile
from kpfnb.adap.pypeit.steps import Steps
from kpfnb.adap.reducing import frames, products, task, workplace
from kpfnb.adap.reducing.frames import RawFrame
from kpfnb.adap.reducing.products import Verdict
from kpfnb.adap.reducing.reduced import FrameType, Reduction
from kpfnb.adap.reducing.task import Task
from kpfnb.errors import BadInput


def run(
    raw: str | Path = "",
    output: str | Path = "",
    *,
    spectrograph: str,
    setup: str = "all",
    config: str | Sequence[str] = (),
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    plans: Path | None = None,
    expected_bytes: int = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> Reduction:
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
    BadInput, BadParameter : an argument names nothing that can be used; before any work
    Busy : the same output is being made by another run
    ServiceUnavailable : PypeIt is not installed, or the example frames can't be had
    """
    plan = task.prepare(raw, output, spectrograph, setup, config, plans)
    found = frames.find(plan.raw)
    inputs = plan.inputs(found)
    if dry_run:
        return _dry_run(plan, found)
    name = f"reduction-{plan.output.name}-{_digest(plan.output)}"
    with locks.hold(name):
        # The processes of a killed run hold this one until they are gone
        with locks.hold(f"{name}-processes", wait_seconds=task.DYING_SECONDS):
            old = _earlier(plan, force=force)
        if old and not force and old.inputs == inputs and old.is_still_whole():
            return replace(old, note=f"nothing to do: {old.reason}, inputs unchanged")
        limits = Limits(silence_minutes, timeout_minutes)
        variables = pack.environment(settings.load().work_dir)
        lock = locks.path(f"{name}-processes")
        expected = expected_bytes or memory.expected_bytes(old.to_dict() if old else None)
        steps = Steps(limits, variables, lock, progress, tell)
        workplace.begin(plan.output, inputs)
        try:
            with memory.reserve(expected, name=_place(plan.output), folder=plan.output, tell=tell):
                result = _Work(plan, steps).do(found, inputs)
            files.write_json(plan.output / workplace.RECORD, result.to_dict())
        except BaseException:
            # Stopped or broken off: an earlier reduction is put back at once
            workplace.recover(plan.output)
            raise
        place = workplace.settle(plan.output)
    if place != plan.output:
        kept = f"the earlier reduction is kept in {plan.output.name}, this one is in {place.name}"
        result = replace(result, output=place, problems=(*result.problems, kept))
    return result


@dataclass(frozen=True)
class _Work:
    """The commands of one reduction, in their order."""

    task: Task
    steps: Steps

    def do(self, found: Sequence[RawFrame], inputs: dict[str, Any]) -> Reduction:
        """Everything from the raw frames to the judged products."""
        made = self._do(found, inputs)
        return replace(made, steps=tuple(self.steps.taken))

    def _do(self, found: Sequence[RawFrame], inputs: dict[str, Any]) -> Reduction:
        result = Reduction(
            output=self.task.output,
            inputs=inputs,
            unusable=tuple((frame.file, frame.defect) for frame in found if frame.defect),
            started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if len(result.unusable) == len(found):
            return replace(result, problems=("no raw frame can be read",))
        if self.task.plans:
            for folder in sorted(path.parent for path in self.task.plans.glob("*/*.pypeit")):
                shutil.copytree(folder, self.task.output / folder.name)
        else:
            step = self._set_up(found)
            if step.failure:
                return replace(result, problems=(f"{step.name}: {step.failure}",))
        plans = [pypeitfile.read(p) for p in sorted(self.task.output.glob("*/*.pypeit"))]
        result = replace(result, types=tuple(FrameType.of(plans)))
        return self._reduce_all(result, [plan for plan in plans if plan.targets])

    def _set_up(self, found: Sequence[RawFrame]) -> Step:
        output = self.task.output
        folder = frames.offered(found, output / "frames")
        arguments = ["-s", self.task.spectrograph, "-r", str(folder), "-d", str(output)]
        arguments += ["-c", self.task.setup]
        if self.task.config:
            config = output / "parameters.cfg"
            files.write_text(config, "\n".join(self.task.config) + "\n")
            arguments += ["-p", str(config)]
        return self.steps.run("pypeit_setup", arguments, output / "pypeit_setup.log")

    def _reduce_all(self, result: Reduction, plans: Sequence[PypeItFile]) -> Reduction:
        if not plans:
            return replace(result, problems=("no science or standard frame",))
        for plan in plans:
            if lacking := plan.lacking:
                reason = f"no {' and no '.join(lacking)} frame in setup {plan.setup}"
                result = _with(result, reason, products.refuse(plan, reason))
                continue
            name = plan.path.parent.name
            log = plan.path.with_suffix(".log")
            step = self.steps.run("run_pypeit", [plan.path.name], log, label=name, timed=True)
            problem = f"{step.name}: {step.failure}" if step.failure else ""
            result = _with(result, problem, products.judge(plan, step.failure))
        return result


def _with(result: Reduction, problem: str, verdicts: Sequence[Verdict]) -> Reduction:
    return replace(
        result,
        problems=(*result.problems, *([problem] if problem else [])),
        science=(*result.science, *verdicts),
    )


def _earlier(plan: Task, *, force: bool) -> Reduction | None:
    """The finished reduction in the output; `BadInput` where it is one of another dataset."""
    record = workplace.recover(plan.output)
    if not record:
        return None
    old = Reduction.from_dict(record, plan.output)
    if old.inputs["raw"] != str(plan.raw) and not force:
        raise BadInput(
            f"the output {plan.output} holds the reduction of {old.inputs['raw']}",
            "name another output, or use force to replace it",
        )
    return old


def _dry_run(plan: Task, found: Sequence[RawFrame]) -> Reduction:
    unusable = tuple((frame.file, frame.defect) for frame in found if frame.defect)
    usable = len(found) - len(unusable)
    note = f"dry run: would reduce {usable} of {len(found)} frames of {plan.raw}"
    note += f" as {plan.spectrograph}, setup {plan.setup}"
    return Reduction(plan.output, plan.inputs(found), unusable=unusable, note=note, dry_run=True)


def _place(output: Path) -> str:
    """The output for those who watch: below the work directory where it is there."""
    work_dir = settings.load().work_dir
    return str(output.relative_to(work_dir) if output.is_relative_to(work_dir) else output)


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]
