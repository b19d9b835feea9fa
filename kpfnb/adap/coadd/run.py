"""Coadd what is reduced: a configuration or a dataset, from its reductions to judged products."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd import (
    collation,
    groups,
    products,
)
from kpfnb.adap.coadd import (
    stacks as stacking,
)
from kpfnb.adap.coadd.products import CoaddProduct, ExposureResult
from kpfnb.adap.coadd.result import CoaddResult
from kpfnb.adap.coadd.task import CoaddKind, CoaddTask, prepare_task
from kpfnb.adap.products import dataset, reduction
from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit.command import CommandLimits, CommandRunner
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

RECORD_FILE = "coadd.json"
SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait for the processes of a killed run to be gone."""

_COADD_FUNCTIONS = {CoaddKind.SPECTRA: collation.coadd_1d, CoaddKind.IMAGES: stacking.coadd_2d}


def coadd_folder(
    root: str | Path,
    output: str | Path = "",
    *,
    kind: str | CoaddKind,
    flux: str = "auto",
    config: str | Sequence[str] = (),
    custom: str | Path = "",
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> CoaddResult:
    """Coadd the reduced exposures below a folder; what can't be coadded is told in the result.

    Coadds that are there, whole and of the same inputs are not made again. Those that are not whole
    are made anew; they replace earlier ones only where nothing good is lost by that.

    Parameters
    ----------
    root : folder mask/config, mask/config/date, or of one reduction; only read, but for the output
    output : folder below which 1D_Coadd or 2D_Coadd is made; '' for the configuration itself, or
        the dataset's `complete`
    kind : "1d" (spectra) or "2d" (images)
    flux : of spectra: archive, standard or none; auto as the profile of the spectrograph says
    config : the user's parameters in PypeIt's notation, over the profile's: lines, or a file's name
    custom : folder of files named exactly as the item, `<mask>_<config>[_<date>].collate1d`,
        `.coadd2d` or `.sens`; their parameters are over all others, their lists choose the files
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    force : coadd also where there is nothing to do
    dry_run : say what would be done, and change nothing

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument that names nothing, or a file that can't be used
    AlreadyRunningError : the same coadds are being made by another run
    ServiceUnavailableError : PypeIt is not installed
    """
    task = prepare_task(root, output, CoaddKind(kind), flux, config, custom)
    if task.kind is CoaddKind.IMAGES:
        stacking.check_detectors(task)
    inputs = task.inputs()
    if dry_run:
        return _describe_plan(task, CoaddResult(task.output, task.kind, inputs))
    name = f"coadd-{task.output.name}-{hashlib.sha256(str(task.output).encode()).hexdigest()[:8]}"
    with locks.acquire_lock(name):
        # The processes of a killed run hold this one until they are gone
        with locks.acquire_lock(f"{name}-processes", wait_seconds=SHUTDOWN_WAIT_SECONDS):
            record = reduction.recover_folder(task.output, name=RECORD_FILE)
        old = CoaddResult.from_dict(record, task.output) if record else None
        _check_item(old, task, force=force)
        if old and not force and old.inputs == inputs and _is_still_complete(old):
            return replace(old, note=f"nothing to do: {old.reason}, inputs unchanged")
        variables = installation.pack_environment(settings.load_settings().work_dir)
        limits = CommandLimits(silence_minutes, timeout_minutes)
        steps = CommandRunner(limits, variables, locks.lock_path(f"{name}-processes"), progress)
        reduction.stage_new(task.output, inputs, name=RECORD_FILE)
        try:
            result = _coadd(task, steps, inputs)
            atomic.write_json(task.output / RECORD_FILE, result.to_dict())
        except BaseException:
            # Stopped or broken off: earlier coadds are put back at once
            reduction.recover_folder(task.output, name=RECORD_FILE)
            raise
        place = reduction.commit_better(task.output, name=RECORD_FILE)
    if place != task.output:
        kept = f"the earlier coadds are kept in {task.output.name}, these are in {place.name}"
        result = replace(result, output=place, problems=(*result.problems, kept))
    return result


def _coadd(task: CoaddTask, steps: CommandRunner, inputs: dict[str, object]) -> CoaddResult:
    begun = CoaddResult(
        output=task.output,
        kind=task.kind,
        inputs=inputs,
        left_out=task.reduced.left_out,
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    made = _COADD_FUNCTIONS[task.kind](task, steps, begun)
    return replace(made, steps=tuple(steps.completed))


def _check_item(old: CoaddResult | None, task: CoaddTask, *, force: bool) -> None:
    if old and old.inputs["name"] != task.name and not force:
        raise InvalidInputError(
            f"the output {task.output} holds the coadds of {old.inputs['name']}",
            "name another output, or use force to replace them",
        )


def _is_still_complete(old: CoaddResult) -> bool:
    """Whether all was coadded then, and all products are there still."""
    defect = (
        products.find_spectrum_defect
        if old.kind is CoaddKind.SPECTRA
        else products.find_stack_defect
    )
    names = [name for one in old.coadds for name in one.products]
    return old.complete and not any(defect(old.output / name) for name in names)


def _describe_plan(task: CoaddTask, empty: CoaddResult) -> CoaddResult:
    """What would be coadded, and with which frames; PypeIt itself matches the objects in 1D."""
    stacks = stacking.stacks_of_task(task)
    several = [one for one in stacks if len(one.exposures) >= groups.MIN_EXPOSURES]
    coadds: list[CoaddProduct] = [stacking.planned_product(one) for one in several]
    what = "spectra" if task.kind is CoaddKind.SPECTRA else "images"
    flux = f", flux from {task.flux}" if task.kind is CoaddKind.SPECTRA else ""
    note = f"dry run: would coadd {what}, targets: {len(coadds)}, exposures: {len(task.exposures)}"
    note += f", of {task.name} ({task.spectrograph}{flux})"
    return replace(
        empty,
        coadds=tuple(coadds),
        science=tuple(ExposureResult(one.name, one.kind, one.target) for one in task.exposures),
        singles=tuple(one.name for one in stacks if one not in several),
        left_out=task.reduced.left_out,
        note=note,
        dry_run=True,
        exposures=tuple(task.exposures),
    )


# All coadds of one configuration or dataset: its spectra and its images.


@dataclass(frozen=True, repr=False)
class CombinedCoaddResult(OneLineRepr):
    """What became of the spectra and of the images; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    root : the folder that has the reductions
    """

    parts: tuple[CoaddResult, ...]
    root: Path = Path()

    @property
    def outcome(self) -> Outcome:
        """That of its parts where they agree, else partial."""
        outcomes = {part.outcome for part in self.parts}
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
        """One row a coadd."""
        return self._concatenate([part.to_frame() for part in self.parts])

    def frames(self) -> pd.DataFrame:
        """One row an exposure and kind of coadd."""
        return self._concatenate([part.frames() for part in self.parts])

    def plot(self) -> Figure:
        """The coadds, spectra first; in a dry run, what would be coadded."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and what is at the mouse."""
        from kpfnb.adap.coadd import plots

        return plots.hover_plot(self.parts)

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row of its tables leads to, as HTML: a coadd, or an exposure's reduction."""
        if "coadd" in row:
            found = [one for one in self.parts if one.kind.upper() == row["of"]]
            return "".join(one.row_details(row) for one in found)
        from kpfnb.adap.coadd import exposures
        from kpfnb.adap.pages import reduction_details

        night, _, file = str(row["file"]).rpartition("/")
        return "".join(
            reduction_details.details_html(
                folder, " · ".join(filter(None, [self.root.name, night])), file=file
            )
            for date, folder in exposures.find_reductions(self.root)
            if date == night
        )

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
    root: str | Path = "",
    *,
    kinds: Sequence[str] = ("1d", "2d"),
    **options: Any,
) -> CombinedCoaddResult:
    """Coadd the spectra and the images of one item; options and errors as for `coadd.run`.

    Parameters
    ----------
    item : mask/config or mask/config/date below `root`, or the path of its folder
    root : folder of the datasets; '' for that in the work directory
    kinds : "1d", "2d" or both
    """
    wanted = [kind for kind in CoaddKind if kind in kinds]
    if not wanted:
        raise InvalidParameterError("kinds: nothing is to be coadded", "name 1d, 2d or both")
    folder = (
        Path(root) if str(root) else settings.load_settings().work_dir / dataset.DATASETS_FOLDER
    ) / item
    return CombinedCoaddResult(
        tuple(coadd_folder(folder, kind=kind, **options) for kind in wanted), folder
    )
