"""Run the DRP again over nights, lists or single observations, as far as they are not done.

The L0 files are given to the DRP in lists, so that its start-up of some seconds is paid once for
many. What it says about itself is not believed: each observation is judged by its products, by the
rules of `kpfnb.kpf.progress.completeness`, and each new product has to be a whole FITS file.

One reprocessing at a time works on a data root. It can be stopped or killed at any moment: the next
one first brings to its end what the killed one left (see `kpfnb.kpf.reprocess.recovery`), then goes on
with what is lacking.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kpfnb.compute.programs import SupervisionLimits
from kpfnb.core import locks, settings
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidParameterError, InvalidSettingsError
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp, obsid_list
from kpfnb.kpf.files import drp as versions
from kpfnb.kpf.files.obsid import KPF, validate_product_levels
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import (
    batch as drpbatch,
)
from kpfnb.kpf.reprocess import (
    night_log,
    recovery,
    selection,
)
from kpfnb.kpf.reprocess.batch import ReprocessJob
from kpfnb.kpf.reprocess.options import DEFAULT_BATCH_SIZE, ReprocessOptions
from kpfnb.kpf.reprocess.recovery import STATE_DIR, ProductBackup
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from kpfnb.kpf.reprocess.selection import ObservationSelection
from kpfnb.kpf.reprocess.worklist import Worklist, why_stop


def reprocess_observations(
    targets: str | Path | Sequence[str | Path] = (),
    *,
    start: str = "",
    end: str = "",
    root: Path | str | None = None,
    objects: Sequence[str] = (),
    sources: Sequence[str] = (),
    resume: bool = False,
    version: str = "",
    levels: Sequence[str] = KPF.products,
    ncpus: int | None = None,
    force: bool = False,
    delete: bool = False,
    order: str = "newest",
    nice: int = 0,
    silence_seconds: float = SupervisionLimits.silence_seconds,
    grace_seconds: float = SupervisionLimits.grace_seconds,
    batch_size: int = DEFAULT_BATCH_SIZE,
    wait_seconds: float = 0,
    dry_run: bool = False,
    progress: bool = True,
) -> ReprocessResult:
    """Process the observations that are not done.

    Parameters
    ----------
    targets, start, end : which observations; see `kpfnb.kpf.reprocess.selection.select_observations`
    objects, sources : only those of them; see `kpfnb.kpf.reprocess.selection.ObservationFilter`
    resume : instead of targets, the nights that the last run did not finish; its version too
    root : the KPF data root; that of the settings if None
    version : products of an earlier DRP version are not done
    levels : the products that are asked for
    ncpus : processes of the DRP; the setting `workers` if None
    force, delete, order, nice, batch_size : see `kpfnb.kpf.reprocess.options.ReprocessOptions`
    silence_seconds, grace_seconds : see `kpfnb.compute.programs.SupervisionLimits`
    wait_seconds : wait so long for another reprocessing or the watcher to give way
    dry_run : say what would be processed; change nothing
    progress : show how it goes

    Raises
    ------
    InvalidParameterError : a parameter that is impossible, or a target that names nothing
    InvalidSettingsError : the DRP's command is not usable, or the data root or work directory not writable
    InvalidInputError : no L0 directory in the data root, or a list that can't be read
    ServiceUnavailableError : a directory of products can't be listed
    AlreadyRunningError : another reprocessing works on this data root, and still does after `wait_seconds`
    """
    here = settings.load_settings(**({"data_root": root} if root else {}))
    options = ReprocessOptions(
        ncpus=here.workers if ncpus is None else ncpus,
        force=force,
        delete=delete,
        order=order,
        nice=nice,
        patience=SupervisionLimits(silence_seconds, grace_seconds),
        batch_size=batch_size,
    )
    command = drp.build_command(here, "LIST", options.ncpus)
    listed = obsid_list.read_junk_list(here.junk_path)
    wanted = selection.ObservationFilter(objects, sources)
    chosen, logged = select_or_resume(
        here, targets, start, end, resume=resume, kind=night_log.SCIENCE
    )
    asked = versions.validate_version(version or logged) if version or logged else ""
    rules = CompletenessRules(here.kpf_root, validate_product_levels(levels), asked, listed.obsids)
    with HeaderIndex(evaluation.index_path(here)) as index:
        selection.apply_filter(chosen, wanted, root=rules.root, index=index)
        if dry_run:
            worklist = Worklist.from_selection(
                chosen, rules.check_observations(chosen.obsids, index), options
            )
        else:
            with locks.acquire_lock(
                "reprocess", folder=rules.root / STATE_DIR, wait_seconds=wait_seconds
            ):
                worklist = _recover_and_process(here, rules, options, chosen, index, progress)
        worklist.notes[:0] = [*chosen.notes, *listed.notes, *index.notes]
    return worklist.to_result(rules, command, dry_run=dry_run)


def select_or_resume(
    here: Settings,
    targets: str | Path | Sequence[str | Path],
    start: str,
    end: str,
    *,
    resume: bool,
    kind: str,
) -> tuple[ObservationSelection, str]:
    """The observations that are meant, and the version that the run to resume had asked for."""
    named = [targets] if isinstance(targets, (str, Path)) else targets
    if not resume:
        return selection.select_observations(named, root=here.kpf_root, start=start, end=end), ""
    if named or start or end:
        raise InvalidParameterError(
            "resume goes by the night log, and targets are named too", "leave one"
        )
    last = night_log.select_last_run(
        night_log.read_entries(night_log.night_log_path(here), here.kpf_root), kind
    )
    left = [entry.night for entry in last if not entry.is_finished]
    if not left:
        return ObservationSelection(
            notes=["the last run has finished all its nights: nothing to resume"]
        ), ""
    return selection.select_observations(left, root=here.kpf_root), last[0].version


def _recover_and_process(
    here: Settings,
    rules: CompletenessRules,
    options: ReprocessOptions,
    chosen: ObservationSelection,
    index: HeaderIndex,
    shown: bool,
) -> Worklist:
    finished = recovery.recover_killed_runs(rules, index)
    worklist = Worklist.from_selection(
        chosen, rules.check_observations(chosen.obsids, index), options
    )
    worklist.notes.extend(finished)
    if worklist.todo:
        _run_batches(_make_job(here, rules, options, index, worklist.started), worklist, shown)
    return worklist


def create_run_folder(here: Settings, started: float) -> Path:
    """A new directory for the lists and logs of a run."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = here.work_dir / "reprocess" / f"{moment}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidSettingsError(
            f"can't make {folder}: {error.strerror}",
            "make the work directory writable, with room on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return folder


def _make_job(
    here: Settings,
    rules: CompletenessRules,
    options: ReprocessOptions,
    index: HeaderIndex,
    started: float,
) -> ReprocessJob:
    folder = create_run_folder(here, started)
    old = ProductBackup(rules.root, folder.name, tuple(rules.levels), rules.version)
    return ReprocessJob(
        settings=here,
        rules=rules,
        options=options,
        index=index,
        folder=folder,
        backup=old if options.delete else None,
        lock=recovery.drp_lock(rules.root / STATE_DIR),
        marker=recovery.marker_path(rules.root / STATE_DIR),
        started=started,
    )


def _run_batches(job: ReprocessJob, worklist: Worklist, shown: bool) -> None:
    """Process all that is to be done, batch by batch."""
    log = night_log.NightLogWriter(
        night_log.night_log_path(job.settings),
        job.folder.name,
        job.rules.root,
        job.rules.version,
        job.folder,
    )
    log.record_plan(dict.fromkeys(standing.obsid.night for standing in worklist.todo))
    total = sum(len(standing.expected) for standing in worklist.todo)
    begun: dict[str, float] = {}
    done = failed = 0
    with live.show_progress(total, "reprocessing", shown=shown) as bar:
        for number, chunk, later in _split_batches(worklist.todo, job.options.batch_size):
            begun = dict.fromkeys(_nights_of(chunk), time.time()) | begun
            bar.update(note=f"from {chunk[0].obsid}")
            batch, items = drpbatch.run_batch(
                job, number, chunk, report=partial(_show_products, bar, done)
            )
            if batch.stop:
                done += sum(map(len, batch.made.values()))
            else:
                done += sum(len(standing.expected) for standing in chunk)
            for item in (one for one in items if one.fate is ObservationOutcome.FAILED):
                failed += 1
                bar.report_failure(item.name, item.reason)
            bar.update(done=done, failed=failed)
            worklist.add(batch, items)
            stop = why_stop(worklist.batches)
            ended = _nights_of(chunk) if stop else _nights_of(chunk) - _nights_of(later)
            if stop:
                worklist.mark_unreached(stop)
            for night in sorted(ended):
                log.record_end(night, begun[night], worklist.night_counts(night))
            if stop:
                break
    worklist.notes.extend(log.notes)


def _show_products(bar: live.ProgressBar, before: int, made: int) -> None:
    bar.update(done=before + made)


def _split_batches(
    todo: Sequence[ObservationCheck], size: int
) -> Iterator[tuple[int, Sequence[ObservationCheck], Sequence[ObservationCheck]]]:
    """Each batch: its number, its observations, and those that come later."""
    for number, first in enumerate(range(0, len(todo), size), 1):
        yield number, todo[first : first + size], todo[first + size :]


def _nights_of(standings: Iterable[ObservationCheck]) -> set[str]:
    return {standing.obsid.night for standing in standings}
