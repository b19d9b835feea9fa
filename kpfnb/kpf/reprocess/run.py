"""Run the data reduction pipeline (DRP) again over all observations that are not done.

The DRP gets its L0 files in lists, so that its start-up of some seconds is paid once for many. Its
own report is not trusted: each observation is judged by its products, by the rules of
`kpfnb.kpf.progress.completeness`, and each new product has to be a complete FITS file.

Only one reprocessing at a time works on a data root. It can be stopped or killed at any time: the
next one first recovers what the killed one left (`kpfnb.kpf.reprocess.recovery`), then continues
with what is missing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from kpfnb.core import locks
from kpfnb.core.clock import file_stamp
from kpfnb.core.errors import InvalidParameterError, InvalidSettingsError
from kpfnb.core.progress import ProgressBar, show_progress
from kpfnb.core.settings import Settings, load_settings
from kpfnb.kpf.files import drp, exposure
from kpfnb.kpf.files.obsid import STATE_DIR, validate_product_levels
from kpfnb.kpf.progress import evaluation
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import batch, night_log, recovery, selection
from kpfnb.kpf.reprocess.batch import ReprocessJob
from kpfnb.kpf.reprocess.plan import ReprocessOptions, Worklist, why_stop
from kpfnb.kpf.reprocess.recovery import ProductBackup
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from kpfnb.kpf.reprocess.selection import ObservationFilter, ObservationSelection


def reprocess_observations(options: ReprocessOptions) -> ReprocessResult:
    """Process the observations that are not done.

    Raises
    ------
    InvalidParameterError : an invalid option, or a target that names nothing
    InvalidSettingsError : the DRP's command is not usable, or the data root or work directory is
        not writable
    InvalidInputError : no L0 directory in the data root, or a list that can't be read
    ServiceUnavailableError : a directory of products can't be listed
    AlreadyRunningError : another reprocessing works on this data root, after `wait_seconds` too
    """
    settings = load_settings(**({"data_root": options.root} if options.root else {}))
    command = drp.build_command(settings, "LIST", options.ncpus)
    junk = exposure.read_junk_list(settings.junk_path)
    wanted = ObservationFilter(options.objects, options.sources)
    chosen, version = select_or_resume(settings, options, kind=night_log.SCIENCE)
    levels = validate_product_levels(options.levels)
    rules = CompletenessRules(settings.kpf_root, levels, version, junk.obsids)
    with HeaderIndex(evaluation.index_path(settings)) as index:
        selection.apply_filter(chosen, wanted, root=rules.root, index=index)
        if options.dry_run:
            checks = rules.check_observations(chosen.obsids, index)
            worklist = Worklist.from_selection(chosen, checks, options)
        else:
            state = rules.root / STATE_DIR
            with locks.acquire_lock("reprocess", folder=state, wait_seconds=options.wait_seconds):
                notes = recovery.recover_killed_runs(rules, index)
                checks = rules.check_observations(chosen.obsids, index)
                worklist = Worklist.from_selection(chosen, checks, options)
                worklist.notes.extend(notes)
                if worklist.todo:
                    _run_batches(_make_job(settings, rules, options, index, worklist), worklist)
        worklist.notes[:0] = [*chosen.notes, *junk.notes, *index.notes]
    return worklist.to_result(rules, command, dry_run=options.dry_run)


def select_or_resume(
    settings: Settings, options: ReprocessOptions, *, kind: str
) -> tuple[ObservationSelection, str]:
    """The observations to process and the required version; with `resume` those of the last run.

    kind : of the nights in the night log, science or masters
    """
    root, targets = settings.kpf_root, options.target_names
    version = options.version.strip()
    if not options.resume:
        chosen = selection.select_observations(
            targets, root=root, start=options.start, end=options.end
        )
        return chosen, version
    if targets or options.start or options.end:
        raise InvalidParameterError(
            "resume takes its nights from the night log, but targets are given too",
            "leave one of them out",
        )
    entries = night_log.read_entries(night_log.night_log_path(settings), root)
    last_run = night_log.select_last_run(entries, kind)
    nights = [entry.night for entry in last_run if not entry.is_finished]
    if not nights:
        note = "the last run has finished all its nights: nothing to resume"
        return ObservationSelection(notes=[note], is_finished=True), version
    return selection.select_observations(nights, root=root), version or last_run[0].version


def create_run_folder(settings: Settings, started: float) -> Path:
    """Create the directory for the lists and logs of a run."""
    folder = settings.work_dir / "reprocess" / f"{file_stamp(started)}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidSettingsError(
            f"can't create {folder}: {error.strerror}",
            "make the work directory writable, free space on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return folder


def _make_job(
    settings: Settings,
    rules: CompletenessRules,
    options: ReprocessOptions,
    index: HeaderIndex,
    worklist: Worklist,
) -> ReprocessJob:
    folder = create_run_folder(settings, worklist.started)
    backup = ProductBackup(rules.root, folder.name, tuple(rules.levels), rules.version)
    return ReprocessJob(
        settings=settings,
        rules=rules,
        options=options,
        index=index,
        folder=folder,
        backup=backup if options.delete else None,
        lock=recovery.drp_lock(rules.root / STATE_DIR),
        marker=recovery.marker_path(rules.root / STATE_DIR),
        started=worklist.started,
    )


def _run_batches(job: ReprocessJob, worklist: Worklist) -> None:
    log = night_log.NightLogWriter.for_run(
        job.settings, job.folder, job.rules, kind=night_log.SCIENCE
    )
    log.record_plan(dict.fromkeys(check.obsid.night for check in worklist.todo))
    total = sum(len(check.expected) for check in worklist.todo)
    night_starts: dict[str, float] = {}
    done = failed = 0
    with show_progress(total, "products", shown=job.options.progress) as bar:
        for number, checks, later in _split_batches(worklist.todo, job.options.batch_size):
            night_starts = dict.fromkeys(_nights_of(checks), time.time()) | night_starts
            bar.update(note=f"from {checks[0].obsid}")
            drp_run, items = batch.run_batch(
                job, number, checks, report=partial(_show_products, bar, done)
            )
            if drp_run.stop:
                done += drp_run.product_count
            else:
                done += sum(len(check.expected) for check in checks)
            for item in items:
                if item.outcome is ObservationOutcome.FAILED:
                    failed += 1
                    bar.report_failure(item.name, item.reason)
            bar.update(done=done, failed=failed)
            worklist.add(drp_run, items)
            stop = why_stop(worklist.batches)
            if stop:
                worklist.mark_unreached(stop)
            nights = _nights_of(checks) if stop else _nights_of(checks) - _nights_of(later)
            for night in sorted(nights):
                log.record_end(night, night_starts[night], worklist.night_counts(night))
            if stop:
                break
    worklist.notes.extend(log.notes)


def _show_products(bar: ProgressBar, done_before: int, new_products: int) -> None:
    bar.update(done=done_before + new_products)


def _split_batches(
    todo: Sequence[ObservationCheck], size: int
) -> Iterator[tuple[int, Sequence[ObservationCheck], Sequence[ObservationCheck]]]:
    """Each batch: its number, its observations, and those of all later batches."""
    for number, first in enumerate(range(0, len(todo), size), 1):
        yield number, todo[first : first + size], todo[first + size :]


def _nights_of(checks: Iterable[ObservationCheck]) -> set[str]:
    return {check.obsid.night for check in checks}
