"""2D coadds: the exposures of each target are stacked, and spectra are extracted from the stack."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.coadd import products
from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.groups import (
    MIN_EXPOSURES,
    Stack,
    file_stem,
    make_stacks,
    read_coadd_file,
    write_input_file,
)
from kpfnb.adap.coadd.products import CoaddProduct, ExposureResult, split_list
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddTask
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.pypeit.input_files import ParameterTree, merge_parameters
from kpfnb.core.errors import InvalidInputError

SETUP_FOLDER = "setup"
"""The folder in which the input files are prepared."""


@dataclass(frozen=True)
class _StackRun:
    """One stack and the commands that make it."""

    task: CoaddTask
    runner: CommandRunner
    stack: Stack

    def run(self) -> CoaddProduct:
        """The evaluated coadd."""
        stack = self.stack
        coadd = planned_product(stack)
        detectors = select_detectors(self.task, stack)
        if not detectors:
            return replace(coadd, reason="no detector has a good slit")
        input_file, problem = self._prepare()
        if problem:
            return replace(coadd, reason=problem)
        log = input_file.with_suffix(".log")
        arguments = [str(input_file), "--basename", stack.basename]
        step = self.runner.run("pypeit_coadd_2dspec", arguments, log, label=stack.name)
        output, basename = self.task.output, stack.basename
        return products.evaluate_stack(output, coadd, basename, detectors, step.failure)

    def _prepare(self) -> tuple[Path, str]:
        """PypeIt's input file for the stack, with all parameters; and why there is none."""
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
        step = self.runner.run("pypeit_setup_coadd2d", arguments, log, label=self.stack.name)
        written = sorted(folder.glob("*.coadd2d"))
        path = self.task.output / f"{self.task.spectrograph}_{self.stack.name}.coadd2d"
        if step.failure or not written:
            return path, f"{step.name}: {step.failure or 'it wrote no .coadd2d file'}"
        parameters = self._parameters(read_coadd_file(written[0]).parameters)
        spec2d = [exposure.spec2d for exposure in self.stack.exposures]
        columns = [("filename", [file.name for file in spec2d])]
        write_input_file(path, parameters, "spec2d", [file.parent for file in spec2d], columns)
        return path, ""

    def _parameters(self, defaults: ParameterTree) -> ParameterTree:
        """PypeIt's own, the profile's and the user's, and the folder of the products."""
        parameters = {key: dict(value) for key, value in self.task.parameters.items()}
        rdx = parameters.get("rdx", {})
        for key in ("redux_path", "scidir", "qadir"):
            rdx.pop(key, None)
        if "detnum" in rdx:
            rdx["detnum"] = ", ".join(f'"{number}"' for number in self._detector_numbers())
        listed = split_list(parameters.get("coadd2d", {}).pop("exclude_slits", ""))
        excluded = {*listed, *self.stack.excluded}
        output: ParameterTree = {"rdx": {"redux_path": str(self.task.output)}}
        if excluded:
            output["coadd2d"] = {"exclude_slits": sorted(excluded)}
        return merge_parameters(defaults, parameters, output)

    def _detector_numbers(self) -> list[str]:
        """The detectors in PypeIt's notation; none if PypeIt may choose itself."""
        detectors = select_detectors(self.task, self.stack)
        numbers = [self.task.rules.detector_number(detector) for detector in detectors]
        return numbers if all(numbers) else []


def coadd_2d(task: CoaddTask, runner: CommandRunner, empty: CoaddResult) -> CoaddResult:
    """Stack the images of reduced exposures, extract spectra, and evaluate the stacks."""
    coadds, singles = [], []
    for stack in stacks_of_task(task):
        if len(stack.exposures) < MIN_EXPOSURES:
            singles.append(stack.name)
        else:
            coadds.append(_StackRun(task, runner, stack).run())
    shutil.rmtree(task.output / SETUP_FOLDER, ignore_errors=True)
    return replace(
        empty,
        science=tuple(_exposure_result(exposure, coadds) for exposure in task.exposures),
        coadds=tuple(coadds),
        singles=tuple(singles),
    )


def stacks_of_task(task: CoaddTask) -> list[Stack]:
    """The stacks of a task, including those of a single exposure."""
    return make_stacks(task.exposures, task.bad_slits, task.tolerance)


def planned_product(stack: Stack) -> CoaddProduct:
    """A coadd that is not made yet."""
    return CoaddProduct(
        name=stack.name,
        target=stack.target,
        frames=tuple(exposure.name for exposure in stack.exposures),
        excluded=stack.excluded,
        skipped=stack.skipped,
    )


def select_detectors(task: CoaddTask, stack: Stack) -> tuple[str, ...]:
    """The detectors that are coadded: those with a good slit, or the user's choice of them.

    `InvalidInputError` if the user's parameters name one that the exposures do not have.
    """
    if slits := split_list(task.parameters.get("coadd2d", {}).get("only_slits", "")):
        selected = {slit.partition(":")[0] for slit in slits}
        return tuple(name for name in stack.detectors if name in selected)
    numbers = parse_detector_numbers(str(task.parameters.get("rdx", {}).get("detnum", "")))
    names = {task.rules.detector_number(name): name for name in stack.exposures[0].detectors}
    if unknown := [number for number in numbers if number not in names]:
        raise InvalidInputError(
            f"detnum: {stack.name} has no detector {unknown[0]}", f"it has {', '.join(names)}"
        )
    selected = {names[number] for number in numbers} or set(stack.detectors)
    return tuple(name for name in stack.detectors if name in selected)


def check_detectors(task: CoaddTask) -> None:
    """Check the user's detectors: `InvalidInputError` if the exposures do not have them."""
    for stack in stacks_of_task(task):
        select_detectors(task, stack)


def _exposure_result(exposure: ReducedExposure, coadds: Sequence[CoaddProduct]) -> ExposureResult:
    reasons = (c.reason for c in coadds if c.reason and exposure.name in c.frames)
    reason = next(reasons, "")
    return ExposureResult(exposure.name, exposure.kind, exposure.target, reason=reason)


def _parsable_name(exposure: ReducedExposure) -> str:
    """The name of its spec2d, changed so that PypeIt finds the target after the first dash."""
    stem = file_stem(exposure.file)
    return exposure.spec2d.name.replace(stem, stem.replace("-", "_"), 1)


def parse_detector_numbers(text: str) -> list[str]:
    """The detectors in a value of PypeIt's detnum: `"2,6", "3,7"` or `(2, 6), (3, 7)` or `5, 6`."""
    groups = re.findall(r"\"([^\"]*)\"|'([^']*)'|\(([^)]*)\)", text)
    numbers = ["".join(group) for group in groups] or text.strip("[]").split(",")
    return [re.sub(r"\s", "", number) for number in numbers if number.strip()]
