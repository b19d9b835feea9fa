"""One start of the DRP over a list of L0 files, and its results.

If requested, old products are moved into a backup first. Afterwards each observation is judged by
its new products: its old ones are removed, or restored if the new ones are incomplete or worse. So
the products of an observation always come from one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpfnb.compute import programs
from kpfnb.compute.programs import ProductSnapshot, SupervisedExit
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, ServiceUnavailableError
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings
from kpfnb.core.signals import defer_interrupts
from kpfnb.kpf.files import drp, drp_log
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation, header_facts
from kpfnb.kpf.progress.attempts import AttemptSource
from kpfnb.kpf.progress.completeness import IncompleteReason
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products
from kpfnb.kpf.reprocess.attempt_record import record_items
from kpfnb.kpf.reprocess.new_products import ProductWatch
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.recovery import ProductBackup
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem

NOT_REMADE = "not made again"
RESTORED = "the old products were restored"
KEPT = "the new products were kept"
NO_SPACE = "no space left on device"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class ReprocessJob:
    """What all batches of a run have in common.

    Attributes
    ----------
    folder : for lists and logs
    backup : of the old products; None: the DRP overwrites them
    lock : locked as long as a process of the DRP runs
    marker : names the products that are being written; see `kpfnb.kpf.reprocess.new_products`
    started : POSIX time of the start, s
    source : who runs the DRP, for the record of attempts
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
    source: AttemptSource = AttemptSource.REPROCESSING


def run_batch(
    job: ReprocessJob,
    number: int,
    checks: Sequence[ObservationCheck],
    *,
    report: Callable[[int], None],
) -> tuple[DrpBatch, list[ReprocessItem]]:
    """Run the DRP on these observations; `report` is called with the number of new products.

    Failures of the DRP or the disk, and Ctrl-C, raise nothing: each item has its outcome, and
    `DrpBatch.stop` says why not to continue.
    """
    started = time.time()
    watch = ProductWatch.for_observations(checks, job.rules.root)
    log = job.folder / f"batch-{number:04d}.log"
    command = drp.build_command(job.settings, log.with_suffix(".txt"), job.options.ncpus)
    ending, stop = _run_drp(job, command, checks, watch, log, report)
    # An interrupt that comes now must not lose the results of what was made
    with defer_interrupts() as interrupts:
        defects, inferior = _find_defects(job, checks, watch)
        product_times = _product_times(watch, job)
        failed = [obsid.text for obsid, defect in defects.items() if defect]
        excerpts = drp_log.log_excerpts(log, failed)
        _commit_or_restore(job, defects, inferior)
        items = [_make_item(obsid, defects[obsid], stop, log, excerpts) for obsid in defects]
        record_items(job.settings, job.rules.root, job.source, items, log)
        if interrupts:
            interrupts.clear()
            stop = stop or INTERRUPTED
    if any(NO_SPACE in excerpt.lower() for excerpt in excerpts.values()):
        stop = stop or "the disk is full"
    batch = DrpBatch(
        command=tuple(command),
        log=str(log),
        observations=len(checks),
        ending=ending,
        started_seconds=round(started - job.started, 3),
        seconds=round(time.time() - started, 3),
        product_times=product_times,
        stop=stop,
    )
    return batch, items


def _run_drp(
    job: ReprocessJob,
    command: Sequence[str],
    checks: Sequence[ObservationCheck],
    watch: ProductWatch,
    log: Path,
    report: Callable[[int], None],
) -> tuple[str, str]:
    """How the DRP ended, and the reason not to continue."""
    try:
        _prepare_batch(job, checks, watch, log.with_suffix(".txt"))
        drp_exit = _supervise_drp(job, command, watch, log, report)
    except KeyboardInterrupt:
        new_products.quarantine_suspects(job.marker, ended_now=True)
        return INTERRUPTED, INTERRUPTED
    except OSError as error:
        return "not started", f"{error.strerror}: {error.filename}"
    except InvalidInputError as error:
        return "not started", error.what
    if drp_exit.was_killed:
        new_products.quarantine_suspects(job.marker, ended_now=True)
    new_products.clear_marker(job.marker)
    return str(drp_exit), ""


def _prepare_batch(
    job: ReprocessJob, checks: Sequence[ObservationCheck], watch: ProductWatch, list_file: Path
) -> None:
    """Write what a later run needs to recover this one, before the DRP starts."""
    obsids = [check.obsid for check in checks]
    lines = [f"{obsid.path(job.rules.root, KPF.raw)}\n" for obsid in obsids]
    atomic.write_text(list_file, "".join(lines))
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
    def take_snapshot() -> ProductSnapshot:
        snapshot = watch.snapshot()
        report(snapshot.product_count)
        return snapshot

    return programs.supervise_program(
        command,
        log=log,
        take_snapshot=take_snapshot,
        expected=len(watch.paths),
        limits=job.options.limits,
        nice=job.options.nice,
        lock=job.lock,
        directory=job.settings.drp_directory,
        environment=job.settings.drp_environment,
    )


def _find_defects(
    job: ReprocessJob, checks: Sequence[ObservationCheck], watch: ProductWatch
) -> tuple[dict[ObsID, str], dict[ObsID, ObservationCheck]]:
    """The defects of each observation after the DRP, '' if none, in the order of the work.

    Also the checks of those whose new products have only the defects that their headers show.
    """
    obsids = [check.obsid for check in checks]
    new = watch.new_products()
    try:
        after = job.rules.check_observations(obsids, job.index)
    except ServiceUnavailableError as error:
        return dict.fromkeys(obsids, error.what), {}
    levels = {obsid: _find_level_defects(job, after[obsid], new) for obsid in obsids}
    defects = {obsid: _describe_defects(after[obsid], levels[obsid]) for obsid in obsids}
    return defects, {
        obsid: after[obsid] for obsid in obsids if levels[obsid] == after[obsid].defects
    }


def _describe_defects(check: ObservationCheck, defects: Mapping[str, str]) -> str:
    if check.status in (ObservationStatus.NO_L0, ObservationStatus.JUNK):
        return check.reason
    return "; ".join(f"{level} {defect}" for level, defect in defects.items())


def _find_level_defects(
    job: ReprocessJob, check: ObservationCheck, new: Mapping[tuple[ObsID, str], float]
) -> dict[str, str]:
    """Level to its defect: by its header, as a file, or that it is not new."""
    defects = dict(check.defects)
    for level in check.expected:
        if (check.obsid, level) in new:
            path = check.obsid.path(job.rules.root, level)
            defects[level] = defects.get(level) or _inspect_product(path)
        elif job.options.force:
            defects.setdefault(level, NOT_REMADE)
    return {
        level: _name_quarantined(check.obsid.path(job.rules.root, level), defect)
        for level, defect in defects.items()
        if defect
    }


def _name_quarantined(path: Path, defect: str) -> str:
    """The defect; if the product is missing because it was set aside, with its new name."""
    aside = new_products.quarantine_path(path)
    if defect != IncompleteReason.MISSING or not aside.exists():
        return defect
    return f"{defect} (perhaps unfinished: {aside.name})"


def _inspect_product(path: Path) -> str:
    """The defect of a new product, '' if it is complete.

    A broken one is set aside: later checks read its beginning only and would accept it.
    """
    defect = headers.find_defect(path)
    if not defect:
        return header_facts.find_missing_cameras(path)
    try:
        new_products.quarantine_product(path)
    except OSError as error:
        return f"{defect}, and can't be set aside ({error.strerror})"
    return defect


def _commit_or_restore(
    job: ReprocessJob, defects: dict[ObsID, str], inferior: Mapping[ObsID, ObservationCheck]
) -> None:
    """Remove or restore the old products; update the index for what was written in place."""
    for obsid, defect in defects.items():
        try:
            defects[obsid] = _commit_observation(job, obsid, defect, inferior.get(obsid))
        except OSError as error:
            left = f"old products are left ({error.strerror}: {error.filename})"
            defects[obsid] = f"{defect}; {left}" if defect else left
    if job.backup:
        job.backup.close()
    for night in {obsid.night for obsid in defects}:
        evaluation.mark_touched(job.index, job.rules.root, night)


def _commit_observation(
    job: ReprocessJob, obsid: ObsID, defect: str, inferior: ObservationCheck | None
) -> str:
    """The defect, with a note on which products are there now if there were old ones."""
    backup = job.backup
    if defect and backup and inferior and not backup.is_better_than(inferior):
        has_old = backup.has_stashed(obsid)
        backup.discard(obsid)
        return f"{defect}; {KEPT}" if has_old else defect
    if defect:
        restored = backup and backup.restore(obsid)
        return f"{defect}; {RESTORED}" if restored else defect
    for level in job.rules.levels:
        new_products.remove_quarantined(obsid.path(job.rules.root, level))
    if backup:
        backup.discard(obsid)
    return ""


def _make_item(
    obsid: ObsID, defect: str, stop: str, log: Path, excerpts: Mapping[str, str]
) -> ReprocessItem:
    name, night = obsid.text, obsid.night
    if not defect:
        return ReprocessItem(name, night, ObservationOutcome.DONE)
    if stop:
        return ReprocessItem(name, night, ObservationOutcome.NOT_REACHED, f"{stop}: {defect}")
    excerpt = excerpts[name]
    return ReprocessItem(name, night, ObservationOutcome.FAILED, defect, str(log), excerpt)


def _product_times(watch: ProductWatch, job: ReprocessJob) -> dict[str, tuple[float, ...]]:
    """Level to the times of its new products, seconds since the start of the run."""
    times: dict[str, list[float]] = {level: [] for level in job.rules.levels}
    for (_, level), modified in watch.new_products().items():
        times[level].append(round(modified - job.started, 3))
    return {level: tuple(sorted(values)) for level, values in times.items()}
