"""2D: the exposures of each target are stacked, and spectra are extracted from the stack."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.coadd import (
    groups,
    input_files,
    products,
)
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.groups import Stack
from kpfnb.adap.coadd.products import CoaddProduct, ExposureResult, split_list
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit import input_files as pypeitparameters
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import ParameterTree
from kpfnb.core.errors import InvalidInputError

SETUP_FOLDER = "setup"
"""The folder in which the input files are prepared."""


@dataclass(frozen=True)
class _StackRun:
    """One stack and the commands that make it."""

    task: CoaddTask
    steps: CommandRunner
    stack: Stack

    def run(self) -> CoaddProduct:
        """The judged coadd."""
        stack = self.stack
        coadd = planned_product(stack)
        detectors = select_detectors(self.task, stack)
        if not detectors:
            return replace(coadd, reason="no detector has a good slit")
        prepared = self._prepare()
        if isinstance(prepared, str):
            return replace(coadd, reason=prepared)
        log = prepared.with_suffix(".log")
        arguments = [str(prepared), "--basename", stack.basename]
        step = self.steps.run("pypeit_coadd_2dspec", arguments, log, label=stack.name)
        return products.evaluate_stack(
            self.task.output, coadd, stack.basename, detectors, step.failure
        )

    def _prepare(self) -> Path | str:
        """PypeIt's input file for the stack, with the parameters put in; or why there is none."""
        folder = self.task.output / SETUP_FOLDER / self.stack.name
        frames = folder / "frames"
        frames.mkdir(parents=True)
        for exposure in self.stack.exposures:
            (frames / _parsable_name(exposure)).symlink_to(exposure.spec2d)
        arguments = ["-d", str(frames), "--spat_toler", str(round(self.task.tolerance))]
        if numbers := self._detector_numbers():
            arguments += ["--det", *numbers]
        if self.stack.excluded:
            arguments += ["--exclude_slits", *self.stack.excluded]
        log = folder / "pypeit_setup_coadd2d.log"
        step = self.steps.run("pypeit_setup_coadd2d", arguments, log, label=self.stack.name)
        made = sorted(folder.glob("*.coadd2d"))
        if step.failure or not made:
            return f"{step.name}: {step.failure or 'it wrote no .coadd2d file'}"
        path = self.task.output / f"{self.task.spectrograph}_{self.stack.name}.coadd2d"
        parameters = self._parameters(input_files.read_coadd_file(made[0]).parameters)
        spec2d = [one.spec2d for one in self.stack.exposures]
        columns = [("filename", [file.name for file in spec2d])]
        input_files.write_input_file(
            path, parameters, "spec2d", [one.parent for one in spec2d], columns
        )
        return path

    def _parameters(self, made: ParameterTree) -> ParameterTree:
        """PypeIt's own, the profile's and the user's, and where the products go."""
        own = {key: dict(value) for key, value in self.task.parameters.items()}
        for key in ("redux_path", "scidir", "qadir"):
            own.get("rdx", {}).pop(key, None)
        if "detnum" in own.get("rdx", {}):
            own["rdx"]["detnum"] = ", ".join(f'"{number}"' for number in self._detector_numbers())
        excluded = {
            *split_list(own.get("coadd2d", {}).pop("exclude_slits", "")),
            *self.stack.excluded,
        }
        places: ParameterTree = {"rdx": {"redux_path": str(self.task.output)}}
        if excluded:
            places["coadd2d"] = {"exclude_slits": sorted(excluded)}
        return pypeitparameters.merge_parameters(made, own, places)

    def _detector_numbers(self) -> list[str]:
        """The detectors as PypeIt wants to be told; none where it may choose for itself."""
        numbers = [
            self.task.rules.detector_number(name)
            for name in select_detectors(self.task, self.stack)
        ]
        return numbers if all(numbers) else []


def coadd_2d(task: CoaddTask, steps: CommandRunner, result: CoaddResult) -> CoaddResult:
    """From reduced exposures to judged stacks."""
    coadds, singles = [], []
    for stack in stacks_of_task(task):
        if len(stack.exposures) < groups.MIN_EXPOSURES:
            singles.append(stack.name)
        else:
            coadds.append(_StackRun(task, steps, stack).run())
    shutil.rmtree(task.output / SETUP_FOLDER, ignore_errors=True)
    return replace(
        result,
        science=tuple(_exposure_result(one, coadds) for one in task.exposures),
        coadds=tuple(coadds),
        singles=tuple(singles),
    )


def stacks_of_task(task: CoaddTask) -> list[Stack]:
    """The stacks of a task, those of one exposure too."""
    return groups.make_stacks(task.exposures, task.bad_slits, task.tolerance)


def planned_product(stack: Stack) -> CoaddProduct:
    """A coadd that is not made yet."""
    return CoaddProduct(
        name=stack.name,
        target=stack.target,
        frames=tuple(one.name for one in stack.exposures),
        excluded=stack.excluded,
        skipped=stack.skipped,
    )


def select_detectors(task: CoaddTask, stack: Stack) -> tuple[str, ...]:
    """The detectors that are coadded: those with a good slit, or the user's choice of them.

    `InvalidInputError` where the user's parameters name one that the exposures do not have.
    """
    if only := split_list(task.parameters.get("coadd2d", {}).get("only_slits", "")):
        chosen = {slit.partition(":")[0] for slit in only}
        return tuple(name for name in stack.detectors if name in chosen)
    numbers = parse_detector_numbers(str(task.parameters.get("rdx", {}).get("detnum", "")))
    names = {task.rules.detector_number(name): name for name in stack.exposures[0].detectors}
    if unknown := [number for number in numbers if number not in names]:
        raise InvalidInputError(
            f"detnum: {stack.name} has no detector {unknown[0]}", f"it has {', '.join(names)}"
        )
    chosen = {names[number] for number in numbers} or set(stack.detectors)
    return tuple(name for name in stack.detectors if name in chosen)


def check_detectors(task: CoaddTask) -> None:
    """`InvalidInputError` where the user's parameters do not fit the exposures."""
    for stack in stacks_of_task(task):
        select_detectors(task, stack)


def _exposure_result(exposure: ReducedExposure, coadds: list[CoaddProduct]) -> ExposureResult:
    reasons = [one.reason for one in coadds if exposure.name in one.frames and one.reason]
    return ExposureResult(
        exposure.name, exposure.kind, exposure.target, reason=reasons[0] if reasons else ""
    )


def _parsable_name(exposure: ReducedExposure) -> str:
    """The name of its spec2d, so that PypeIt finds the target in it: after the first dash."""
    stem = groups.file_stem(exposure.file)
    return exposure.spec2d.name.replace(stem, stem.replace("-", "_"), 1)


def parse_detector_numbers(text: str) -> list[str]:
    """The detectors in a value of PypeIt's detnum: `"2,6", "3,7"` or `(2, 6), (3, 7)` or `5, 6`."""
    grouped = re.findall(r"\"([^\"]*)\"|'([^']*)'|\(([^)]*)\)", text)
    found = ["".join(parts) for parts in grouped] or text.strip("[]").split(",")
    return [re.sub(r"\s", "", one) for one in found if one.strip()]
