"""One start of the DRP over a list of L0 files, and what came of it.

Old products go into safekeeping before, if that is asked for; afterwards each observation is judged
by its new products, and its old ones are removed, or put back where the new ones are not good. So
an observation's products are always of one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpfnb.compute import programs
from kpfnb.compute.programs import SupervisedExit
from kpfnb.core import atomic, signals
from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products
from kpfnb.kpf.reprocess.new_products import ProductWatch
from kpfnb.kpf.reprocess.options import ReprocessOptions
from kpfnb.kpf.reprocess.recovery import ProductBackup
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem

NOT_REMADE = "not made anew"
RESTORED = "the old products were put back"
NO_SPACE = "no space left on device"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class ReprocessJob:
    """What all batches of a reprocessing have in common.

    Attributes
    ----------
    folder : where lists and logs go
    old : where the old products are kept meanwhile; None: the DRP writes over them
    lock : locked for as long as a process of the DRP lives
    mark : says which products are in work; see `kpfnb.kpf.reprocess.new_products`
    started : POSIX time of the start, s
    """

    settings: Settings
    rules: CompletenessRules
    options: ReprocessOptions
    index: HeaderIndex
    folder: Path
    backup: ProductBackup | None
    lock: Path
    marker: Path
    started: float


def run_batch(
    job: ReprocessJob,
    number: int,
    standings: Sequence[ObservationCheck],
    *,
    report: Callable[[int], None],
) -> tuple[DrpBatch, list[ReprocessItem]]:
    """Run the DRP on these observations; `report` is told the number of products made so far.

    Nothing is raised for what goes wrong with the DRP or the disk, nor for Ctrl-C: each item tells
    what became of it, and `Batch.stop` why to go no further.
    """
    begun = time.time()
    watch = ProductWatch.for_observations(standings, job.rules.root)
    log = job.folder / f"batch-{number:04d}.log"
    command = drp.build_command(job.settings, log.with_suffix(".txt"), job.options.ncpus)
    ending, stop = _run_drp(job, command, standings, watch, log, report)
    # Whoever stops it now learns all the same what became of what was made
    with signals.defer_interrupts() as came:
        flaws = _find_defects(job, standings, watch)
        made = _product_times(watch, job)
        excerpts = drp.log_excerpts(log, [obsid.text for obsid, flaw in flaws.items() if flaw])
        _commit_or_restore(job, flaws)
        items = [_make_item(obsid, flaw, stop, log, excerpts) for obsid, flaw in flaws.items()]
        if came:
            came.clear()
            stop = stop or INTERRUPTED
    if any(NO_SPACE in excerpt.lower() for excerpt in excerpts.values()):
        stop = stop or "the disk is full"
    batch = DrpBatch(
        command=tuple(command),
        log=str(log),
        observations=len(standings),
        ending=ending,
        started_seconds=round(begun - job.started, 3),
        seconds=round(time.time() - begun, 3),
        made=made,
        stop=stop,
    )
    return batch, items


def _run_drp(
    job: ReprocessJob,
    command: Sequence[str],
    standings: Sequence[ObservationCheck],
    watch: ProductWatch,
    log: Path,
    report: Callable[[int], None],
) -> tuple[str, str]:
    """How the DRP ended, and why to go no further."""
    try:
        _prepare_batch(job, standings, watch, log.with_suffix(".txt"))
        ended = _supervise_drp(job, command, watch, log, report)
    except KeyboardInterrupt:
        new_products.quarantine_suspects(job.marker)
        return INTERRUPTED, INTERRUPTED
    except OSError as error:
        return "not started", f"{error.strerror}: {error.filename}"
    except InvalidInputError as error:
        return "not started", error.what
    if ended.was_killed:
        new_products.quarantine_suspects(job.marker)
    new_products.clear_marker(job.marker)
    return str(ended), ""


def _prepare_batch(
    job: ReprocessJob, standings: Sequence[ObservationCheck], watch: ProductWatch, listed: Path
) -> None:
    """All that a later run needs to bring this one to its end, before the DRP starts."""
    obsids = [standing.obsid for standing in standings]
    lines = [f"{obsid.path(job.rules.root, KPF.raw)}\n" for obsid in obsids]
    atomic.write_text(listed, "".join(lines))
    if job.backup:
        job.backup.stash(obsids)
    new_products.write_marker(job.marker, watch.paths.values())


def _supervise_drp(
    job: ReprocessJob,
    command: Sequence[str],
    watch: ProductWatch,
    log: Path,
    report: Callable[[int], None],
) -> SupervisedExit:
    def look() -> programs.ProductSnapshot:
        sight = watch.snapshot()
        report(sight.product_count)
        return sight

    return programs.supervise_program(
        command,
        log=log,
        take_snapshot=look,
        expected=len(watch.paths),
        limits=job.options.patience,
        nice=job.options.nice,
        lock=job.lock,
    )


def _find_defects(
    job: ReprocessJob, before: Sequence[ObservationCheck], watch: ProductWatch
) -> dict[ObsID, str]:
    """What is wrong with each observation now, '' where nothing is, in the order of the work."""
    made = watch.new_products()
    try:
        after = job.rules.check_observations([standing.obsid for standing in before], job.index)
    except ServiceUnavailableError as error:
        return {standing.obsid: error.what for standing in before}
    flaws = {}
    for standing in (after[one.obsid] for one in before):
        found = dict(standing.defects)
        for level in standing.expected:
            if (standing.obsid, level) in made:
                path = standing.obsid.path(job.rules.root, level)
                found[level] = found.get(level) or _inspect_product(path)
            elif job.options.force:
                found.setdefault(level, NOT_REMADE)
        worded = "; ".join(f"{level} {flaw}" for level, flaw in found.items() if flaw)
        vanished = standing.status in (ObservationStatus.NO_L0, ObservationStatus.JUNK)
        flaws[standing.obsid] = standing.reason if vanished else worded
    return flaws


def _inspect_product(path: Path) -> str:
    """The flaw of a new product; a later look, at its beginning only, must not take it for good."""
    flaw = headers.find_defect(path)
    if flaw:
        try:
            new_products.quarantine_product(path)
        except OSError as error:
            return f"{flaw}, and can't be set aside ({error.strerror})"
    return flaw


def _commit_or_restore(job: ReprocessJob, flaws: dict[ObsID, str]) -> None:
    """Remove or put back the old products; tell the index what was written in place."""
    for obsid, flaw in flaws.items():
        try:
            flaws[obsid] = _commit_observation(job, obsid, flaw)
        except OSError as error:
            left = f"old products are left ({error.strerror}: {error.filename})"
            flaws[obsid] = f"{flaw}; {left}" if flaw else left
    if job.backup:
        job.backup.close()
    for night in {obsid.night for obsid in flaws}:
        evaluation.mark_touched(job.index, job.rules.root, night)


def _commit_observation(job: ReprocessJob, obsid: ObsID, flaw: str) -> str:
    """The flaw, with what became of the old products."""
    if flaw:
        return f"{flaw}; {RESTORED}" if job.backup and job.backup.restore(obsid) else flaw
    for level in job.rules.levels:
        new_products.remove_quarantined(obsid.path(job.rules.root, level))
    if job.backup:
        job.backup.discard(obsid)
    return ""


def _make_item(
    obsid: ObsID, flaw: str, stop: str, log: Path, excerpts: Mapping[str, str]
) -> ReprocessItem:
    if not flaw:
        return ReprocessItem(obsid.text, obsid.night, ObservationOutcome.DONE)
    if stop:
        return ReprocessItem(
            obsid.text, obsid.night, ObservationOutcome.NOT_REACHED, f"{stop}: {flaw}"
        )
    return ReprocessItem(
        obsid.text, obsid.night, ObservationOutcome.FAILED, flaw, str(log), excerpts[obsid.text]
    )


def _product_times(watch: ProductWatch, job: ReprocessJob) -> dict[str, tuple[float, ...]]:
    """Level to the times at which its products were made, seconds since the start."""
    made = watch.new_products()
    return {
        level: tuple(
            sorted(round(time - job.started, 3) for (_, lvl), time in made.items() if lvl == level)
        )
        for level in job.rules.levels
    }
