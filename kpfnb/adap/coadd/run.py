"""Coadd a configuration or a dataset, from its reductions to evaluated products."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd import collation, products, stacks
from kpfnb.adap.coadd.groups import MIN_EXPOSURES
from kpfnb.adap.coadd.products import CoaddKind, ExposureResult
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddConfig, CoaddTask, prepare_task
from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.pypeit import command, installation
from kpfnb.adap.pypeit.command import CommandRunner
from kpfnb.adap.reduce import live_status
from kpfnb.core import atomic, clock, locks, settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd

RECORD_FILE = "coadd.json"
SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait until the processes of a killed run have ended."""

_COADD_FUNCTIONS = {CoaddKind.SPECTRA: collation.coadd_1d, CoaddKind.IMAGES: stacks.coadd_2d}


def coadd_folder(
    root: str | Path,
    output: str | Path,
    kind: CoaddKind,
    config: CoaddConfig,
    *,
    dry_run: bool = False,
    progress: bool = True,
) -> CoaddResult:
    """Coadd the reduced exposures below a folder; what can't be coadded is in the result.

    Complete coadds of the same inputs are not made again. Incomplete ones are made again; they
    replace earlier ones only if no good exposure is lost by that.

    Parameters
    ----------
    root : folder mask/config, mask/config/date, or of one reduction; only read, except the output
    output : folder in which 1D_Coadd or 2D_Coadd is made; '' for the configuration itself, or the
        dataset's `complete`
    dry_run : report what would be done; change nothing

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing, or a file is not usable
    AlreadyRunningError : another run is making the same coadds
    ServiceUnavailableError : PypeIt is not installed
    """
    task = prepare_task(root, output, kind, config)
    if task.kind is CoaddKind.IMAGES:
        stacks.check_detectors(task)
    inputs = task.inputs()
    if dry_run:
        return _describe_plan(task, inputs)
    name = f"coadd-{task.output.name}-{hashlib.sha256(str(task.output).encode()).hexdigest()[:8]}"
    with locks.acquire_lock(name):
        # The processes of a killed run hold this lock until they have ended
        with locks.acquire_lock(f"{name}-processes", wait_seconds=SHUTDOWN_WAIT_SECONDS):
            record = reduction.recover_folder(task.output, name=RECORD_FILE)
        earlier = CoaddResult.from_dict(record, task.output) if record else None
        _check_same_item(earlier, task, force=config.force)
        if earlier and not config.force and _is_unchanged(earlier, inputs):
            if earlier.outcome is Outcome.SKIPPED:
                return earlier
            return replace(earlier, note=f"nothing to do: {earlier.reason}, inputs unchanged")
        variables = installation.pack_environment(settings.load_settings().work_dir)
        lock = locks.lock_path(f"{name}-processes")
        runner = CommandRunner(config.limits, variables, lock, progress)
        reduction.stage_new(task.output, inputs, name=RECORD_FILE)
        try:
            result = _run_commands(task, runner, inputs)
            atomic.write_json(task.output / RECORD_FILE, result.to_dict())
        except BaseException:
            # Stopped or failed: earlier coadds are restored at once
            reduction.recover_folder(task.output, name=RECORD_FILE)
            raise
        place = reduction.commit_better(task.output, name=RECORD_FILE)
    if place != task.output:
        problem = f"the earlier coadds are kept in {task.output.name}, these are in {place.name}"
        result = replace(result, output=place, problems=(*result.problems, problem))
    return result


def _run_commands(task: CoaddTask, runner: CommandRunner, inputs: dict[str, Any]) -> CoaddResult:
    empty = CoaddResult(
        output=task.output,
        kind=task.kind,
        inputs=inputs,
        left_out=task.reduced.left_out,
        started=clock.format_utc(),
    )
    result = _COADD_FUNCTIONS[task.kind](task, runner, empty)
    return replace(result, steps=tuple(runner.completed))


def _check_same_item(earlier: CoaddResult | None, task: CoaddTask, *, force: bool) -> None:
    if earlier and earlier.inputs["name"] != task.name and not force:
        raise InvalidInputError(
            f"the output {task.output} holds the coadds of {earlier.inputs['name']}",
            "name another output, or use force to replace them",
        )


def _is_unchanged(earlier: CoaddResult, inputs: dict[str, Any]) -> bool:
    """Whether coadds are complete and of these inputs, and all products are still there."""
    if earlier.inputs != inputs or not earlier.is_complete:
        return False
    is_spectra = earlier.kind is CoaddKind.SPECTRA
    find_defect = products.find_spectrum_defect if is_spectra else products.find_stack_defect
    names = [name for product in earlier.coadds for name in product.products]
    return not any(find_defect(earlier.output / name) for name in names)


def _describe_plan(task: CoaddTask, inputs: dict[str, Any]) -> CoaddResult:
    """What would be coadded, and of which frames; in 1D, PypeIt itself matches the objects."""
    every = stacks.stacks_of_task(task)
    planned = [stack for stack in every if len(stack.exposures) >= MIN_EXPOSURES]
    exposures = task.exposures
    what = "spectra" if task.kind is CoaddKind.SPECTRA else "images"
    flux = f", flux from {task.flux}" if task.kind is CoaddKind.SPECTRA else ""
    note = f"dry run: would coadd {what}, targets: {len(planned)}, exposures: {len(exposures)}"
    note += f", of {task.name} ({task.spectrograph}{flux})"
    plan = CoaddResult(
        task.output,
        task.kind,
        inputs,
        coadds=tuple(map(stacks.planned_product, planned)),
        science=tuple(ExposureResult(e.name, e.kind, e.target) for e in exposures),
        singles=tuple(stack.name for stack in every if stack not in planned),
        left_out=task.reduced.left_out,
        note=note,
        dry_run=True,
        exposures=tuple(exposures),
    )
    is_empty = plan.outcome is Outcome.SKIPPED
    return replace(plan, note=plan.nothing_to_coadd) if is_empty else plan


@dataclass(frozen=True, repr=False)
class CombinedCoaddResult(OneLineRepr):
    """The coadds of an item's spectra and images; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    root : the folder of the reductions
    """

    parts: tuple[CoaddResult, ...]
    root: Path = Path()

    @property
    def outcome(self) -> Outcome:
        """That of its parts if they agree, else partial; one with nothing to coadd is no fault."""
        outcomes = {part.outcome for part in self.parts}
        outcomes = outcomes - {Outcome.SKIPPED} or outcomes
        return outcomes.pop() if len(outcomes) == 1 else Outcome.PARTIAL

    @property
    def reason(self) -> str:
        """One line."""
        return "; ".join(f"{part.kind.upper()}: {part.reason}" for part in self.parts)

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            f"{part.kind.upper()} {name}": value
            for part in self.parts
            for name, value in part.key_figures().items()
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        parts = {str(part.kind): part.to_dict() for part in self.parts}
        return {"outcome": str(self.outcome), "reason": self.reason, **parts}

    def to_frame(self) -> pd.DataFrame:
        """A row for each coadd."""
        return self._concatenate([part.to_frame() for part in self.parts])

    def frames(self) -> pd.DataFrame:
        """A row for each exposure and kind of coadd."""
        return self._concatenate([part.frames() for part in self.parts])

    def _concatenate(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        for part, table in zip(self.parts, tables, strict=True):
            table.insert(0, "of", part.kind.upper())
        filled = [table for table in tables if len(table)]
        return pd.concat(filled, ignore_index=True) if filled else tables[0]

    def __str__(self) -> str:
        return "\n\n".join(f"{part.kind.upper()} {part}" for part in self.parts)

    def _repr_html_(self) -> str:
        return "".join(f"<h3>{part.kind.upper()}</h3>{part._repr_html_()}" for part in self.parts)


def coadd_item(
    item: str,
    root: str | Path,
    config: CoaddConfig,
    *,
    kinds: Sequence[str] = ("1d", "2d"),
    output: str | Path = "",
    dry_run: bool = False,
    progress: bool = True,
) -> CombinedCoaddResult:
    """Coadd the spectra and the images of one item; output and errors as for `coadd_folder`.

    Parameters
    ----------
    item : mask/config or mask/config/date below `root`, or the path of its folder
    root : folder of the datasets; '' for the one in the work directory
    kinds : "1d" (spectra), "2d" (images) or both
    """
    selected = [kind for kind in CoaddKind if kind in kinds]
    if not selected:
        raise InvalidParameterError("kinds: nothing is to be coadded", "name 1d, 2d or both")
    datasets = settings.load_settings().work_dir / dataset.DATASETS_FOLDER
    folder = (Path(root) if str(root) else datasets) / item
    with live_status.show_live_status(command.running_commands):
        parts = [
            coadd_folder(folder, output, kind, config, dry_run=dry_run, progress=progress)
            for kind in selected
        ]
    return CombinedCoaddResult(tuple(parts), folder)
