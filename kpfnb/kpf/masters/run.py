"""Make the master calibrations of nights, by the DRP's own commands for masters.

The commands of a night are steps that run in order; after one that fails, the rest is not run.
Only the DRP knows which masters a night should have. So a night is done if all steps ended by
themselves and made at least one master, and all are good, from the calibrations that are present
now.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kpfnb.compute import programs
from kpfnb.compute.programs import SupervisedExit
from kpfnb.core import locks
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.progress import show_progress
from kpfnb.core.settings import load_settings
from kpfnb.core.signals import defer_interrupts
from kpfnb.kpf.files import drp_log, exposure, masters
from kpfnb.kpf.files.masters import MASTERS_DIR
from kpfnb.kpf.files.obsid import KPF, STATE_DIR, file_name, level_dir
from kpfnb.kpf.masters.job import MastersJob
from kpfnb.kpf.masters.manifest import (
    FileStates,
    file_states,
    is_current,
    remove_manifest,
    write_manifest,
)
from kpfnb.kpf.progress import evaluation, night_scan
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products, night_log, recovery
from kpfnb.kpf.reprocess.batch import INTERRUPTED
from kpfnb.kpf.reprocess.new_products import ProductSignature
from kpfnb.kpf.reprocess.plan import ReprocessOptions, Worklist, unknown_names, why_stop
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.reprocess.run import create_run_folder, select_or_resume

LEVEL = MASTERS_DIR
UNLIMITED = 2**31
"""Expected masters: the DRP is never stopped because all are made."""

CALIBRATION_TYPES = ("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe")
MADE_BY_DRP = "the setting masters_command is empty: the DRP makes masters itself, nothing was run"


def make_masters(options: ReprocessOptions) -> ReprocessResult:
    """Make the masters of nights without masters, or whose calibrations have changed.

    An observation among the targets stands for its night. Errors are those of
    `kpfnb.kpf.reprocess.run.reprocess_observations`; options that only apply to observations are
    an `InvalidParameterError`.
    """
    if options.objects or options.sources or options.delete:
        raise InvalidParameterError(
            "masters are made by night", "leave out object, source and delete with masters"
        )
    settings = load_settings(**({"data_root": options.root} if options.root else {}))
    chosen, version = select_or_resume(settings, options, kind=night_log.MASTERS)
    junk = exposure.read_junk_list(settings.junk_path)
    rules = CompletenessRules(settings.kpf_root, (LEVEL,), version, junk.obsids)
    nights = sorted({obsid.night for obsid in chosen.obsids}, reverse=options.newest_first)
    if not settings.masters_command:
        worklist = Worklist({}, [], notes=[MADE_BY_DRP])
        return worklist.to_result(rules, (), dry_run=options.dry_run)
    with HeaderIndex(evaluation.index_path(settings)) as index:
        job = MastersJob(settings, rules, options, index, settings.work_dir, time.time())
        command = job.drp_command("NIGHT")
        if options.dry_run:
            worklist = _plan_nights(job, nights)
        else:
            state = rules.root / STATE_DIR
            with locks.acquire_lock("reprocess", folder=state, wait_seconds=options.wait_seconds):
                notes = recovery.recover_killed_runs(rules, index)
                worklist = _plan_nights(job, nights)
                worklist.notes.extend(notes)
                _run_nights(job, worklist)
        worklist.items.update(unknown_names(chosen))
        worklist.is_empty = chosen.is_empty
        worklist.notes[:0] = [*chosen.notes, *junk.notes, *index.notes]
    return worklist.to_result(rules, command, dry_run=options.dry_run)


def find_calibrations(job: MastersJob, night: str) -> FileStates:
    """The calibration exposures of a night without junk."""
    raw = level_dir(job.rules.root, KPF.raw, night)
    raw_headers = night_scan.read_raw_headers(raw, night, job.index)
    return file_states(
        raw / file_name(obsid, KPF.raw)
        for obsid, header in raw_headers.items()
        if obsid not in job.rules.junk and exposure.source_type(header) in CALIBRATION_TYPES
    )


def _plan_nights(job: MastersJob, nights: Sequence[str]) -> Worklist:
    items = {night: ReprocessItem(night, night, *_initial_outcome(job, night)) for night in nights}
    return Worklist(items, [], started=job.started)


def _initial_outcome(job: MastersJob, night: str) -> tuple[ObservationOutcome, str]:
    calibrations = find_calibrations(job, night)
    if not calibrations:
        return ObservationOutcome.SKIPPED, "no calibrations among its L0 files"
    masters_dir, version = job.masters_dir(night), job.rules.version
    if not job.options.force and is_current(masters_dir, calibrations, version):
        return ObservationOutcome.SKIPPED, ""
    return ObservationOutcome.PLANNED, ""


def _run_nights(job: MastersJob, worklist: Worklist) -> None:
    items = worklist.items
    nights = [item.name for item in items.values() if item.outcome is ObservationOutcome.PLANNED]
    if not nights:
        return
    job = replace(job, folder=create_run_folder(job.settings, job.started))
    log = night_log.NightLogWriter.for_run(
        job.settings, job.folder, job.rules, kind=night_log.MASTERS
    )
    log.record_plan(nights)
    with show_progress(len(nights), "masters", shown=job.options.progress) as bar:
        for number, night in enumerate(nights, 1):
            started = time.time()
            bar.update(note=night)
            drp_run, item = _make_night(job, night)
            worklist.add(drp_run, [item])
            bar.update(done=number, failed=sum(i.outcome.needs_work for i in items.values()))
            log.record_end(night, started, worklist.night_counts(night))
            if stop := why_stop(worklist.batches):
                worklist.mark_unreached(stop)
                break
    worklist.notes.extend(log.notes)


def _make_night(job: MastersJob, night: str) -> tuple[DrpBatch, ReprocessItem]:
    """Run the DRP on one night, and check the new masters.

    Failures of the DRP or the disk, and Ctrl-C, raise nothing.
    """
    started = time.time()
    log = job.folder / f"{night}.log"
    calibrations, before = find_calibrations(job, night), job.master_signatures(night)
    ending, defect, stop = _run_drp(job, night, before, log)
    # An interrupt that comes now must not lose the results of what was made
    with defer_interrupts() as interrupts:
        after = job.master_signatures(night)
        new = {path: state for path, state in after.items() if before.get(path) != state}
        defect = defect or _describe_defects(new) or _commit_night(job, night, calibrations, new)
        if interrupts:
            interrupts.clear()
            stop = stop or INTERRUPTED
    times = sorted(round(state[2] / 1e9 - job.started, 3) for state in new.values())
    drp_run = DrpBatch(
        command=tuple(job.drp_command(night)),
        log=str(log),
        observations=len(calibrations),
        ending=ending,
        started_seconds=round(started - job.started, 3),
        seconds=round(time.time() - started, 3),
        product_times={LEVEL: tuple(times)},
        stop=stop,
    )
    return drp_run, _make_item(night, defect, stop, log)


def _run_drp(
    job: MastersJob, night: str, before: dict[Path, ProductSignature], log: Path
) -> tuple[str, str, str]:
    """How the DRP ended, its failure, and the reason not to continue."""
    masters_dir, state = job.masters_dir(night), job.rules.root / STATE_DIR
    marker = recovery.marker_path(state, "masters")
    try:
        remove_manifest(masters_dir)
        new_products.write_marker(marker, before, folder=masters_dir)
        drp_exit, failure = _run_steps(job, night, before, log)
    except KeyboardInterrupt:
        new_products.quarantine_suspects(marker, ended_now=True)
        return INTERRUPTED, INTERRUPTED, INTERRUPTED
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        return "not started", reason, reason
    if drp_exit.was_killed:
        new_products.quarantine_suspects(marker, ended_now=True)
    new_products.clear_marker(marker)
    return str(drp_exit), failure, ""


def _run_steps(
    job: MastersJob, night: str, before: dict[Path, ProductSignature], log: Path
) -> tuple[SupervisedExit, str]:
    """Run the steps in order until one fails; how the last one ended, and its failure."""
    steps = job.drp_steps(night)
    for number, command in enumerate(steps, 1):
        if len(steps) > 1:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"== step {number} of {len(steps)}: {shlex.join(command)}\n")
        drp_exit = programs.supervise_program(
            command,
            log=log,
            take_snapshot=lambda: job.take_snapshot(night, before),
            expected=UNLIMITED,
            limits=job.options.limits,
            nice=job.options.nice,
            lock=recovery.drp_lock(job.rules.root / STATE_DIR, "masters"),
            directory=job.settings.drp_directory,
            environment=job.settings.drp_environment,
        )
        if drp_exit.exit_code != 0:
            step = f" in step {number} of {len(steps)}" if len(steps) > 1 else ""
            return drp_exit, f"the DRP {drp_exit}{step}"
    return drp_exit, ""


def _describe_defects(new: dict[Path, ProductSignature]) -> str:
    if not new:
        return "no master was made"
    defects = {path.name: masters.find_master_defect(path) for path in new}
    return "; ".join(f"{name} {defect}" for name, defect in defects.items() if defect)


def _commit_night(
    job: MastersJob, night: str, calibrations: FileStates, new: dict[Path, ProductSignature]
) -> str:
    """Write the manifest of a night's masters; the reason if that fails."""
    try:
        write_manifest(job.masters_dir(night), calibrations, new, job.rules.version)
        for path in new:
            new_products.remove_quarantined(path)
    except OSError as error:
        cause = f"{error.strerror}: {error.filename}"
        return f"the masters are good, but their manifest can't be written ({cause})"
    return ""


def _make_item(night: str, defect: str, stop: str, log: Path) -> ReprocessItem:
    if not defect:
        return ReprocessItem(night, night, ObservationOutcome.DONE)
    if stop:
        return ReprocessItem(night, night, ObservationOutcome.NOT_REACHED, stop)
    excerpt = drp_log.log_excerpts(log, [night])[night]
    return ReprocessItem(night, night, ObservationOutcome.FAILED, defect, str(log), excerpt)
