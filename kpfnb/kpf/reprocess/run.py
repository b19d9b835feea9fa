"""Run the DRP again over nights, lists or single observations, as far as they are not done.

The L0 files are given to the DRP in lists, so that its start-up of some seconds is paid once for
many. What it says about itself is not believed: each observation is judged by its products, by the
rules of `kpfnb.kpf.judgement`, and each new product has to be a whole FITS file.

One reprocessing at a time works on a data root. It can be stopped or killed at any moment: the next
one first brings to its end what the killed one left (see `kpfnb.kpf.safekeeping`), then goes on
with what is lacking.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kpfnb import live, locks, settings
from kpfnb.errors import BadParameter, BadSettings
from kpfnb.kpf import drp, drpbatch, junk, leftovers, narrowing, nightlog, survey
from kpfnb.kpf import selection as selections
from kpfnb.kpf import version as versions
from kpfnb.kpf.drpbatch import Job
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import KPF, check_products
from kpfnb.kpf.options import BATCH_SIZE, Options
from kpfnb.kpf.reprocessing import Fate, Reprocessing
from kpfnb.kpf.safekeeping import STATE_DIR, Safekeeping
from kpfnb.kpf.selection import Selection
from kpfnb.kpf.standing import Rules, Standing
from kpfnb.kpf.worklist import Worklist, why_stop
from kpfnb.settings import Settings
from kpfnb.supervision import Patience


def run(
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
    silence_seconds: float = Patience.silence_seconds,
    grace_seconds: float = Patience.grace_seconds,
    batch_size: int = BATCH_SIZE,
    wait_seconds: float = 0,
    dry_run: bool = False,
    progress: bool = True,
) -> Reprocessing:
    """Process the observations that are not done.

    Parameters
    ----------
    targets, start, end : which observations; see `kpfnb.kpf.selection.select`
    objects, sources : only those of them; see `kpfnb.kpf.narrowing.Wanted`
    resume : instead of targets, the nights that the last run did not finish; its version too
    root : the KPF data root; that of the settings if None
    version : products of an earlier DRP version are not done
    levels : the products that are asked for
    ncpus : processes of the DRP; the setting `workers` if None
    force, delete, order, nice, batch_size : see `kpfnb.kpf.options.Options`
    silence_seconds, grace_seconds : see `kpfnb.supervision.Patience`
    wait_seconds : wait so long for another reprocessing or the watcher to give way
    dry_run : say what would be processed; change nothing
    progress : show how it goes

    Raises
    ------
    BadParameter : a parameter that is impossible, or a target that names nothing
    BadSettings : the DRP's command is not usable, or the data root or work directory not writable
    BadInput : no L0 directory in the data root, or a list that can't be read
    ServiceUnavailable : a directory of products can't be listed
    Busy : another reprocessing works on this data root, and still does after `wait_seconds`
    """
    here = settings.load(**({"data_root": root} if root else {}))
    options = Options(
        ncpus=here.workers if ncpus is None else ncpus,
        force=force,
        delete=delete,
        order=order,
        nice=nice,
        patience=Patience(silence_seconds, grace_seconds),
        batch_size=batch_size,
    )
    command = drp.command(here, "LIST", options.ncpus)
    listed = junk.read(here.junk_path)
    wanted = narrowing.Wanted(objects, sources)
    chosen, logged = choose(here, targets, start, end, resume=resume, kind=nightlog.SCIENCE)
    asked = versions.check(version or logged) if version or logged else ""
    rules = Rules(here.kpf_root, check_products(levels), asked, listed.obsids)
    with Index(survey.index_path(here)) as index:
        narrowing.narrow(chosen, wanted, root=rules.root, index=index)
        if dry_run:
            worklist = Worklist.of(chosen, rules.look(chosen.obsids, index), options)
        else:
            with locks.hold("reprocess", folder=rules.root / STATE_DIR, wait_seconds=wait_seconds):
                worklist = _reprocess(here, rules, options, chosen, index, progress)
        worklist.notes[:0] = [*chosen.notes, *listed.notes, *index.notes]
    return worklist.result(rules, command, dry_run=dry_run)


def choose(
    here: Settings,
    targets: str | Path | Sequence[str | Path],
    start: str,
    end: str,
    *,
    resume: bool,
    kind: str,
) -> tuple[Selection, str]:
    """The observations that are meant, and the version that the run to resume had asked for."""
    named = [targets] if isinstance(targets, (str, Path)) else targets
    if not resume:
        return selections.select(named, root=here.kpf_root, start=start, end=end), ""
    if named or start or end:
        raise BadParameter("resume goes by the night log, and targets are named too", "leave one")
    last = nightlog.last_run(nightlog.read(nightlog.path(here), here.kpf_root), kind)
    left = [entry.night for entry in last if not entry.is_finished]
    if not left:
        return Selection(notes=["the last run has finished all its nights: nothing to resume"]), ""
    return selections.select(left, root=here.kpf_root), last[0].version


def _reprocess(
    here: Settings, rules: Rules, options: Options, chosen: Selection, index: Index, shown: bool
) -> Worklist:
    finished = leftovers.settle(rules, index)
    worklist = Worklist.of(chosen, rules.look(chosen.obsids, index), options)
    worklist.notes.extend(finished)
    if worklist.todo:
        _work(_job(here, rules, options, index, worklist.started), worklist, shown)
    return worklist


def run_folder(here: Settings, started: float) -> Path:
    """A new directory for the lists and logs of a run."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = here.work_dir / "reprocess" / f"{moment}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BadSettings(
            f"can't make {folder}: {error.strerror}",
            "make the work directory writable, with room on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return folder


def _job(here: Settings, rules: Rules, options: Options, index: Index, started: float) -> Job:
    folder = run_folder(here, started)
    old = Safekeeping(rules.root, folder.name, tuple(rules.levels), rules.version)
    return Job(
        settings=here,
        rules=rules,
        options=options,
        index=index,
        folder=folder,
        old=old if options.delete else None,
        lock=leftovers.lock(rules.root / STATE_DIR),
        mark=leftovers.mark(rules.root / STATE_DIR),
        started=started,
    )


def _work(job: Job, worklist: Worklist, shown: bool) -> None:
    """Process all that is to be done, batch by batch."""
    log = nightlog.Keeper(
        nightlog.path(job.settings), job.folder.name, job.rules.root, job.rules.version, job.folder
    )
    log.plan(dict.fromkeys(standing.obsid.night for standing in worklist.todo))
    total = sum(len(standing.expected) for standing in worklist.todo)
    begun: dict[str, float] = {}
    done = failed = 0
    with live.progress(total, "reprocessing", shown=shown) as bar:
        for number, chunk, later in _batches(worklist.todo, job.options.batch_size):
            begun = dict.fromkeys(_nights(chunk), time.time()) | begun
            bar.update(note=f"from {chunk[0].obsid}")
            batch, items = drpbatch.process(job, number, chunk, report=partial(_show, bar, done))
            if batch.stop:
                done += sum(map(len, batch.made.values()))
            else:
                done += sum(len(standing.expected) for standing in chunk)
            for item in (one for one in items if one.fate is Fate.FAILED):
                failed += 1
                bar.failure(item.name, item.reason)
            bar.update(done=done, failed=failed)
            worklist.add(batch, items)
            stop = why_stop(worklist.batches)
            ended = _nights(chunk) if stop else _nights(chunk) - _nights(later)
            if stop:
                worklist.leave(stop)
            for night in sorted(ended):
                log.ended(night, begun[night], worklist.of_night(night))
            if stop:
                break
    worklist.notes.extend(log.notes)


def _show(bar: live.Bar, before: int, made: int) -> None:
    bar.update(done=before + made)


def _batches(
    todo: Sequence[Standing], size: int
) -> Iterator[tuple[int, Sequence[Standing], Sequence[Standing]]]:
    """Each batch: its number, its observations, and those that come later."""
    for number, first in enumerate(range(0, len(todo), size), 1):
        yield number, todo[first : first + size], todo[first + size :]


def _nights(standings: Iterable[Standing]) -> set[str]:
    return {standing.obsid.night for standing in standings}
