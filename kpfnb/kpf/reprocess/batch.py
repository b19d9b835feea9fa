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

from kpfnb import files, fitsheader, interrupts, supervision
from kpfnb.errors import BadInput, ServiceUnavailable
from kpfnb.kpf import drp, survey, unfinished
from kpfnb.kpf.index import Index
from kpfnb.kpf.newproducts import Watch
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.options import Options
from kpfnb.kpf.reprocessing import Batch, Fate, Item
from kpfnb.kpf.safekeeping import Safekeeping
from kpfnb.kpf.standing import Rules, Standing, State
from kpfnb.settings import Settings
from kpfnb.supervision import Ended

NOT_RENEWED = "not made anew"
PUT_BACK = "the old products were put back"
NO_SPACE = "no space left on device"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Job:
    """What all batches of a reprocessing have in common.

    Attributes
    ----------
    folder : where lists and logs go
    old : where the old products are kept meanwhile; None: the DRP writes over them
    lock : locked for as long as a process of the DRP lives
    mark : says which products are in work; see `kpfnb.kpf.unfinished`
    started : POSIX time of the start, s
    """

    settings: Settings
    rules: Rules
    options: Options
    index: Index
    folder: Path
    old: Safekeeping | None
    lock: Path
    mark: Path
    started: float


def process(
    job: Job, number: int, standings: Sequence[Standing], *, report: Callable[[int], None]
) -> tuple[Batch, list[Item]]:
    """Run the DRP on these observations; `report` is told the number of products made so far.

    Nothing is raised for what goes wrong with the DRP or the disk, nor for Ctrl-C: each item tells
    what became of it, and `Batch.stop` why to go no further.
    """
    begun = time.time()
    watch = Watch.over(standings, job.rules.root)
    log = job.folder / f"batch-{number:04d}.log"
    command = drp.command(job.settings, log.with_suffix(".txt"), job.options.ncpus)
    ending, stop = _try(job, command, standings, watch, log, report)
    # Whoever stops it now learns all the same what became of what was made
    with interrupts.put_off() as came:
        flaws = _judge(job, standings, watch)
        made = _times(watch, job)
        excerpts = drp.excerpts(log, [obsid.text for obsid, flaw in flaws.items() if flaw])
        _settle(job, flaws)
        items = [_item(obsid, flaw, stop, log, excerpts) for obsid, flaw in flaws.items()]
        if came:
            came.clear()
            stop = stop or INTERRUPTED
    if any(NO_SPACE in excerpt.lower() for excerpt in excerpts.values()):
        stop = stop or "the disk is full"
    batch = Batch(
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


def _try(
    job: Job,
    command: Sequence[str],
    standings: Sequence[Standing],
    watch: Watch,
    log: Path,
    report: Callable[[int], None],
) -> tuple[str, str]:
    """How the DRP ended, and why to go no further."""
    try:
        _prepare(job, standings, watch, log.with_suffix(".txt"))
        ended = _run(job, command, watch, log, report)
    except KeyboardInterrupt:
        unfinished.distrust(job.mark)
        return INTERRUPTED, INTERRUPTED
    except OSError as error:
        return "not started", f"{error.strerror}: {error.filename}"
    except BadInput as error:
        return "not started", error.what
    if ended.was_killed:
        unfinished.distrust(job.mark)
    unfinished.clear(job.mark)
    return str(ended), ""


def _prepare(job: Job, standings: Sequence[Standing], watch: Watch, listed: Path) -> None:
    """All that a later run needs to bring this one to its end, before the DRP starts."""
    obsids = [standing.obsid for standing in standings]
    lines = [f"{obsid.path(job.rules.root, KPF.raw)}\n" for obsid in obsids]
    files.write_text(listed, "".join(lines))
    if job.old:
        job.old.take(obsids)
    unfinished.mark(job.mark, watch.paths.values())


def _run(
    job: Job, command: Sequence[str], watch: Watch, log: Path, report: Callable[[int], None]
) -> Ended:
    def look() -> supervision.Sight:
        sight = watch.look()
        report(sight.made)
        return sight

    return supervision.run(
        command,
        log=log,
        look=look,
        expected=len(watch.paths),
        patience=job.options.patience,
        nice=job.options.nice,
        lock=job.lock,
    )


def _judge(job: Job, before: Sequence[Standing], watch: Watch) -> dict[ObsID, str]:
    """What is wrong with each observation now, '' where nothing is, in the order of the work."""
    made = watch.made()
    try:
        after = job.rules.look([standing.obsid for standing in before], job.index)
    except ServiceUnavailable as error:
        return {standing.obsid: error.what for standing in before}
    flaws = {}
    for standing in (after[one.obsid] for one in before):
        found = dict(standing.flaws)
        for level in standing.expected:
            if (standing.obsid, level) in made:
                path = standing.obsid.path(job.rules.root, level)
                found[level] = found.get(level) or _inspect(path)
            elif job.options.force:
                found.setdefault(level, NOT_RENEWED)
        worded = "; ".join(f"{level} {flaw}" for level, flaw in found.items() if flaw)
        vanished = standing.state in (State.NO_L0, State.JUNK)
        flaws[standing.obsid] = standing.reason if vanished else worded
    return flaws


def _inspect(path: Path) -> str:
    """The flaw of a new product; a later look, at its beginning only, must not take it for good."""
    flaw = fitsheader.defect(path)
    if flaw:
        try:
            unfinished.set_aside(path)
        except OSError as error:
            return f"{flaw}, and can't be set aside ({error.strerror})"
    return flaw


def _settle(job: Job, flaws: dict[ObsID, str]) -> None:
    """Remove or put back the old products; tell the index what was written in place."""
    for obsid, flaw in flaws.items():
        try:
            flaws[obsid] = _settled(job, obsid, flaw)
        except OSError as error:
            left = f"old products are left ({error.strerror}: {error.filename})"
            flaws[obsid] = f"{flaw}; {left}" if flaw else left
    if job.old:
        job.old.close()
    for night in {obsid.night for obsid in flaws}:
        survey.touched(job.index, job.rules.root, night)


def _settled(job: Job, obsid: ObsID, flaw: str) -> str:
    """The flaw, with what became of the old products."""
    if flaw:
        return f"{flaw}; {PUT_BACK}" if job.old and job.old.put_back(obsid) else flaw
    for level in job.rules.levels:
        unfinished.tidy(obsid.path(job.rules.root, level))
    if job.old:
        job.old.remove(obsid)
    return ""


def _item(obsid: ObsID, flaw: str, stop: str, log: Path, excerpts: Mapping[str, str]) -> Item:
    if not flaw:
        return Item(obsid.text, obsid.night, Fate.DONE)
    if stop:
        return Item(obsid.text, obsid.night, Fate.UNREACHED, f"{stop}: {flaw}")
    return Item(obsid.text, obsid.night, Fate.FAILED, flaw, str(log), excerpts[obsid.text])


def _times(watch: Watch, job: Job) -> dict[str, tuple[float, ...]]:
    """Level to the times at which its products were made, seconds since the start."""
    made = watch.made()
    return {
        level: tuple(
            sorted(round(time - job.started, 3) for (_, lvl), time in made.items() if lvl == level)
        )
        for level in job.rules.levels
    }
