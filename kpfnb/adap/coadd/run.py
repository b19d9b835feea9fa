"""Coadd what is reduced: a configuration or a dataset, from its reductions to judged products."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kpfnb import files, locks, settings
from kpfnb.adap.coadding import (
    coaddgroups,
    coaddspectra,
    collating,
    stacking,
    stackproducts,
)
from kpfnb.adap.coadding.coadded import Coadded
from kpfnb.adap.coadding.coaddtask import CoaddTask, Kind, prepare
from kpfnb.adap.coadding.coaddverdicts import Coadd, Frame
from kpfnb.adap.pypeit import pack
from kpfnb.adap.pypeit.command import Limits
from kpfnb.adap.pypeit.steps import Steps
from kpfnb.adap.reducing import workplace
from kpfnb.errors import BadInput

RECORD = "coadd.json"
DYING_SECONDS = 60
"""How long to wait for the processes of a killed run to be gone."""

_DO = {Kind.SPECTRA: collating.do, Kind.IMAGES: stacking.do}


def run(
    root: str | Path,
    output: str | Path = "",
    *,
    kind: str | Kind,
    flux: str = "auto",
    config: str | Sequence[str] = (),
    custom: str | Path = "",
    silence_minutes: float = 30,
    timeout_minutes: float = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> Coadded:
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
    BadInput, BadParameter : an argument that names nothing, or a file that can't be used
    Busy : the same coadds are being made by another run
    ServiceUnavailable : PypeIt is not installed
    """
    task = prepare(root, output, Kind(kind), flux, config, custom)
    if task.kind is Kind.IMAGES:
        stacking.check(task)
    inputs = task.inputs()
    if dry_run:
        return _dry_run(task, Coadded(task.output, task.kind, inputs))
    name = f"coadd-{task.output.name}-{hashlib.sha256(str(task.output).encode()).hexdigest()[:8]}"
    with locks.hold(name):
        # The processes of a killed run hold this one until they are gone
        with locks.hold(f"{name}-processes", wait_seconds=DYING_SECONDS):
            record = workplace.recover(task.output, name=RECORD)
        old = Coadded.from_dict(record, task.output) if record else None
        _check_item(old, task, force=force)
        if old and not force and old.inputs == inputs and _still_whole(old):
            return replace(old, note=f"nothing to do: {old.reason}, inputs unchanged")
        variables = pack.environment(settings.load().work_dir)
        limits = Limits(silence_minutes, timeout_minutes)
        steps = Steps(limits, variables, locks.path(f"{name}-processes"), progress)
        workplace.begin(task.output, inputs, name=RECORD)
        try:
            result = _make(task, steps, inputs)
            files.write_json(task.output / RECORD, result.to_dict())
        except BaseException:
            # Stopped or broken off: earlier coadds are put back at once
            workplace.recover(task.output, name=RECORD)
            raise
        place = workplace.settle(task.output, name=RECORD)
    if place != task.output:
        kept = f"the earlier coadds are kept in {task.output.name}, these are in {place.name}"
        result = replace(result, output=place, problems=(*result.problems, kept))
    return result


def _make(task: CoaddTask, steps: Steps, inputs: dict[str, object]) -> Coadded:
    begun = Coadded(
        output=task.output,
        kind=task.kind,
        inputs=inputs,
        left_out=task.found.left_out,
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    made = _DO[task.kind](task, steps, begun)
    return replace(made, steps=tuple(steps.taken))


def _check_item(old: Coadded | None, task: CoaddTask, *, force: bool) -> None:
    if old and old.inputs["name"] != task.name and not force:
        raise BadInput(
            f"the output {task.output} holds the coadds of {old.inputs['name']}",
            "name another output, or use force to replace them",
        )


def _still_whole(old: Coadded) -> bool:
    """Whether all was coadded then, and all products are there still."""
    defect = coaddspectra.defect if old.kind is Kind.SPECTRA else stackproducts.defect
    names = [name for one in old.coadds for name in one.products]
    return old.complete and not any(defect(old.output / name) for name in names)


def _dry_run(task: CoaddTask, empty: Coadded) -> Coadded:
    """What would be coadded, and with which frames; PypeIt itself matches the objects in 1D."""
    stacks = stacking.stacks(task)
    several = [one for one in stacks if len(one.exposures) >= coaddgroups.FEWEST]
    coadds: list[Coadd] = [stacking.planned(one) for one in several]
    what = "spectra" if task.kind is Kind.SPECTRA else "images"
    flux = f", flux from {task.flux}" if task.kind is Kind.SPECTRA else ""
    note = f"dry run: would coadd {what}, targets: {len(coadds)}, exposures: {len(task.aims)}"
    note += f", of {task.name} ({task.spectrograph}{flux})"
    return replace(
        empty,
        coadds=tuple(coadds),
        science=tuple(Frame(one.name, one.kind, one.target) for one in task.aims),
        singles=tuple(one.name for one in stacks if one not in several),
        left_out=task.found.left_out,
        note=note,
        dry_run=True,
        exposures=tuple(task.aims),
    )
