"""Make the master calibrations of nights again, by the DRP's own command for that.

Which masters a night should have only the DRP knows. So a night is done where the DRP ended by
itself and made some, all of them whole, from the calibrations that are there now; see
`kpfnb.kpf.masters.manifest`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kpfnb.compute import programs
from kpfnb.compute.programs import ProductSnapshot, SupervisionLimits
from kpfnb.core import locks, settings, signals
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidParameterError
from kpfnb.core.fits import headers as fitsheader
from kpfnb.core.settings import Settings
from kpfnb.kpf.files import drp, exposure, obsid_list
from kpfnb.kpf.files import drp as versions
from kpfnb.kpf.files.obsid import KPF, file_name, level_dir
from kpfnb.kpf.masters import manifest
from kpfnb.kpf.masters.manifest import FileStates
from kpfnb.kpf.progress import evaluation, night_scan
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import (
    new_products,
    night_log,
    recovery,
    run,
)
from kpfnb.kpf.reprocess import worklist as worklists
from kpfnb.kpf.reprocess.batch import INTERRUPTED
from kpfnb.kpf.reprocess.new_products import ProductSignature, product_signature
from kpfnb.kpf.reprocess.night_log import MASTERS, SCIENCE
from kpfnb.kpf.reprocess.options import ReprocessOptions
from kpfnb.kpf.reprocess.recovery import STATE_DIR
from kpfnb.kpf.reprocess.result import DrpBatch, ObservationOutcome, ReprocessItem, ReprocessResult
from kpfnb.kpf.reprocess.run import create_run_folder, select_or_resume
from kpfnb.kpf.reprocess.worklist import Worklist, why_stop

MASTERS_DIR = LEVEL = "masters"
UNLIMITED = 2**31
"""Masters expected: the program is never stopped for having made all."""

CALIBRATION_TYPES = ("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe")
MADE_BY_DRP = "masters_command is empty: the DRP makes masters by itself, nothing was run"


@dataclass(frozen=True)
class MastersJob:
    """What all nights of a run have in common; logs go to the `folder`."""

    settings: Settings
    rules: CompletenessRules
    options: ReprocessOptions
    index: HeaderIndex
    folder: Path
    started: float

    def masters_dir(self, night: str) -> Path:
        """The directory of a night's masters."""
        return self.rules.root / MASTERS_DIR / night

    def drp_command(self, night: str) -> list[str]:
        """The DRP's command for a night."""
        raw = level_dir(self.rules.root, KPF.raw, night)
        ncpus = self.options.ncpus
        return drp.build_command(self.settings, raw, ncpus, setting="masters_command", night=night)


def make_masters(
    targets: str | Path | Sequence[str | Path] = (),
    *,
    start: str = "",
    end: str = "",
    resume: bool = False,
    root: Path | str | None = None,
    version: str = "",
    ncpus: int | None = None,
    force: bool = False,
    order: str = "newest",
    nice: int = 0,
    silence_seconds: float = SupervisionLimits.silence_seconds,
    grace_seconds: float = SupervisionLimits.grace_seconds,
    wait_seconds: float = 0,
    dry_run: bool = False,
    progress: bool = True,
) -> ReprocessResult:
    """Make the masters of the nights that lack them, or whose calibrations have changed.

    Parameters and errors are those of `kpfnb.kpf.reprocess.run.reprocess_observations`; an observation that is named
    stands for its night.
    """
    here = settings.load_settings(**({"data_root": root} if root else {}))
    patience = SupervisionLimits(silence_seconds, grace_seconds)
    workers = here.workers if ncpus is None else ncpus
    options = ReprocessOptions(workers, force=force, order=order, nice=nice, patience=patience)
    chosen, logged = select_or_resume(
        here, targets, start, end, resume=resume, kind=night_log.MASTERS
    )
    asked = versions.validate_version(version or logged) if version or logged else ""
    listed = obsid_list.read_junk_list(here.junk_path)
    rules = CompletenessRules(here.kpf_root, (LEVEL,), asked, listed.obsids)
    nights = sorted({obsid.night for obsid in chosen.obsids}, reverse=order == "newest")
    if not here.masters_command:
        return Worklist({}, [], notes=[MADE_BY_DRP]).to_result(rules, (), dry_run=dry_run)
    with HeaderIndex(evaluation.index_path(here)) as index:
        job = MastersJob(here, rules, options, index, here.work_dir, time.time())
        command = job.drp_command("NIGHT")
        if dry_run:
            worklist = _plan_nights(job, nights)
        else:
            state = rules.root / STATE_DIR
            with locks.acquire_lock("reprocess", folder=state, wait_seconds=wait_seconds):
                finished = recovery.recover_killed_runs(rules, index)
                worklist = _plan_nights(job, nights)
                worklist.notes.extend(finished)
                _run_nights(job, worklist, shown=progress)
        worklist.items.update(worklists.unknown_names(chosen))
        worklist.notes[:0] = [*chosen.notes, *listed.notes, *index.notes]
    return worklist.to_result(rules, command, dry_run=dry_run)


def _plan_nights(job: MastersJob, nights: Sequence[str]) -> Worklist:
    items = {night: ReprocessItem(night, night, *_initial_outcome(job, night)) for night in nights}
    return Worklist(items, [], started=job.started)


def _initial_outcome(job: MastersJob, night: str) -> tuple[ObservationOutcome, str]:
    found = find_calibrations(job, night)
    if not found:
        return ObservationOutcome.SKIPPED, "no calibrations among its L0 files"
    if not job.options.force and manifest.is_current(
        job.masters_dir(night), found, job.rules.version
    ):
        return ObservationOutcome.SKIPPED, ""
    return ObservationOutcome.PLANNED, ""


def find_calibrations(job: MastersJob, night: str) -> FileStates:
    """The calibration exposures of a night, no junk."""
    raw = level_dir(job.rules.root, KPF.raw, night)
    headers = night_scan.read_raw_headers(raw, night, job.index)
    return manifest.file_states(
        raw / file_name(obsid, KPF.raw)
        for obsid, header in headers.items()
        if obsid not in job.rules.junk and exposure.source_type(header) in CALIBRATION_TYPES
    )


def _run_nights(job: MastersJob, worklist: Worklist, *, shown: bool) -> None:
    todo = [
        item.name for item in worklist.items.values() if item.fate is ObservationOutcome.PLANNED
    ]
    if not todo:
        return
    job = replace(job, folder=create_run_folder(job.settings, job.started))
    log = night_log.NightLogWriter(
        night_log.night_log_path(job.settings), job.folder.name, job.rules.root, job.rules.version,
        job.folder, night_log.MASTERS,
    )  # fmt: skip
    log.record_plan(todo)
    with live.show_progress(len(todo), "masters", shown=shown) as bar:
        for number, night in enumerate(todo, 1):
            begun = time.time()
            bar.update(note=night)
            batch, item = _make_night(job, night)
            worklist.add(batch, [item])
            bar.update(done=number, failed=sum(i.fate.needs_work for i in worklist.items.values()))
            log.record_end(night, begun, worklist.night_counts(night))
            if stop := why_stop(worklist.batches):
                worklist.mark_unreached(stop)
                break
    worklist.notes.extend(log.notes)


def _make_night(job: MastersJob, night: str) -> tuple[DrpBatch, ReprocessItem]:
    """Run the DRP on one night, and judge what came.

    Nothing is raised for what goes wrong with the DRP or the disk, nor for Ctrl-C.
    """
    begun, place = time.time(), job.masters_dir(night)
    log = job.folder / f"{night}.log"
    used, before = find_calibrations(job, night), _master_signatures(place)
    ending, flaw, stop = _run_drp(job, night, before, log)
    # Whoever stops it now learns all the same what became of what was made
    with signals.defer_interrupts() as came:
        made = {
            path: one for path, one in _master_signatures(place).items() if before.get(path) != one
        }
        flaw = flaw or _find_defects(made) or _commit_night(job, night, used, made)
        if came:
            came.clear()
            stop = stop or INTERRUPTED
    batch = DrpBatch(
        command=tuple(job.drp_command(night)),
        log=str(log),
        observations=len(used),
        ending=ending,
        started_seconds=round(begun - job.started, 3),
        seconds=round(time.time() - begun, 3),
        made={LEVEL: tuple(sorted(round(s[2] / 1e9 - job.started, 3) for s in made.values()))},
        stop=stop,
    )
    return batch, _make_item(night, flaw, stop, log)


def _run_drp(
    job: MastersJob, night: str, before: dict[Path, ProductSignature], log: Path
) -> tuple[str, str, str]:
    """How the DRP ended, what is wrong with that, and why to go no further."""
    place, state = job.masters_dir(night), job.rules.root / STATE_DIR
    mark = recovery.marker_path(state, "masters")
    try:
        manifest.remove_manifest(place)
        new_products.write_marker(mark, before, folder=place)
        ended = programs.supervise_program(
            job.drp_command(night),
            log=log,
            take_snapshot=lambda: _snapshot(place, before),
            expected=UNLIMITED,
            limits=job.options.patience,
            nice=job.options.nice,
            lock=recovery.drp_lock(state, "masters"),
        )
    except KeyboardInterrupt:
        new_products.quarantine_suspects(mark)
        return INTERRUPTED, INTERRUPTED, INTERRUPTED
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        return "not started", reason, reason
    if ended.was_killed:
        new_products.quarantine_suspects(mark)
    new_products.clear_marker(mark)
    return str(ended), "" if ended.exit_code == 0 else f"the DRP {ended}", ""


def _find_defects(made: dict[Path, ProductSignature]) -> str:
    if not made:
        return "no master was made"
    flaws = {path.name: fitsheader.find_defect(path) for path in made}
    return "; ".join(f"{name} {flaw}" for name, flaw in flaws.items() if flaw)


def _commit_night(
    job: MastersJob, night: str, used: FileStates, made: dict[Path, ProductSignature]
) -> str:
    """Stamp the masters of a night; why that can't be done."""
    try:
        manifest.write_manifest(job.masters_dir(night), used, made, job.rules.version)
        for path in made:
            new_products.remove_quarantined(path)
    except OSError as error:
        return f"the masters are good, but not stamped ({error.strerror}: {error.filename})"
    return ""


def _make_item(night: str, flaw: str, stop: str, log: Path) -> ReprocessItem:
    if not flaw:
        return ReprocessItem(night, night, ObservationOutcome.DONE)
    if stop:
        return ReprocessItem(night, night, ObservationOutcome.NOT_REACHED, stop)
    return ReprocessItem(
        night,
        night,
        ObservationOutcome.FAILED,
        flaw,
        str(log),
        drp.log_excerpts(log, [night])[night],
    )


def _snapshot(place: Path, before: dict[Path, ProductSignature]) -> ProductSnapshot:
    now = _master_signatures(place)
    made = sum(before.get(path) != one for path, one in now.items())
    return ProductSnapshot(made, hash(tuple(now.items())))


def _master_signatures(place: Path) -> dict[Path, ProductSignature]:
    return {path: product_signature(path) for path in sorted(place.glob("*.fits"))}


# Run the DRP again, for observations or for masters: one call for the command and the notebook.


def reprocess_products(
    what: str,
    targets: Sequence[str | Path],
    *,
    objects: Sequence[str] = (),
    sources: Sequence[str] = (),
    delete: bool = False,
    **common: Any,
) -> ReprocessResult:
    """Make science products (2D, L1, L2) or masters.

    All but `what` are the parameters of `kpfnb.kpf.reprocess.run.reprocess_observations` and `kpfnb.kpf.masters.run.make_masters`; what
    only the first of them knows is a `InvalidParameterError` with masters.
    """
    if what == SCIENCE:
        return run.reprocess_observations(
            targets, objects=objects, sources=sources, delete=delete, **common
        )
    if what != MASTERS:
        raise InvalidParameterError(f"what: {what!r}", f"it is {SCIENCE} or {MASTERS}")
    if objects or sources or delete:
        raise InvalidParameterError(
            "masters are made by night", "leave object, source and delete alone with masters"
        )
    return make_masters(targets, **common)
