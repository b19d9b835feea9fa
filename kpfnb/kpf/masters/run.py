"""Make the master calibrations of nights again, by the DRP's own command for that.

Which masters a night should have only the DRP knows. So a night is done where the DRP ended by
itself and made some, all of them whole, from the calibrations that are there now; see
`kpfnb.kpf.masterstamp`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb import fitsheader, interrupts, live, locks, settings, supervision
from kpfnb.kpf import (
    drp,
    exposure,
    inventory,
    junk,
    leftovers,
    masterstamp,
    nightlog,
    survey,
    unfinished,
)
from kpfnb.kpf import version as versions
from kpfnb.kpf import worklist as worklists
from kpfnb.kpf.drpbatch import INTERRUPTED
from kpfnb.kpf.index import Index
from kpfnb.kpf.masterstamp import States
from kpfnb.kpf.newproducts import Signature, signature_of
from kpfnb.kpf.obsid import KPF, file_name, level_dir
from kpfnb.kpf.options import Options
from kpfnb.kpf.reprocess import choose, run_folder
from kpfnb.kpf.reprocessing import Batch, Fate, Item, Reprocessing
from kpfnb.kpf.safekeeping import STATE_DIR
from kpfnb.kpf.standing import Rules
from kpfnb.kpf.worklist import Worklist, why_stop
from kpfnb.settings import Settings
from kpfnb.supervision import Patience, Sight

FOLDER = LEVEL = "masters"
UNKNOWN = 2**31
"""Masters expected: the program is never stopped for having made all."""

CALIBRATIONS = ("Bias", "Dark", "Flat", "Wide Flat", "LFC", "Etalon", "ThAr", "UNe")
BY_ITSELF = "masters_command is empty: the DRP makes masters by itself, nothing was run"


@dataclass(frozen=True)
class Job:
    """What all nights of a run have in common; logs go to the `folder`."""

    settings: Settings
    rules: Rules
    options: Options
    index: Index
    folder: Path
    started: float

    def masters(self, night: str) -> Path:
        """The directory of a night's masters."""
        return self.rules.root / FOLDER / night

    def command(self, night: str) -> list[str]:
        """The DRP's command for a night."""
        raw = level_dir(self.rules.root, KPF.raw, night)
        ncpus = self.options.ncpus
        return drp.command(self.settings, raw, ncpus, setting="masters_command", night=night)


def run(
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
    silence_seconds: float = Patience.silence_seconds,
    grace_seconds: float = Patience.grace_seconds,
    wait_seconds: float = 0,
    dry_run: bool = False,
    progress: bool = True,
) -> Reprocessing:
    """Make the masters of the nights that lack them, or whose calibrations have changed.

    Parameters and errors are those of `kpfnb.kpf.reprocess.run`; an observation that is named
    stands for its night.
    """
    here = settings.load(**({"data_root": root} if root else {}))
    patience = Patience(silence_seconds, grace_seconds)
    workers = here.workers if ncpus is None else ncpus
    options = Options(workers, force=force, order=order, nice=nice, patience=patience)
    chosen, logged = choose(here, targets, start, end, resume=resume, kind=nightlog.MASTERS)
    asked = versions.check(version or logged) if version or logged else ""
    listed = junk.read(here.junk_path)
    rules = Rules(here.kpf_root, (LEVEL,), asked, listed.obsids)
    nights = sorted({obsid.night for obsid in chosen.obsids}, reverse=order == "newest")
    if not here.masters_command:
        return Worklist({}, [], notes=[BY_ITSELF]).result(rules, (), dry_run=dry_run)
    with Index(survey.index_path(here)) as index:
        job = Job(here, rules, options, index, here.work_dir, time.time())
        command = job.command("NIGHT")
        if dry_run:
            worklist = _worklist(job, nights)
        else:
            state = rules.root / STATE_DIR
            with locks.hold("reprocess", folder=state, wait_seconds=wait_seconds):
                finished = leftovers.settle(rules, index)
                worklist = _worklist(job, nights)
                worklist.notes.extend(finished)
                _work(job, worklist, shown=progress)
        worklist.items.update(worklists.strangers(chosen))
        worklist.notes[:0] = [*chosen.notes, *listed.notes, *index.notes]
    return worklist.result(rules, command, dry_run=dry_run)


def _worklist(job: Job, nights: Sequence[str]) -> Worklist:
    items = {night: Item(night, night, *_standing(job, night)) for night in nights}
    return Worklist(items, [], started=job.started)


def _standing(job: Job, night: str) -> tuple[Fate, str]:
    found = calibrations(job, night)
    if not found:
        return Fate.SKIPPED, "no calibrations among its L0 files"
    if not job.options.force and masterstamp.holds(job.masters(night), found, job.rules.version):
        return Fate.SKIPPED, ""
    return Fate.PLANNED, ""


def calibrations(job: Job, night: str) -> States:
    """The calibration exposures of a night, no junk."""
    raw = level_dir(job.rules.root, KPF.raw, night)
    headers = inventory.raw_headers(raw, night, job.index)
    return masterstamp.states(
        raw / file_name(obsid, KPF.raw)
        for obsid, header in headers.items()
        if obsid not in job.rules.junk and exposure.source(header) in CALIBRATIONS
    )


def _work(job: Job, worklist: Worklist, *, shown: bool) -> None:
    todo = [item.name for item in worklist.items.values() if item.fate is Fate.PLANNED]
    if not todo:
        return
    job = replace(job, folder=run_folder(job.settings, job.started))
    log = nightlog.Keeper(
        nightlog.path(job.settings), job.folder.name, job.rules.root, job.rules.version,
        job.folder, nightlog.MASTERS,
    )  # fmt: skip
    log.plan(todo)
    with live.progress(len(todo), "masters", shown=shown) as bar:
        for number, night in enumerate(todo, 1):
            begun = time.time()
            bar.update(note=night)
            batch, item = _make(job, night)
            worklist.add(batch, [item])
            bar.update(done=number, failed=sum(i.fate.needs_work for i in worklist.items.values()))
            log.ended(night, begun, worklist.of_night(night))
            if stop := why_stop(worklist.batches):
                worklist.leave(stop)
                break
    worklist.notes.extend(log.notes)


def _make(job: Job, night: str) -> tuple[Batch, Item]:
    """Run the DRP on one night, and judge what came.

    Nothing is raised for what goes wrong with the DRP or the disk, nor for Ctrl-C.
    """
    begun, place = time.time(), job.masters(night)
    log = job.folder / f"{night}.log"
    used, before = calibrations(job, night), _masters(place)
    ending, flaw, stop = _try(job, night, before, log)
    # Whoever stops it now learns all the same what became of what was made
    with interrupts.put_off() as came:
        made = {path: one for path, one in _masters(place).items() if before.get(path) != one}
        flaw = flaw or _flaw(made) or _settle(job, night, used, made)
        if came:
            came.clear()
            stop = stop or INTERRUPTED
    batch = Batch(
        command=tuple(job.command(night)),
        log=str(log),
        observations=len(used),
        ending=ending,
        started_seconds=round(begun - job.started, 3),
        seconds=round(time.time() - begun, 3),
        made={LEVEL: tuple(sorted(round(s[2] / 1e9 - job.started, 3) for s in made.values()))},
        stop=stop,
    )
    return batch, _item(night, flaw, stop, log)


def _try(job: Job, night: str, before: dict[Path, Signature], log: Path) -> tuple[str, str, str]:
    """How the DRP ended, what is wrong with that, and why to go no further."""
    place, state = job.masters(night), job.rules.root / STATE_DIR
    mark = leftovers.mark(state, "masters")
    try:
        masterstamp.remove(place)
        unfinished.mark(mark, before, folder=place)
        ended = supervision.run(
            job.command(night),
            log=log,
            look=lambda: _sight(place, before),
            expected=UNKNOWN,
            patience=job.options.patience,
            nice=job.options.nice,
            lock=leftovers.lock(state, "masters"),
        )
    except KeyboardInterrupt:
        unfinished.distrust(mark)
        return INTERRUPTED, INTERRUPTED, INTERRUPTED
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        return "not started", reason, reason
    if ended.was_killed:
        unfinished.distrust(mark)
    unfinished.clear(mark)
    return str(ended), "" if ended.exit_code == 0 else f"the DRP {ended}", ""


def _flaw(made: dict[Path, Signature]) -> str:
    if not made:
        return "no master was made"
    flaws = {path.name: fitsheader.defect(path) for path in made}
    return "; ".join(f"{name} {flaw}" for name, flaw in flaws.items() if flaw)


def _settle(job: Job, night: str, used: States, made: dict[Path, Signature]) -> str:
    """Stamp the masters of a night; why that can't be done."""
    try:
        masterstamp.write(job.masters(night), used, made, job.rules.version)
        for path in made:
            unfinished.tidy(path)
    except OSError as error:
        return f"the masters are good, but not stamped ({error.strerror}: {error.filename})"
    return ""


def _item(night: str, flaw: str, stop: str, log: Path) -> Item:
    if not flaw:
        return Item(night, night, Fate.DONE)
    if stop:
        return Item(night, night, Fate.UNREACHED, stop)
    return Item(night, night, Fate.FAILED, flaw, str(log), drp.excerpts(log, [night])[night])


def _sight(place: Path, before: dict[Path, Signature]) -> Sight:
    now = _masters(place)
    made = sum(before.get(path) != one for path, one in now.items())
    return Sight(made, hash(tuple(now.items())))


def _masters(place: Path) -> dict[Path, Signature]:
    return {path: signature_of(path) for path in sorted(place.glob("*.fits"))}
